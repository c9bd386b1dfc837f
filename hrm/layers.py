"""The pieces that every network here is built of (HRM, models/layers.py and models/common.py).

B batch, S positions, D hidden, H heads, K size of one head, F width of the feed-forward.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Cosines and sines of the rotary positions, each [S, 1, K / 2] in fp32.
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
    """Precomputed tables of rotary positions (Su et al. 2021, arXiv 2104.09864), half-split."""

    def __init__(self, head_size: int, positions: int, theta: float) -> None:
        super().__init__()
        inverse = theta ** -(torch.arange(0, head_size, 2, dtype=torch.float32) / head_size)
        angle = torch.outer(torch.arange(positions, dtype=torch.float32), inverse).unsqueeze(1)
        self.cos: Tensor
        self.sin: Tensor
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def forward(self, length: int) -> Rotary:
        return self.cos[:length], self.sin[:length]


def rotate(x_BSHK: Tensor, rotary: Rotary) -> Tensor:
    """Turns each pair (k, k + K / 2) by its position's angle; the product is taken in fp32."""
    cos, sin = rotary
    first, second = x_BSHK.to(torch.promote_types(x_BSHK.dtype, cos.dtype)).chunk(2, dim=-1)
    turned = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
    return turned.to(x_BSHK.dtype)


class Attention(nn.Module):
    """Multi-head self-attention in both directions; query, key and value in one product."""

    def __init__(self, hidden_size: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv_proj = CastedLinear(hidden_size, 3 * hidden_size)
        self.o_proj = CastedLinear(hidden_size, hidden_size)

    def forward(self, x_BSD: Tensor, rotary: Rotary | None, mask: Tensor | None) -> Tensor:
        batch, length, width = x_BSD.shape
        heads = self.num_heads
        qkv = self.qkv_proj(x_BSD).view(batch, length, 3 * heads, width // heads)
        query_key, value = qkv[:, :, : 2 * heads], qkv[:, :, 2 * heads :]
        if rotary is not None:
            query_key = rotate(query_key, rotary)
        query, key = query_key[:, :, :heads], query_key[:, :, heads:]
        mixed = F.scaled_dot_product_attention(
            query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), attn_mask=mask
        )
        out: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(batch, length, width))
        return out


class SwiGLU(nn.Module):
    """Gated feed-forward (Shazeer 2020, arXiv 2002.05202); gate and up in one product."""

    def __init__(self, hidden_size: int, expansion: float) -> None:
        super().__init__()
        inner = -(-round(expansion * hidden_size * 2 / 3) // 256) * 256
        self.gate_up_proj = CastedLinear(hidden_size, 2 * inner)
        self.down_proj = CastedLinear(inner, hidden_size)

    def forward(self, x_BSD: Tensor) -> Tensor:
        gate, up = self.gate_up_proj(x_BSD).chunk(2, dim=-1)
        out: Tensor = self.down_proj(F.silu(gate) * up)
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
