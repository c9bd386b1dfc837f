"""The pieces that every network here is built of (HRM, models/layers.py and models/common.py).

B batch, S positions, D hidden, E rows of a projection, H heads, K = D / H.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrmgym.hrm.backward import interleave, products, rms_norm
from hrmgym.hrm.products import Factor, Packing, cast, made_in, pack, product

#: Rotary positions as complex numbers of modulus 1, [S, 1, K / 2].
Rotary = Tensor


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


class CastedLinear(nn.Module):
    """A linear map whose fp32 weight is cast to its input's type at each use."""

    def __init__(self, inputs: int, outputs: int, bias: bool = False, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        truncated_normal_(self.weight, gain / math.sqrt(inputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return product(x, cast(self.weight, x.dtype), bias)


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

    Each pair (k, k + K / 2) of a query's or key's head turns by position * theta^(-2 k / K).
    """

    def __init__(self, width: int, num_heads: int, positions: int, theta: float) -> None:
        super().__init__()
        size = width // num_heads
        inverse = theta ** -(torch.arange(0, size, 2, dtype=torch.float32) / size)
        angle = torch.outer(torch.arange(positions, dtype=torch.float32), inverse)
        self.turns: Tensor  # cosine and sine, [S, K / 2, 2]
        turns = torch.stack((angle.cos(), angle.sin()), dim=-1)
        self.register_buffer("turns", turns, persistent=False)

    def forward(self, length: int, dtype: torch.dtype) -> Rotary:
        """Table of the first positions, in fp32 or better: HRM turns bf16 states in fp32."""
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        return torch.view_as_complex(self.turns[:length].to(wide)).unsqueeze(1)


def turn(x_BSE: Tensor, rotary: Rotary) -> Tensor:
    """Turns the interleaved pairs of every head: one product of complex numbers."""
    wide = rotary.real.dtype
    pairs = x_BSE.to(wide).view(*x_BSE.shape[:2], -1, rotary.shape[-1], 2)
    turned = torch.view_as_real(torch.view_as_complex(pairs) * rotary)
    return turned.view(x_BSE.shape).to(x_BSE.dtype)


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Scaled dot-product attention over [B, H, S, K]; the mask is true where a key counts.

    Args:
        query: [B, H, S, K].
        key: as the query.
        value: as the query.
        mask: bool, broadcast to [B, H, S, S].
    """
    wide = made_in(query.dtype, query.device)
    if wide != torch.bfloat16 or query.device.type != "cpu":
        parts = (query.to(wide), key.to(wide), value.to(wide))
        return F.scaled_dot_product_attention(*parts, attn_mask=mask).to(query.dtype)
    # torch's fused kernel takes 1.3 to 1.8 times as long as these products for this one case, and
    # its backward pass five times (torch 2.13, one core, S from 82 to 513).
    (batch, heads, length, width), dtype = query.shape, query.dtype
    flat_query, flat_key, flat_value = (
        one.reshape(batch * heads, -1, width) for one in (query, key, value)
    )
    if mask is None:
        bias, beta = query.new_zeros(1, 1, 1), 0.0
    else:
        bias, beta = torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, -torch.inf), 1.0
        bias = bias.expand(batch, heads, -1, -1).flatten(0, 1)
    scale = 1 / math.sqrt(width)
    scores = torch.baddbmm(bias, flat_query, flat_key.transpose(1, 2), beta=beta, alpha=scale)
    return torch.bmm(scores.softmax(-1), flat_value).view(batch, heads, length, width)


class AttentionWeights(NamedTuple):
    """What `Attention` multiplies with, in the type that products are made in."""

    query_key: Factor
    """Interleaved [2 D, D]."""
    value: Factor
    """[D, D]."""
    out: Factor
    """[D, D]."""


class Attention(nn.Module):
    """Multi-head self-attention in both directions."""

    def __init__(self, hidden_size: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv_proj = CastedLinear(hidden_size, 3 * hidden_size)
        self.o_proj = CastedLinear(hidden_size, hidden_size)

    @torch.no_grad()
    def weights(self, dtype: torch.dtype) -> AttentionWeights:
        """The weights rounded to a type."""
        weight, width = cast(self.qkv_proj.weight, dtype), self.o_proj.weight.shape[0]
        return AttentionWeights(
            interleave(weight[: 2 * width], 2 * self.num_heads),
            weight[2 * width :],
            cast(self.o_proj.weight, dtype),
        )

    def forward(
        self,
        x_BSD: Tensor,
        rotary: Rotary | None,
        mask: Tensor | None,
        weights: AttentionWeights | None = None,
        first: bool = False,
    ) -> Tensor:
        """[B, S, D], or, with `first`, what position 0 gets alone: [B, 1, D]."""
        batch, length, width = x_BSD.shape
        heads = self.num_heads
        weights = weights or self.weights(x_BSD.dtype)
        blocks = (weights.query_key, weights.value)
        query_key, value = products(x_BSD, self.qkv_proj.weight, blocks, 2 * heads)
        if rotary is not None:
            query_key = turn(query_key, rotary)
        query, key = query_key.view(batch, length, 2, heads, -1).transpose(1, 3).unbind(2)
        if first:
            query = query[:, :, :1]
        value = value.view(batch, length, heads, -1).transpose(1, 2)
        mixed = attend(query, key, value, mask).transpose(1, 2).reshape(batch, -1, width)
        (out,) = products(mixed, self.o_proj.weight, [weights.out])
        return out


class SwiGLUWeights(NamedTuple):
    """What `SwiGLU` multiplies with, in the type that products are made in."""

    gate: Factor
    up: Factor
    down: Factor


class SwiGLU(nn.Module):
    """Gated feed-forward (Shazeer 2020, arXiv 2002.05202)."""

    def __init__(self, hidden_size: int, expansion: float) -> None:
        super().__init__()
        inner = -(-round(expansion * hidden_size * 2 / 3) // 256) * 256
        self.gate_up_proj = CastedLinear(hidden_size, 2 * inner)
        self.down_proj = CastedLinear(inner, hidden_size)

    @torch.no_grad()
    def weights(self, dtype: torch.dtype) -> SwiGLUWeights:
        """The weights rounded to a type."""
        gate, up = cast(self.gate_up_proj.weight, dtype).chunk(2)
        return SwiGLUWeights(gate, up, cast(self.down_proj.weight, dtype))

    def forward(self, x_BSD: Tensor, weights: SwiGLUWeights | None = None) -> Tensor:
        # Two products, so that both results are contiguous: a fifth less time on a CPU than one.
        weights = weights or self.weights(x_BSD.dtype)
        gate, up = products(x_BSD, self.gate_up_proj.weight, (weights.gate, weights.up))
        if torch.is_grad_enabled():
            gated = F.silu(gate) * up
        else:
            gated = F.silu(gate, inplace=True).mul_(up)
        (out,) = products(gated, self.down_proj.weight, [weights.down])
        return out


#: The weights of one block, as its two halves multiply with them.
BlockWeights = tuple[AttentionWeights, SwiGLUWeights]


class Block(nn.Module):
    """Attention, then feed-forward; each is added to its input and the sum normalised."""

    def __init__(self, hidden_size: int, num_heads: int, expansion: float, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.self_attn = Attention(hidden_size, num_heads)
        self.mlp = SwiGLU(hidden_size, expansion)

    def weights(self, dtype: torch.dtype) -> BlockWeights:
        """The weights rounded to a type."""
        return self.self_attn.weights(dtype), self.mlp.weights(dtype)

    def forward(
        self,
        x_BSD: Tensor,
        rotary: Rotary | None,
        mask: Tensor | None,
        weights: BlockWeights | None = None,
        first: bool = False,
    ) -> Tensor:
        """[B, S, D], or, with `first`, position 0 of it alone: [B, 1, D]."""
        attention, feed_forward = weights or (None, None)
        mixed = self.self_attn(x_BSD, rotary, mask, attention, first)
        x_BSD = rms_norm((x_BSD[:, :1] if first else x_BSD) + mixed, self.eps)
        return rms_norm(x_BSD + self.mlp(x_BSD, feed_forward), self.eps)


class Level(nn.Module):
    """A stack of blocks over the sum of a state and what is injected into it."""

    def __init__(self, layers: list[Block]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    @torch.no_grad()
    def cast(self, dtype: torch.dtype, packing: Packing = "exact") -> list[BlockWeights]:
        """The weights in a type and packed, once for many calls, differentiated ones too.

        To be used before the parameters change: it depends on the type what follows a change.
        """
        found = []
        for layer in self.layers:
            assert isinstance(layer, Block)
            attention, feed_forward = layer.weights(dtype)
            attention = AttentionWeights(*(pack(one, packing) for one in attention))
            feed_forward = SwiGLUWeights(*(pack(one, packing) for one in feed_forward))
            found.append((attention, feed_forward))
        return found

    def forward(
        self,
        state_BSD: Tensor,
        injection_BSD: Tensor,
        rotary: Rotary | None,
        mask: Tensor | None,
        weights: list[BlockWeights] | None = None,
        first: bool = False,
    ) -> Tensor:
        """[B, S, D], or, with `first`, position 0 of it alone: [B, 1, D]."""
        state_BSD = state_BSD + injection_BSD
        last = len(self.layers) - 1
        for at, layer in enumerate(self.layers):
            own = weights[at] if weights else None
            state_BSD = layer(state_BSD, rotary, mask, own, first and at == last)
        return state_BSD
