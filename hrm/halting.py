"""Adaptive computation: the carry between segments and when a row stops (HRM, section 2, "ACT").

B batch, S positions, D hidden.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from hrmgym.hrm.config import HRMConfig


class Latents(Protocol):
    """Both states of the recursion."""

    @property
    def z_H(self) -> Tensor:
        """High-level state [B, P + S, D]."""
        ...

    @property
    def z_L(self) -> Tensor:
        """Low-level state [B, P + S, D]."""
        ...


@dataclass(frozen=True, slots=True)
class Carry:
    """What goes from one segment to the next. All of it is detached."""

    z_H: Tensor
    """High-level state [B, P + S, D]."""
    z_L: Tensor
    """Low-level state [B, P + S, D]."""
    steps: Tensor
    """Segments run on each row so far, int32 [B]."""
    halted: Tensor
    """Rows that take new data at the next segment, bool [B]."""
    current_data: Mapping[str, Tensor]
    """The rows being worked on: `inputs`, `labels` [B, S], `puzzle_identifiers` [B]."""

    @property
    def inner_carry(self) -> Latents:
        """Where HRM's own carry keeps `z_H` and `z_L`."""
        return self


def take_new_rows(carry: Carry, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The data of the next segment: the batch's rows where the carry halted, else the old ones."""
    return {
        key: torch.where(carry.halted.view(-1, *[1] * (new.ndim - 1)), new, carry.current_data[key])
        for key, new in batch.items()
    }


def halts(
    config: HRMConfig, steps_B: Tensor, q_halt_B: Tensor, q_continue_B: Tensor, training: bool
) -> Tensor:
    """Which rows stop after the segment just run: bool [B].

    In evaluation every row runs `halt_max_steps` segments. In training a row also stops when its
    q_halt is above its q_continue (above 0 without the continue pass), but, with probability
    `halt_exploration_prob`, not before a random number of segments in 2..`halt_max_steps`. Draws
    from torch's global generator, in the order in which HRM does.
    """
    halted_B = steps_B >= config.halt_max_steps
    if training and config.halt_max_steps > 1:
        bar_B = q_continue_B if config.continue_pass else torch.zeros_like(q_halt_B)
        halted_B = halted_B | (q_halt_B > bar_B)
        explore_B = torch.rand_like(q_halt_B) < config.halt_exploration_prob
        least_B = torch.randint_like(steps_B, low=2, high=config.halt_max_steps + 1)
        halted_B = halted_B & (steps_B >= explore_B * least_B)
    return halted_B


def continue_target(last_B: Tensor, next_halt_B: Tensor, next_continue_B: Tensor) -> Tensor:
    """What q_continue is trained towards: the best that the next segment promises, in 0..1 [B].

    On a row's last segment only halting is left.
    """
    best_B = torch.maximum(next_halt_B, next_continue_B)
    return torch.sigmoid(torch.where(last_B, next_halt_B, best_B))
