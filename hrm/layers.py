"""The pieces that every network here is built of (HRM, models/layers.py and models/common.py).

B batch, S positions, D hidden, E rows of a projection, H heads, K = D / H.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Cosines and sines of the rotary positions, each [S, 2 D].
Rotary = tuple[Tensor, Tensor]


def truncated_normal_(tensor: Tensor, std: float) -> Tensor:
    """Fills with a normal cut at two of its own deviations, widened so that `std` is what results.

    This is JAX's rule; `torch.nn.init.trunc_normal_` leaves the deviation 12 % too small.
    """
    with torch.no_grad():
        if std == 0:
            return tensor.zero_()
        edge = math.erf(math.sqrt(2.0))  # mass within two deviations
        density = math.exp(-2.0) / math.sqrt(2 * math.pi)
        widened = std / math.sqrt(1 - 4 * density / edge)
        tensor.uniform_(-edge, edge).erfinv_().mul_(math.sqrt(2.0) * widened)
        return tensor.clamp_(-2 * widened, 2 * widened)


def rms_norm(x_BSD: Tensor, eps: float) -> Tensor:
    """Root-mean-square normalisation without a weight, computed in fp32 or better."""
    wide = x_BSD if x_BSD.dtype == torch.float64 else x_BSD.float()
    return F.rms_norm(wide, wide.shape[-1:], eps=eps).to(x_BSD.dtype)


class CastedLinear(nn.Module):
    """A linear map whose fp32 weight is cast to its input's type at each use."""

    def __init__(self, inputs: int, outputs: int, bias: bool = False, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        truncated_normal_(self.weight, gain / math.sqrt(inputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.linear(x, self.weight.to(x.dtype), bias)


class CastedEmbedding(nn.Module):
    """A table of row vectors, kept in fp32 and read in `dtype`."""

    def __init__(self, rows: int, width: int, std: float, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.embedding_weight = nn.Parameter(torch.empty(rows, width))
        truncated_normal_(self.embedding_weight, std)

    def forward(self, ids: Tensor) -> Tensor:
        return F.embedding(ids, self.embedding_weight).to(self.dtype)


class RotaryPositions(nn.Module):
    """Precomputed tables of rotary positions (Su et al. 2021, arXiv 2104.09864).

    Each pair (k, k + K / 2) of a query's or key's head turns by position * theta^(-2 k / K). The
    tables are laid out for all heads of query and key side by side, [S, 2 D].
    """

    def __init__(self, width: int, num_heads: int, positions: int, theta: float) -> None:
        super().__init__()
        size = width // num_heads
        inverse = theta ** -(torch.arange(0, size, 2, dtype=torch.float32) / size)
        angle = torch.outer(torch.arange(positions, dtype=torch.float32), inverse)
        angle = angle.repeat(1, 4 * num_heads)
        self.cos: Tensor
        self.sin: Tensor
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def forward(self, length: int, dtype: torch.dtype) -> Rotary:
        """Tables of the first positions, in fp32 or better: HRM turns bf16 states in fp32."""
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        return self.cos[:length].to(wide), self.sin[:length].to(wide)


def quarter_turn(weight_ED: Tensor, heads: int) -> Tensor:
    """Rows of a projection, so changed that what it gives is turned by 90 degrees.

    (a, b) becomes (-b, a), with a and b the two halves of each head.
    """
    halves = weight_ED.view(heads, 2, -1, weight_ED.shape[-1])
    return torch.stack((-halves[:, 1], halves[:, 0]), dim=1).view(weight_ED.shape)


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Scaled dot-product attention over [B, H, S, K]; the mask is true where a key counts."""
    taped = torch.is_grad_enabled() and query.requires_grad
    if not taped or query.dtype != torch.bfloat16 or query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    # torch's fused kernel for this one case has a backward pass five times as slow as these three
    # operations (torch 2.13, 64 x 4 x 160 x 32: 117 against 24 ms of one core, both passes).
    scores = (query / math.sqrt(query.shape[-1])) @ key.transpose(-1, -2)
    if mask is not None:
        scores = scores + torch.zeros_like(mask, dtype=scores.dtype).masked_fill(~mask, -torch.inf)
    return scores.softmax(-1) @ value


class Attention(nn.Module):
    """Multi-head self-attention in both directions."""

    def __init__(self, hidden_size: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv_proj = CastedLinear(hidden_size, 3 * hidden_size)
        self.o_proj = CastedLinear(hidden_size, hidden_size)

    def forward(self, x_BSD: Tensor, rotary: Rotary | None, mask: Tensor | None) -> Tensor:
        batch, length, width = x_BSD.shape
        heads = self.num_heads
        weight = self.qkv_proj.weight.to(x_BSD.dtype)
        query_key = F.linear(x_BSD, weight[: 2 * width])
        value = F.linear(x_BSD, weight[2 * width :]).view(batch, length, heads, -1)
        if rotary is not None:
            # x cos + turned(x) sin, where a second product gives turned(x): on a CPU that takes
            # half the time of turning the activations.
            cos, sin = rotary
            turned = F.linear(x_BSD, quarter_turn(weight[: 2 * width], 2 * heads))
            query_key = torch.addcmul(query_key * cos, turned.to(sin.dtype), sin).to(x_BSD.dtype)
        query, key = query_key.view(batch, length, 2, heads, -1).transpose(1, 3).unbind(2)
        mixed = attend(query, key, value.transpose(1, 2), mask)
        out: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(batch, length, width))
        return out


class SwiGLU(nn.Module):
    """Gated feed-forward (Shazeer 2020, arXiv 2002.05202)."""

    def __init__(self, hidden_size: int, expansion: float) -> None:
        super().__init__()
        inner = -(-round(expansion * hidden_size * 2 / 3) // 256) * 256
        self.gate_up_proj = CastedLinear(hidden_size, 2 * inner)
        self.down_proj = CastedLinear(inner, hidden_size)

    def forward(self, x_BSD: Tensor) -> Tensor:
        # Two products, so that both results are contiguous: a fifth less time on a CPU than one.
        gate, up = self.gate_up_proj.weight.to(x_BSD.dtype).chunk(2)
        out: Tensor = self.down_proj(F.silu(F.linear(x_BSD, gate)) * F.linear(x_BSD, up))
        return out


class Block(nn.Module):
    """Attention, then feed-forward; each is added to its input and the sum normalised."""

    def __init__(self, hidden_size: int, num_heads: int, expansion: float, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.self_attn = Attention(hidden_size, num_heads)
        self.mlp = SwiGLU(hidden_size, expansion)

    def forward(self, x_BSD: Tensor, rotary: Rotary | None, mask: Tensor | None) -> Tensor:
        x_BSD = rms_norm(x_BSD + self.self_attn(x_BSD, rotary, mask), self.eps)
        return rms_norm(x_BSD + self.mlp(x_BSD), self.eps)


class Level(nn.Module):
    """A stack of blocks over the sum of a state and what is injected into it."""

    def __init__(self, layers: list[Block]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(
        self, state_BSD: Tensor, injection_BSD: Tensor, rotary: Rotary | None, mask: Tensor | None
    ) -> Tensor:
        state_BSD = state_BSD + injection_BSD
        for layer in self.layers:
            state_BSD = layer(state_BSD, rotary, mask)
        return state_BSD
