"""The policy network: an HRM over a token canvas, from whose state one whole edit is read.

B batch, L canvas positions, S the positions of the batch's longest canvas plus one, D hidden,
T tools, C counts of the budget.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hrmgym.errors import DataError
from hrmgym.hrm.config import EditModelConfig
from hrmgym.hrm.copying import PAD
from hrmgym.hrm.embedding import CanvasEmbedding
from hrmgym.hrm.heads import FLAT, ReplacementHead, SpanHead
from hrmgym.hrm.layers import CastedLinear, RotaryPositions
from hrmgym.hrm.model import Recursion

#: Canvases are trimmed to a multiple of this many positions.
_SIZE_STEP = 16


@dataclass(frozen=True, slots=True)
class Encoded:
    """What one run of the recursion leaves; every head reads from it.

    Tensors along the canvas stop after the first padding of the longest canvas in the batch, since
    an edit may end there; positions keep their index.
    """

    z_H: Tensor
    """Last high-level state, fp32 [B, S, D]."""
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


class EditModel(nn.Module):
    """Canvas -> recursion -> tool, span, replacement, value."""

    def __init__(self, config: EditModelConfig) -> None:
        super().__init__()
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

    def encode(self, batch: Mapping[str, Tensor]) -> Encoded:
        """Runs the recursion once.

        Args:
            batch: integers: `tokens` and `roles` [B, L], `language` [B, 1], `budget` [B, C].
                Padding (token 0) is at the tail of a canvas. Further keys are not read.

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
        x = self.embedding(tokens, roles[:, :size], language, budget).to(config.dtype)
        # Position 0 may always be attended to: a row of padding only must not give NaN.
        real = real | (position[:size] == 1)
        mask = real[:, None, None, :]
        rotary = self.rotary(size, x.dtype)
        z_H, z_L = self.core.initial_state(len(tokens), size)
        with torch.no_grad():
            for _ in range(config.segments - 1):
                z_H, z_L = self.core.segment(z_H, z_L, x, rotary, mask)
        z_H, _ = self.core.segment(z_H, z_L, x, rotary, mask)
        z_H = z_H.float()
        first = z_H[:, 0]
        return Encoded(
            z_H=z_H,
            tokens=tokens,
            length=length,
            tool_logits=self.tool_head(first),
            value=self.value_head(first).squeeze(-1),
            q_halt=self.q_head(first).squeeze(-1),
        )

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
