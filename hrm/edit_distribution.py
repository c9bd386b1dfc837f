"""The distribution over whole edits that one `Encoded` stands for.

An action is [tool, start, end, r_1 .. r_R]. Its probability is that of the tool times, for an edit,
those of the start, of the end given the start, and of each replacement entry given what precedes
it. Only legal actions have any probability, and it sums to 1 over them.

B batch, L and S canvas positions (S as in `Encoded`), J nodes per row (prefixes of an action),
N entries packed over rows, T tools, W = max_span + 1 ends, R slots, V vocabulary, E = V + S.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hrmgym.errors import ActionError
from hrmgym.hrm.copying import CLS, END, PAD, SEP, copy_targets
from hrmgym.hrm.edit_model import EditModel, Encoded
from hrmgym.hrm.edit_search import ScoredAction, TopK, best_actions

#: Tensors of a distribution that have a row for each canvas.
_BY_ROW = (
    *("editable", "targets", "legal_start", "legal_tools"),
    *("tool_log_probs", "start_log_probs", "_copy_key"),
)
#: Score of what is not legal. Finite, so that a gradient never meets inf - inf.
NEVER = -1e9


@dataclass(frozen=True, slots=True)
class Hits:
    """Whether each part of a target is the greedy choice given the parts before it, bool [B].

    Parts that an action does not have count as hits. All four hold exactly where the greedy action
    is the target.
    """

    tool: Tensor
    start: Tensor
    end: Tensor
    replacement: Tensor


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Result of `EditDistribution.evaluate`."""

    log_prob: Tensor
    """In nats, -inf where the action is not legal [B]."""
    choices: tuple[Tensor, Tensor, Tensor]
    """The shares of tool, start and end in it, each [B]; 0 for what an action does not have. The
    rest is the replacement's."""
    entropy: Tensor | None
    """See `EditDistribution.entropy` [B]."""
    hits: Hits | None


