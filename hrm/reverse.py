"""Reverse-order learning: what came of the last action feeds the plan of the next.

The outcome-to-plan gate adds, at the start of every high-level cycle,

    z_H + tanh(alpha) * sigmoid(W_g [z_H; u]) * W_p u

where u is the low-level state at the positions that the last action touched, pooled by attention,
plus an embedding of what the sandbox then said. alpha starts at 0, so an untrained gate changes
nothing (Bachlechner et al. 2020, ReZero, arXiv 2003.04887; Alayrac et al. 2022, Flamingo, arXiv
2204.14198, gates with tanh). A head that predicts the outcome before the action is executed trains
the same states.

Why every cycle: earlier ones are not differentiated (HRM's approximate gradient), so a gate at the
first alone would never learn.

B batch, S canvas positions, D hidden, F features of an outcome, T tools, R slots, V vocabulary.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrmgym.hrm.config import ReverseConfig
from hrmgym.hrm.copying import END
from hrmgym.hrm.embedding import CanvasEmbedding
from hrmgym.hrm.heads import at
from hrmgym.hrm.layers import CastedLinear

#: F, numbers that describe an outcome; the caller says which, 0 where nothing is known.
OUTCOME_FEATURES = 6
#: Feedback that the shuffled control keeps, to have others' where a batch is a single row.
_KEPT = 64


@dataclass(frozen=True, slots=True)
class Memory:
    """What a step leaves to the next one; nothing in it has a gradient."""

    z_H: Tensor
    """High-level state after the last step [B, S', D]."""
    z_L: Tensor
    """Low-level state after it [B, S', D]."""
    start: Tensor
    """First canvas position that the last action touched, int64 [B]."""
    end: Tensor
    """The position after the last one; `start` where it touched none, or only inserted [B]."""
    outcome: Tensor
    """What came of it, float [B, F]."""
    present: Tensor
    """Whether there was a last step, bool [B]."""


class OutcomeGate(nn.Module):
    """See the module's text. `kind: mlp` has the same parameters and sees no feedback."""

    def __init__(self, width: int, config: ReverseConfig) -> None:
        super().__init__()
        self.config = config
        self.width = width
        self.query = nn.Parameter(torch.zeros(width))
        self.outcome = CastedLinear(OUTCOME_FEATURES, width, bias=True)
        self.down = CastedLinear(width, max(1, width // 4))
        self.up = CastedLinear(max(1, width // 4), width)
        self.gate = CastedLinear(2 * width, width, bias=True)
        self.alpha = nn.Parameter(torch.zeros(()))
        self._others: list[Tensor] = []
        self._random = random.Random(0)

    def bind(self, memory: Memory | None, x_BSD: Tensor) -> Callable[[Tensor], Tensor] | None:
        """What the recursion calls with z_H [B, S, D], to get what is added to it.

        Args:
            memory: of the last step; None at the start of all episodes.
            x_BSD: embedded canvas, which the `mlp` control looks at instead.

        Returns:
            None where nothing is to be added.
        """
        if self.config.feedback == "zero" and not self.training:
            return None
        if self.config.kind == "mlp":
            u_BD = self._pooled(x_BSD.float(), None) + self.outcome(self._nothing(x_BSD))
            present_B = torch.ones(len(x_BSD), dtype=torch.bool, device=x_BSD.device)
        elif memory is None:
            return None
        else:
            size = memory.z_L.shape[1]
            position_S = torch.arange(size, device=memory.z_L.device)
            last_B1 = torch.maximum(memory.end, memory.start + 1).unsqueeze(1)
            touched_BS = (position_S >= memory.start.unsqueeze(1)) & (position_S < last_B1)
            touched_BS[:, 0] |= ~touched_BS.any(1)  # a span cut off by the trim
            u_BD = self._pooled(memory.z_L.float(), touched_BS) + self.outcome(memory.outcome)
            present_B = memory.present
            if self.config.feedback == "shuffled":
                u_BD = self._shuffled(u_BD)
        write_BD = self.up(F.silu(self.down(u_BD)))
        write_B1D = (torch.tanh(self.alpha) * present_B.unsqueeze(1) * write_BD).unsqueeze(1)

        def added(z_BSD: Tensor) -> Tensor:
            both = torch.cat((z_BSD.float(), u_BD.unsqueeze(1).expand(z_BSD.shape)), dim=-1)
            out: Tensor = torch.sigmoid(self.gate(both)) * write_B1D
            return out.to(z_BSD.dtype)

        return added

    def _nothing(self, like: Tensor) -> Tensor:
        return torch.zeros(len(like), OUTCOME_FEATURES, device=like.device)

    def _pooled(self, state_BSD: Tensor, counted_BS: Tensor | None) -> Tensor:
        score_BS = state_BSD @ self.query / math.sqrt(self.width)
        if counted_BS is not None:
            score_BS = score_BS.masked_fill(~counted_BS, -torch.inf)
        return (score_BS.softmax(1).unsqueeze(1) @ state_BSD).squeeze(1)

    def _shuffled(self, u_BD: Tensor) -> Tensor:
        """Each row gets the feedback of another row, of this batch or an earlier one."""
        pool = torch.cat((u_BD.detach(), *self._others))
        self._others = [pool[:_KEPT]]
        if len(pool) == 1:
            return torch.zeros_like(u_BD)
        other = [
            (row + self._random.randrange(1, len(pool))) % len(pool) for row in range(len(u_BD))
        ]
        return torch.cat((u_BD, pool[len(u_BD) :]))[other]


class OutcomeHead(nn.Module):
    """Foretells the tests' verdict on an action from the state before it is executed."""

    def __init__(self, width: int, num_tools: int, vocab_size: int) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.tool = nn.Embedding(num_tools, width)
        self.mix = CastedLinear(3 * width, width, bias=True)
        self.read = CastedLinear(width, 2, bias=True, gain=0.1)

    def forward(
        self,
        z_BSD: Tensor,
        span_BD: Tensor,
        embedding: CanvasEmbedding,
        actions: Tensor,
    ) -> Tensor:
        """Logits of "all visible tests pass" and of the share that does: [B, 2].

        Args:
            z_BSD: high-level state.
            span_BD: what the replacement head makes of the action's span.
            embedding: of the tokens.
            actions: int64 [B, 3 + R].
        """
        edits_B1 = (actions[:, :1] == 0).to(z_BSD.dtype)
        entry_BR = actions[:, 3:]
        written_BR1 = ((entry_BR == END).cumsum(1) == 0).unsqueeze(-1)
        copied = (entry_BR - self.vocab_size).clamp(0, z_BSD.shape[1] - 1)
        tokens = embedding.of_tokens(entry_BR.clamp(max=self.vocab_size - 1))
        vector = torch.where((entry_BR < self.vocab_size).unsqueeze(-1), tokens, at(z_BSD, copied))
        mean_BD = (vector * written_BR1).sum(1) / written_BR1.sum(1).clamp(min=1)
        parts = (z_BSD[:, 0], span_BD * edits_B1, mean_BD * edits_B1)
        hidden = F.silu(self.mix(torch.cat(parts, dim=-1)) + self.tool(actions[:, 0]))
        out: Tensor = self.read(hidden)
        return out


def outcome_loss(
    logits_B2: Tensor, share_B: Tensor, known_B: Tensor
) -> tuple[Tensor, dict[str, float]]:
    """Cross entropy towards what the visible tests said after the action.

    Args:
        logits_B2: from `OutcomeHead`.
        share_B: share of the visible tests that passed, 0..1.
        known_B: bool, rows whose tests were run; the others do not count.

    Returns:
        Mean over the known rows, scalar (0 where there is none), and the metrics `outcome_loss` and
        `outcome_accuracy` (share of known rows whose pass or failure is foretold).
    """
    target_B2 = torch.stack(((share_B >= 1).to(share_B.dtype), share_B), dim=1)
    each_B = F.binary_cross_entropy_with_logits(logits_B2, target_B2, reduction="none").sum(1)
    count = known_B.sum().clamp(min=1)
    loss = torch.where(known_B, each_B, 0.0).sum() / count
    right_B = (logits_B2[:, 0] > 0) == (share_B >= 1)
    accuracy = float((right_B & known_B).sum() / count)
    return loss, {"outcome_loss": float(loss.detach()), "outcome_accuracy": accuracy}
