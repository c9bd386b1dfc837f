"""The policy network: an HRM over a token canvas, from whose state one whole edit is read.

B batch, L canvas positions, S the positions of the batch's longest canvas plus one, D hidden,
T tools, C counts of the budget.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hrmgym.errors import DataError
from hrmgym.hrm.config import EditModelConfig
from hrmgym.hrm.copying import PAD
from hrmgym.hrm.embedding import CanvasEmbedding
from hrmgym.hrm.heads import FLAT, ReplacementHead, SpanHead
from hrmgym.hrm.layers import CastedEmbedding, CastedLinear, RotaryPositions
from hrmgym.hrm.model import Recursion
from hrmgym.hrm.ranking import TRACES, Lists, Ranking, RankingHead
from hrmgym.hrm.reverse import Memory, OutcomeGate, OutcomeHead
from hrmgym.hrm.size import check_fits
from hrmgym.hrm.specialists import Specialists

#: Canvases are trimmed to a multiple of this many positions.
_SIZE_STEP = 16


@dataclass(frozen=True, slots=True)
class Encoded:
    """What one run of the recursion leaves; every head reads from it.

    Tensors along the canvas stop after the first padding of the longest canvas in the batch, since
    an edit may end there; positions keep their index.
    """

    z_H: Tensor
    """Last high-level state as the heads read it, fp32 [B, S, D]."""
    tokens: Tensor
    """The canvas [B, S]."""
    length: int
    """L, its length before the trim."""
    tool_logits: Tensor
    """[B, T]."""
    value: Tensor
    """Predicted return [B]."""
    q_halt: Tensor
    """Logit of "the greedy action is right" [B]."""
    latents: tuple[Tensor, Tensor]
    """(z_H, z_L) as the recursion left them, detached, each [B, S, D]."""
    segments: Tensor
    """Segments that each row ran, int64 [B]."""
    balance: Tensor | None = None
    """Load-balance loss of a learned router, scalar."""

    def rows(self, index: Tensor) -> Encoded:
        """The rows of an index, int64 [N], in its order; a row may come more than once."""
        return Encoded(
            z_H=self.z_H[index],
            tokens=self.tokens[index],
            length=self.length,
            tool_logits=self.tool_logits[index],
            value=self.value[index],
            q_halt=self.q_halt[index],
            latents=(self.latents[0][index], self.latents[1][index]),
            segments=self.segments[index],
            balance=self.balance,
        )


class EditModel(nn.Module):
    """Canvas -> recursion -> tool, span, replacement, value."""

    def __init__(self, config: EditModelConfig) -> None:
        super().__init__()
        check_fits(config)
        self.config = config
        width = config.hidden_size
        self.embedding = CanvasEmbedding(
            config.vocab_size, config.num_roles, config.num_languages, config.budget_size, width
        )
        self.rotary = RotaryPositions(width, config.num_heads, config.max_length, config.rope_theta)
        self.core = Recursion(config)
        self.tool_head = CastedLinear(width, config.num_tools, bias=True, gain=FLAT)
        self.span_head = SpanHead(width, config.max_span)
        self.replacement_head = ReplacementHead(width, config.vocab_size, config.max_span)
        self.value_head = CastedLinear(width, 1, bias=True, gain=0.0)
        self.q_head = CastedLinear(width, 1, bias=True, gain=0.0)
        if config.specialists.kind != "none":
            self.specialists = Specialists(config)
        if config.reverse.kind != "off":
            self.outcome_gate = OutcomeGate(width, config.reverse)
        if config.reverse.outcome_weight:
            self.outcome_head = OutcomeHead(width, config.num_tools, config.vocab_size)
        if config.ranking.kinds:
            kinds = 1 + len(config.ranking.kinds)
            self.ranking_head = RankingHead(width, kinds, config.ranking.kind_logits)
        if config.traced:  # adds nothing before it is trained
            self.trace_embedding = CastedEmbedding(TRACES, width, 0.0, torch.float32)
        self.generator: torch.Generator | None = None
        """Draws the latent noise; None: torch's global one."""
        self.depth: int | None = None
        """Segments of every row, whatever the halting head says; None: as configured."""

    def encode(self, batch: Mapping[str, Tensor], memory: Memory | None = None) -> Encoded:
        """Runs the recursion once.

        Args:
            batch: integers: `tokens` and `roles` [B, L], `language` [B, 1], `budget` [B, C].
                Padding (token 0) is at the tail of a canvas. The step before, for `remember`:
                `previous_tokens`, `previous_roles`, `previous_budget`, `previous_action` [B, 3 + R]
                and `last_outcome` [B, F], whose first feature is 0 where there was none. `trace`
                [B, L], which a network that ranks lists may see. Further keys are not read.
            memory: of the step before; by default what `remember` makes of the batch.

        Raises:
            DataError: when a shape is not what the configuration says.
        """
        config = self.config
        tokens, roles = batch["tokens"].long(), batch["roles"].long()
        language, budget = batch["language"].long(), batch["budget"]
        self._check_shapes(tokens, roles, language, budget)
        length = tokens.shape[1]
        real = tokens != PAD
        position = torch.arange(1, length + 1, device=tokens.device)
        longest = int((real * position).max()) + 1
        # Few different sizes: libraries compile and keep a kernel for every shape they meet.
        size = min(length, -(-longest // _SIZE_STEP) * _SIZE_STEP)
        tokens, real = tokens[:, :size], real[:, :size]
        x = self.embedding(tokens, roles[:, :size], language, budget)
        if self.config.traced and "trace" in batch:
            x = x + self.trace_embedding(batch["trace"][:, :size].long())
        # Position 0 may always be attended to: a row of padding only must not give NaN.
        real = real | (position[:size] == 1)
        mask = real[:, None, None, :]
        balance: Tensor | None = None
        if config.specialists.kind != "none":
            index, weight, balance = self.specialists.route(batch, x, real)
            x = self.specialists.input(x, index, weight)
        x = x.to(config.dtype)
        if memory is None and config.recalls_states:
            memory = self.remember(batch)

        def read(state: Tensor) -> Tensor:
            state = state.float()
            if config.specialists.kind == "none":
                return state
            out: Tensor = self.specialists.readout(state, index, weight)
            return out

        z_H, z_L, segments = self._recur(x, mask, memory, read)
        latents = (z_H.detach(), z_L.detach())
        z_H = read(z_H)
        first = z_H[:, 0]
        return Encoded(
            z_H=z_H,
            tokens=tokens,
            length=length,
            tool_logits=self.tool_head(first),
            value=self.value_head(first).squeeze(-1),
            q_halt=self.q_head(first).squeeze(-1),
            latents=latents,
            segments=segments,
            balance=balance,
        )

    @torch.no_grad()
    def remember(self, batch: Mapping[str, Tensor]) -> Memory | None:
        """The states of the step before, computed anew from what it saw; None: the batch has none.

        They are those of an episode's first step: what that step itself remembered is left out.
        """
        if "previous_tokens" not in batch:
            return None
        before = {key: batch[f"previous_{key}"] for key in ("tokens", "roles", "budget")}
        action, outcome = batch["previous_action"].long(), batch["last_outcome"].float()
        present = outcome[:, 0] > 0
        if not bool(present.any()):
            return None
        found = self.encode({**before, "language": batch["language"]})
        return Memory(*found.latents, *touched(action), outcome, present)

    def foretell(self, encoded: Encoded, actions: Tensor) -> Tensor:
        """Logits of the visible tests' verdict on actions, int64 [B, 3 + R]: see `OutcomeHead`."""
        size = encoded.tokens.shape[1] - 1
        start, end = (at.clamp(max=size).unsqueeze(1) for at in touched(actions))
        span = self.replacement_head.begin(encoded.z_H, start, end).squeeze(1)
        out: Tensor = self.outcome_head(encoded.z_H, span, self.embedding, actions)
        return out

    def rank(self, encoded: Encoded, lists: Lists) -> Ranking:
        """The probability of each edit of the lists, one for each canvas: see `RankingHead`."""
        out: Ranking = self.ranking_head(encoded.z_H, self.embedding, lists)
        return out

    def _recur(
        self,
        x: Tensor,
        mask: Tensor,
        memory: Memory | None,
        read: Callable[[Tensor], Tensor],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """All segments from the start that the memory gives.

        Returns:
            z_H and z_L, each [B, S, D], and the number of segments, int64 [B].
        """
        config, (rows, size) = self.config, x.shape[:2]
        z_H, z_L = self.core.initial_state(rows, size)
        if config.carry == "keep" and memory is not None:
            fresh = ~memory.present.view(-1, 1, 1)
            z_H = torch.where(fresh, z_H, _fitted(memory.z_H.to(x.dtype), z_H))
            z_L = torch.where(fresh, z_L, _fitted(memory.z_L.to(x.dtype), z_L))
        feedback = None
        if config.reverse.kind != "off":
            feedback = self.outcome_gate.bind(memory, x)
        rotary = self.rotary(size, x.dtype)
        weights = self.core.cast(x.dtype)

        def segment(z_H: Tensor, z_L: Tensor) -> tuple[Tensor, Tensor]:
            return self.core.segment(z_H, z_L, x, rotary, mask, feedback, weights)

        count = torch.full((rows,), self.depth or config.segments, device=x.device)
        if config.halting and self.depth is None and config.segments > 1:
            return self._until_halted(z_H, z_L, segment, read)
        if self.training or config.latent_samples == 1:
            with torch.no_grad():
                for _ in range((self.depth or config.segments) - 1):
                    z_H, z_L = segment(z_H, z_L)
            return *segment(z_H, z_L), count
        best_H, best_L, best_q = z_H, z_L, torch.full((rows,), -torch.inf, device=x.device)
        for sample in range(config.latent_samples):
            now_H, now_L = z_H, z_L
            for _ in range(config.segments):
                if sample:
                    now_H, now_L = self._noisy(now_H), self._noisy(now_L)
                now_H, now_L = segment(now_H, now_L)
            q = self.q_head(read(now_H)[:, 0]).squeeze(-1)
            better = q > best_q
            best_q = torch.where(better, q, best_q)
            best_H = torch.where(better.view(-1, 1, 1), now_H, best_H)
            best_L = torch.where(better.view(-1, 1, 1), now_L, best_L)
        return best_H, best_L, count

    def _until_halted(
        self,
        z_H: Tensor,
        z_L: Tensor,
        segment: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
        read: Callable[[Tensor], Tensor],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `_recur`, each row until it halts; its last segment is differentiated."""
        count = torch.zeros(len(z_H), dtype=torch.int64, device=z_H.device)
        going = torch.ones_like(count, dtype=torch.bool)
        before, after = (z_H, z_L), (z_H, z_L)
        with torch.no_grad():
            for _ in range(self.config.segments):
                rows = going.view(-1, 1, 1)
                before = (
                    torch.where(rows, after[0], before[0]),
                    torch.where(rows, after[1], before[1]),
                )
                z_H, z_L = segment(*before)
                after = (torch.where(rows, z_H, after[0]), torch.where(rows, z_L, after[1]))
                count = count + going
                going = going & (self.q_head(read(z_H)[:, 0]).squeeze(-1) <= 0)
                if not bool(going.any()):
                    break
        if torch.is_grad_enabled():  # which segment is a row's last is known only after it
            after = segment(*before)
        return *after, count

    def _noisy(self, state: Tensor) -> Tensor:
        device = "cpu" if self.generator is None else self.generator.device
        noise = torch.randn(state.shape, generator=self.generator, device=device)
        return state + self.config.latent_noise * noise.to(state)

    def _check_shapes(
        self, tokens: Tensor, roles: Tensor, language: Tensor, budget: Tensor
    ) -> None:
        config = self.config
        if tokens.ndim != 2 or tokens.shape[1] > config.max_length:
            raise DataError(
                f"tokens: shape {list(tokens.shape)}, expected [batch, at most max_length="
                f"{config.max_length}]"
            )
        expected = {
            "roles": (roles, list(tokens.shape)),
            "language": (language, [len(tokens), 1]),
            "budget": (budget, [len(tokens), config.budget_size]),
        }
        for name, (found, shape) in expected.items():
            if list(found.shape) != shape:
                raise DataError(f"{name}: shape {list(found.shape)}, expected {shape}")


def touched(actions: Tensor) -> tuple[Tensor, Tensor]:
    """First position and end of what actions [B, 3 + R] touch, int64 [B]; 0 for other tools."""
    edits = actions[:, 0] == 0
    return torch.where(edits, actions[:, 1], 0), torch.where(edits, actions[:, 2], 0)


def _fitted(state: Tensor, like: Tensor) -> Tensor:
    """A state cut to as many positions as `like` has, or filled up from it."""
    size = state.shape[1]
    return torch.cat((state[:, : like.shape[1]], like[:, size:]), dim=1)
