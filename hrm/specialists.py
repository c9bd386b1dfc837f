"""Specialists: one shared recursion, with a small adapter for each kind of work around it.

Adapters are low-rank maps (Hu et al. 2021, LoRA, arXiv 2106.09685) on the embedded canvas and on
the state that the heads read. None is inside the recurrent stacks, where it would be applied again
at every cycle. Each starts as the identity.

B batch, S canvas positions, D hidden, E adapters, K rank.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from hrmgym.hrm.config import EditModelConfig
from hrmgym.hrm.layers import CastedLinear, truncated_normal_

#: Canvas tokens that the random partition goes by: the beginning of the prompt, as a rule.
_PARTITION_TOKENS = 16
_MULTIPLIER = 0x2545F4914F6CDD1D


class Adapters(nn.Module):
    """E low-rank maps, one of which is added to each row's identity."""

    def __init__(self, count: int, width: int, rank: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.empty(count, width, rank))
        truncated_normal_(self.down, width**-0.5)
        self.up = nn.Parameter(torch.zeros(count, rank, width))

    def forward(self, x_BSD: Tensor, index_B: Tensor, weight_B: Tensor | None) -> Tensor:
        """[B, S, D], each row by the adapter `index_B`, times `weight_B` where it is given."""
        change = x_BSD @ self.down[index_B] @ self.up[index_B]
        if weight_B is not None:
            change = change * weight_B.view(-1, 1, 1)
        return x_BSD + change


class Specialists(nn.Module):
    """Router and adapters.

    `language` and `tool` (the last one used) are given. `random` is the placebo: a fixed random
    partition of the canvases by their first tokens. `learned` sends each row to the adapter with
    the highest score and balances their loads (Fedus et al. 2021, Switch Transformers, arXiv
    2101.03961). `generalist` is the control of equal size: one adapter with the rank of all.
    """

    def __init__(self, config: EditModelConfig) -> None:
        super().__init__()
        self.config = config
        chosen, width = config.specialists, config.hidden_size
        self.count = adapters(config)
        merged = chosen.kind == "generalist"
        count, rank = (1, self.count * chosen.rank) if merged else (self.count, chosen.rank)
        self.input = Adapters(count, width, rank)
        self.readout = Adapters(count, width, rank)
        if chosen.kind == "learned":
            self.router = CastedLinear(width, self.count, gain=0.1)

    def route(
        self, batch: Mapping[str, Tensor], x_BSD: Tensor, real_BS: Tensor
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Which adapter each row gets.

        Args:
            batch: of `EditModel.encode`.
            x_BSD: embedded canvas.
            real_BS: bool, positions that are not padding.

        Returns:
            Index [B]; for `learned` also its probability [B], which gives the router its gradient,
            and the load-balance loss, scalar, 1 where all are used alike.
        """
        kind = self.config.specialists.kind
        rows, device = len(x_BSD), x_BSD.device
        if kind == "language":
            return batch["language"].long().squeeze(1), None, None
        if kind == "tool":  # the last adapter is for the first step of an episode
            if "previous_action" not in batch:
                return torch.full((rows,), self.count - 1, device=device), None, None
            first_B = batch["last_outcome"][:, 0] == 0
            tool_B = batch["previous_action"][:, 0].long()
            return torch.where(first_B, self.count - 1, tool_B), None, None
        if kind == "random":
            return self._partition(batch["tokens"].long()), None, None
        if kind == "generalist":
            return torch.zeros(rows, dtype=torch.int64, device=device), None, None
        mean_BD = (x_BSD * real_BS.unsqueeze(-1)).sum(1) / real_BS.sum(1, keepdim=True)
        probability_BE = self.router(mean_BD).softmax(-1)
        best = probability_BE.max(-1)
        share_E = torch.bincount(best.indices, minlength=self.count) / rows
        balance = self.count * (share_E * probability_BE.mean(0)).sum()
        return best.indices, best.values, balance

    def _partition(self, tokens_BL: Tensor) -> Tensor:
        hash_B = torch.zeros(len(tokens_BL), dtype=torch.int64, device=tokens_BL.device)
        for column_B in tokens_BL[:, :_PARTITION_TOKENS].unbind(1):
            hash_B = (hash_B + column_B + 1) * _MULTIPLIER  # modulo 2^64
            hash_B = hash_B ^ (hash_B >> 29)
        return hash_B % self.count


def adapters(config: EditModelConfig) -> int:
    """E."""
    chosen = config.specialists
    if chosen.kind == "tool":
        return config.num_tools + 1
    if chosen.kind == "language":
        return config.num_languages
    return chosen.count or config.num_languages
