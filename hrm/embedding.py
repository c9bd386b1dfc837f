"""What goes into the recursion: puzzle rows (parity with HRM only) and the edit canvas.

B batch, L canvas positions, D hidden, P puzzle positions, N rows of the puzzle table.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrmgym.hrm.layers import CastedEmbedding, CastedLinear


class PuzzleEmbedding(nn.Module):
    """One row per puzzle id (HRM, models/sparse_embedding.py), not a parameter of the network.

    In training the rows of a batch are looked up as a leaf of their own, so that `step` touches
    only them; the table itself never has a gradient. As in HRM, that leaf is `local_weights` [B, N]
    (its `grad` is the gradient of each row of the batch), and its ids are `local_ids` [B].
    """

    def __init__(self, rows: int, width: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.weights: Tensor
        self.register_buffer("weights", torch.zeros(rows, width))
        self.local_weights: Tensor | None = None
        self.local_ids: Tensor | None = None

    def forward(self, ids_B: Tensor) -> Tensor:
        rows_BD = self.weights[ids_B]
        if self.training and torch.is_grad_enabled():
            rows_BD.requires_grad_()
            self.local_weights, self.local_ids = rows_BD, ids_B
        return rows_BD.to(self.dtype)

    @torch.no_grad()
    def step(self, lr: float, weight_decay: float) -> None:
        """Sign descent with decoupled decay on the rows of the last batch (HRM, pretrain.py).

        Gradients of equal ids are summed before the sign is taken.
        """
        if self.local_weights is None or self.local_ids is None or self.local_weights.grad is None:
            return
        unique, place_B = torch.unique(self.local_ids, return_inverse=True)
        summed = torch.zeros(len(unique), self.weights.shape[1], device=self.weights.device)
        summed.index_add_(0, place_B, self.local_weights.grad)
        decayed = self.weights[unique] * (1 - lr * weight_decay)
        self.weights[unique] = decayed - lr * summed.sign()
        self.local_weights = self.local_ids = None


class CanvasEmbedding(nn.Module):
    """Token, role and language at every position, the budget at position 0 (CLS).

    Each table has rows of unit length; the sum is brought back to that length and scaled by
    sqrt(D), as HRM does with tokens and learned positions.
    """

    def __init__(
        self, vocab_size: int, num_roles: int, num_languages: int, budget_size: int, width: int
    ) -> None:
        super().__init__()
        std = 1 / math.sqrt(width)
        self.scale = math.sqrt(width)
        self.tokens = CastedEmbedding(vocab_size, width, std, torch.float32)
        self.roles = CastedEmbedding(num_roles, width, std, torch.float32)
        self.languages = CastedEmbedding(num_languages, width, std, torch.float32)
        self.budget = CastedLinear(budget_size, width, gain=std)

    def forward(
        self, tokens_BL: Tensor, roles_BL: Tensor, language_B1: Tensor, budget_BC: Tensor
    ) -> Tensor:
        """Embeds a canvas.

        Args:
            tokens_BL: vocabulary ids.
            roles_BL: roles.
            language_B1: language of the whole canvas.
            budget_BC: counts, not negative.

        Returns:
            [B, L, D] in fp32, of unit mean square.
        """
        x_BLD = self.tokens(tokens_BL) + self.roles(roles_BL) + self.languages(language_B1)
        x_BLD = x_BLD * (self.scale / math.sqrt(3.0))
        budget_B1D = self.budget(torch.log1p(budget_BC.float())).unsqueeze(1) * self.scale
        out: Tensor = x_BLD + F.pad(budget_B1D, (0, 0, 0, x_BLD.shape[1] - 1))
        return out

    def of_tokens(self, ids: Tensor) -> Tensor:
        """Vectors of unit mean square for vocabulary ids of any shape: [..., D]."""
        out: Tensor = self.tokens(ids) * self.scale
        return out