class EditDistribution:
    """Sampling, probabilities, greedy choice and the k best for a batch of encoded canvases."""

    def __init__(
        self,
        model: EditModel,
        encoded: Encoded,
        editable: Tensor,
        lexeme_start: Tensor,
        legal_tools: Tensor,
    ) -> None:
        """Takes what the observation says is legal.

        Args:
            model: what `encoded` came from.
            encoded: B canvases.
            editable: bool [B, L], tokens that an edit may replace.
            lexeme_start: bool [B, L], first tokens of lexemes.
            legal_tools: bool [B, T]; the edit (tool 0) also needs an editable token.

        Raises:
            ActionError: when a shape is wrong, or a row has no legal action.
        """
        self.model, self.encoded, self.config = model, encoded, model.config
        batch, size = encoded.tokens.shape
        for name, mask, columns in (
            ("editable", editable, encoded.length),
            ("lexeme_start", lexeme_start, encoded.length),
            ("legal_tools", legal_tools, self.config.num_tools),
        ):
            if list(mask.shape) != [batch, columns] or mask.dtype != torch.bool:
                raise ActionError(
                    f"{name}: {mask.dtype} {list(mask.shape)}, expected bool {[batch, columns]}"
                )
        self.editable = editable[:, :size]
        self.entries = self.config.vocab_size + size
        """E: what an entry of a replacement may be, tokens and copies."""
        self.targets = copy_targets(encoded.tokens, lexeme_start[:, :size], self.config.vocab_size)
        self.legal_start = self.editable.clone()
        self.legal_start[:, 1:] |= self.editable[:, :-1]
        can_edit = legal_tools[:, :1] & self.legal_start.any(1, keepdim=True)
        self.legal_tools = torch.cat((can_edit, legal_tools[:, 1:]), dim=1)
        stuck = ~self.legal_tools.any(1)
        if bool(stuck.any()):
            raise ActionError(f"row {int(stuck.nonzero()[0])}: no tool is legal")
        self.tool_log_probs = _log_softmax(encoded.tool_logits, self.legal_tools)
        start_scores = model.span_head.start_scores(encoded.z_H)
        self.start_log_probs = _log_softmax(start_scores, self.legal_start)
        self._copy_key: Tensor = model.replacement_head.copy_key(encoded.z_H)
        self._token_legal = torch.ones(
            self.config.vocab_size, dtype=torch.bool, device=encoded.tokens.device
        )
        self._token_legal[[PAD, CLS, SEP]] = False

    def of_one(self, row: int) -> EditDistribution:
        """The distribution of one canvas of the batch, as a batch of one."""
        one, only = copy.copy(self), slice(row, row + 1)
        one.encoded = self.encoded.rows(torch.tensor([row], device=self.editable.device))
        for name in _BY_ROW:
            setattr(one, name, getattr(self, name)[only])
        return one

    # --- choosing --------------------------------------------------------------------------------

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """One action per row, int64 [B, 3 + R]."""
        return self._decode(
            lambda log_probs: torch.multinomial(log_probs.exp(), 1, generator=generator)
        )

    def mode(self) -> Tensor:
        """The most probable choice at each step, int64 [B, 3 + R].

        It need not be the most probable action: `top_k(1)` is.
        """
        return self._decode(lambda log_probs: log_probs.argmax(-1, keepdim=True))

    @torch.no_grad()
    def top_k(
        self, k: int, budget: int | None = None, distinct: bool = False
    ) -> list[list[ScoredAction]]:
        """The k most probable actions of each row, best first.

        Exact as long as a row's search expands at most `budget` prefixes, by default 32 k and at
        least 256; see `hrmgym.hrm.edit_search.best_actions`. With `distinct`, without edits that
        change nothing or leave the same tokens as a more probable one.
        """
        budget = max(256, 32 * k) if budget is None else budget
        return best_actions(self, k, budget, distinct=distinct)

    # --- probabilities ---------------------------------------------------------------------------

    def log_prob(self, actions: Tensor) -> Tensor:
        """Log-probability in nats of actions [B, 3 + R]: [B], -inf for what is not legal."""
        return self.evaluate(actions).log_prob

    def entropy(self, actions: Tensor) -> Tensor:
        """Sum of the entropies of the choices along the given actions, in nats: [B].

        An unbiased estimate of the joint entropy (chain rule) when the actions are samples of this
        same distribution; for other actions it is not.
        """
        entropy = self.evaluate(actions, entropy=True).entropy
        assert entropy is not None
        return entropy

    def evaluate(self, actions: Tensor, *, entropy: bool = False, hits: bool = False) -> Evaluation:
        """Log-probabilities, and on request entropies and hits, in one pass.

        Args:
            actions: int64 [B, 3 + R].
            entropy: fill in `Evaluation.entropy`.
            hits: fill in `Evaluation.hits`.

        Raises:
            ActionError: when the actions are not int64 [B, 3 + R].
        """
        legal_B, active_BR = self.legality(actions)
        actions = torch.where(legal_B.unsqueeze(1), actions, 0)
        tool_B1, start_B1, span_B1 = (
            actions[:, :1],
            actions[:, 1:2],
            actions[:, 2:3] - actions[:, 1:2],
        )
        edits_B = legal_B & (tool_B1.squeeze(1) == 0)
        end_log_probs = self.end_log_probs(start_B1).squeeze(1)
        tool_B = self.tool_log_probs.gather(1, tool_B1).squeeze(1)
        start_B = self.start_log_probs.gather(1, start_B1).squeeze(1).where(edits_B, 0.0)
        end_B = end_log_probs.gather(1, span_B1).squeeze(1).where(edits_B, 0.0)
        log_prob_B = tool_B + (start_B + end_B)
        entropy_B = _entropy(self.tool_log_probs.exp())
        span_entropy_B = _entropy(self.start_log_probs.exp()) + _entropy(end_log_probs.exp())
        entropy_B = entropy_B + torch.where(edits_B, span_entropy_B, 0.0)
        misses_B = torch.zeros_like(tool_B1.squeeze(1))

        slots = int(active_BR.sum(1).max())
        if slots:
            active = active_BR[:, :slots]
            row_N = active.nonzero()[:, 0]
            entry_N = actions[:, 3 : 3 + slots][active]
            may_end = torch.ones_like(active)
            may_end[:, :1] = span_B1 > 0
            scores_NE = self._scores(self._teacher_forced(actions, slots), active, may_end)
            chosen_N = self._entry_log_prob(scores_NE, row_N, entry_N)
            log_prob_B = log_prob_B.index_add(0, row_N, chosen_N)
            if entropy:
                entropy_B = entropy_B.index_add(0, row_N, _entropy(self._merged(scores_NE, row_N)))
            if hits:
                best_N = self._merged(scores_NE.detach(), row_N).argmax(-1)
                misses_B = misses_B.index_add(0, row_N, (best_N != entry_N).long())
        found = None
        if hits:
            found = Hits(
                tool=self.tool_log_probs.argmax(1) == tool_B1.squeeze(1),
                start=~edits_B | (self.start_log_probs.argmax(1) == start_B1.squeeze(1)),
                end=~edits_B | (end_log_probs.argmax(1) == span_B1.squeeze(1)),
                replacement=misses_B == 0,
            )
        log_prob_B = torch.where(legal_B, log_prob_B, -torch.inf)
        choices = (tool_B, start_B, end_B)
        return Evaluation(log_prob_B, choices, entropy_B if entropy else None, found)

    # --- one step of the chain, for the search ---------------------------------------------------

    def end_log_probs(self, start_BJ: Tensor) -> Tensor:
        """Log-probabilities of the ends start .. start + max_span: [B, J, W]."""
        scores = self.model.span_head.end_scores(self.encoded.z_H, start_BJ)
        return _log_softmax(scores, self._legal_ends(start_BJ))

    def begin(self, start_BJ: Tensor, end_BJ: Tensor) -> Tensor:
        """State of the replacement cell before its first slot: [B, J, D]."""
        return self.model.replacement_head.begin(self.encoded.z_H, start_BJ, end_BJ)

    def advance(
        self,
        hidden_BJD: Tensor,
        previous_BJ: Tensor,
        start_BJ: Tensor,
        end_BJ: Tensor,
        slot_BJ: Tensor,
    ) -> Tensor:
        """State of the replacement cell at slot `slot_BJ`: [B, J, D].

        Args:
            hidden_BJD: state before it, from `begin` or the slot before.
            previous_BJ: entry at the slot before; not read at slot 0.
            start_BJ: start of the span.
            end_BJ: its end.
            slot_BJ: from 0.
        """
        head, z_H = self.model.replacement_head, self.encoded.z_H
        previous_BJ = torch.where(slot_BJ == 0, CLS, previous_BJ)
        position_BJ = torch.minimum(start_BJ + slot_BJ, end_BJ)
        read = head.inputs(z_H, self.model.embedding, previous_BJ, position_BJ)
        return head.advance(hidden_BJD, read)

    def every_end_log_probs(self) -> Tensor:
        """`end_log_probs` of every canvas position as a start: [B, S, W]."""
        batch, size = self.editable.shape
        start_BS = torch.arange(size, device=self.editable.device).expand(batch, -1)
        scores = self.model.span_head.every_end_scores(self.encoded.z_H)
        return _log_softmax(scores, self._legal_ends(start_BS))

    def entry_log_probs(self, hidden_BJD: Tensor, may_end_BJ: Tensor) -> Tensor:
        """Log-probabilities of the next entry, equal effects merged: [B, J, E]."""
        every_BJ = torch.ones_like(may_end_BJ)
        scores_NE = self._scores(hidden_BJD, every_BJ, may_end_BJ)
        merged_NE = self._merged(scores_NE, every_BJ.nonzero()[:, 0])
        return merged_NE.log().view(*may_end_BJ.shape, -1)

    def best_entries(
        self, hidden_BJD: Tensor, may_end_BJ: Tensor, active_BJ: Tensor, count: int
    ) -> TopK:
        """The most probable entries of `entry_log_probs` at active nodes, best first.

        Returns:
            values, their log-probabilities, and indices, the entries, each [N, count] (or [N, E],
            where count is more).
        """
        scores_NE = self._scores(hidden_BJD, active_BJ, may_end_BJ)
        merged_NE = self._merged(scores_NE, active_BJ.nonzero()[:, 0])
        top = merged_NE.topk(min(count, self.entries))
        return TopK(top.values.log(), top.indices)

    # --- parts -----------------------------------------------------------------------------------

    def _legal_ends(self, start_BJ: Tensor) -> Tensor:
        """Which of the ends start .. start + max_span are legal, bool [B, J, W].

        The span must be editable throughout; an empty one always is.
        """
        size = self.editable.shape[1]
        offset_W = torch.arange(self.config.max_span + 1, device=start_BJ.device)
        end_BJW = start_BJ.unsqueeze(-1) + offset_W
        last_BJW = (end_BJW - 1).clamp(0, size - 1)
        inside = self.editable.gather(1, last_BJW.flatten(1)).view(end_BJW.shape)
        inside = inside & (end_BJW < size)
        inside[..., 0] = True
        return inside.cumprod(-1).bool()

    def legality(self, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Legal rows, bool [B], and the slots at which they make a choice, bool [B, R]."""
        batch, size = self.editable.shape
        config = self.config
        if list(actions.shape) != [batch, 3 + config.R] or actions.dtype != torch.int64:
            raise ActionError(
                f"actions: {actions.dtype} {list(actions.shape)}, expected int64 "
                f"{[batch, 3 + config.R]}"
            )
        tool, start, span = actions[:, 0], actions[:, 1], actions[:, 2] - actions[:, 1]
        entry = actions[:, 3:]
        ended = (entry == END).cumsum(1) - (entry == END).long() > 0
        copied = (entry - config.vocab_size).clamp(0, size - 1)
        is_copy = (entry >= config.vocab_size) & (self.targets.gather(1, copied) == entry)
        is_token = (entry >= 0) & (entry < config.vocab_size)
        is_token &= self._token_legal[entry.clamp(0, config.vocab_size - 1)]
        is_token[:, 0] &= (entry[:, 0] != END) | (span > 0)
        entries_legal = torch.where(ended, entry == PAD, is_token | is_copy).all(1)

        start_legal = (start >= 0) & (start < size)
        safe_start = start.clamp(0, size - 1).unsqueeze(1)
        start_legal &= self.legal_start.gather(1, safe_start).squeeze(1)
        span_legal = (span >= 0) & (span <= config.max_span)
        safe_span = span.clamp(0, config.max_span).unsqueeze(1)
        span_legal &= self._legal_ends(safe_start).squeeze(1).gather(1, safe_span).squeeze(1)

        tool_legal = (tool >= 0) & (tool < config.num_tools)
        safe_tool = tool.clamp(0, config.num_tools - 1).unsqueeze(1)
        tool_legal &= self.legal_tools.gather(1, safe_tool).squeeze(1)
        edits = tool == 0
        plain = (actions[:, 1:] == 0).all(1)
        legal = tool_legal & torch.where(edits, start_legal & span_legal & entries_legal, plain)
        return legal, (legal & edits).unsqueeze(1) & ~ended

    def _teacher_forced(self, actions: Tensor, slots: int) -> Tensor:
        """States of the replacement cell along the given actions: [B, slots, D]."""
        head, z_H = self.model.replacement_head, self.encoded.z_H
        start, end = actions[:, 1:2], actions[:, 2:3]
        previous = torch.cat((torch.full_like(start, CLS), actions[:, 3 : 2 + slots]), dim=1)
        slot = torch.arange(slots, device=actions.device)
        read = head.inputs(z_H, self.model.embedding, previous, torch.minimum(start + slot, end))
        hidden = self.begin(start, end)
        states = []
        for j in range(slots):
            hidden = head.advance(hidden, read[:, j : j + 1])
            states.append(hidden)
        return torch.cat(states, dim=1)

    def _scores(self, hidden_BJD: Tensor, active_BJ: Tensor, may_end_BJ: Tensor) -> Tensor:
        """Scores of tokens and copies at active nodes, equal effects not yet merged: [N, E]."""
        head = self.model.replacement_head
        vocab_NV = head.vocab_scores(hidden_BJD[active_BJ], self.model.embedding)
        copy_BJS = head.copy_scores(hidden_BJD, self._copy_key)
        copy_BJS = copy_BJS.masked_fill((self.targets < 0).unsqueeze(1), NEVER)
        # Of the special tokens, which come first, END alone may be legal.
        special_N4 = vocab_NV.new_full((len(vocab_NV), SEP + 1), NEVER)
        special_N4[:, END] = torch.where(may_end_BJ[active_BJ], vocab_NV[:, END], NEVER)
        return torch.cat((special_N4, vocab_NV[:, SEP + 1 :], copy_BJS[active_BJ]), dim=1)

    def _entry_log_prob(self, scores_NE: Tensor, row_N: Tensor, entry_N: Tensor) -> Tensor:
        """Log-probability of one entry per node, over all ways to write it: [N]."""
        vocab = self.config.vocab_size
        token_N = scores_NE.gather(1, entry_N.clamp(max=vocab - 1).unsqueeze(1)).squeeze(1)
        token_N = torch.where(entry_N < vocab, token_N, NEVER)
        same_NS = self.targets[row_N] == entry_N.unsqueeze(1)
        copy_N = scores_NE[:, vocab:].masked_fill(~same_NS, NEVER).logsumexp(1)
        return torch.logaddexp(token_N, copy_N) - scores_NE.logsumexp(1)

    def _merged(self, scores_NE: Tensor, row_N: Tensor) -> Tensor:
        """Probabilities of entries, those of equal effects added up in their one entry: [N, E]."""
        vocab = self.config.vocab_size
        probs_NE = scores_NE.softmax(1)
        copy_NS = probs_NE[:, vocab:].clone()
        # The gradient of a softmax needs its result as it was.
        merged_NE = probs_NE.clone() if probs_NE.requires_grad else probs_NE
        merged_NE[:, vocab:] = 0.0
        # What may not be copied has probability 0, so it does not matter where it is added.
        return merged_NE.scatter_add_(1, self.targets[row_N].clamp(min=0), copy_NS)

    @torch.no_grad()
    def _decode(self, choose: Callable[[Tensor], Tensor]) -> Tensor:
        """Builds actions by choosing [B, 1] from log-probabilities [B, ...] at each step."""
        actions = torch.zeros(
            len(self.editable), 3 + self.config.R, dtype=torch.int64, device=self.editable.device
        )
        actions[:, :1] = choose(self.tool_log_probs)
        start = choose(self.start_log_probs)
        end = start + choose(self.end_log_probs(start).squeeze(1))
        going = actions[:, :1] == 0
        actions[:, 1:3] = torch.where(going, torch.cat((start, end), dim=1), 0)
        hidden, entry = self.begin(start, end), torch.full_like(start, CLS)
        for slot in range(self.config.R):
            if not bool(going.any()):
                break
            hidden = self.advance(hidden, entry, start, end, torch.full_like(start, slot))
            may_end = (end > start) | (slot > 0)
            entry = choose(self.entry_log_probs(hidden, may_end).squeeze(1))
            actions[:, 3 + slot : 4 + slot] = torch.where(going, entry, PAD)
            going = going & (entry != END)
        return actions


def _log_softmax(scores: Tensor, legal: Tensor) -> Tensor:
    return scores.masked_fill(~legal, NEVER).log_softmax(-1)


def _entropy(probs: Tensor) -> Tensor:
    """Entropy over the last axis in nats; a probability of 0 adds nothing, to the gradient too."""
    return -(probs * probs.clamp(min=1e-30).log()).sum(-1)
