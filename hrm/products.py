"""Products with weights: in which type they are made, and weights that stay the same for a while.

E rows and D columns of a weight.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

#: Either multiplies in bf16; training runs 1.9 times as fast with the second as in fp32 (AMD EPYC).
_BF16_FLAGS = frozenset({"amx_bf16", "avx512_bf16"})
#: Any of them adds up products of 8 bits in 32; else pairs of them are added up in 16 first.
_INT8_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})

Packing = Literal["none", "exact", "int8"]
"""What is made of a weight before many products with it: nothing, a faster layout, 8-bit integers
in such a layout."""


class Int8Weight(NamedTuple):
    """A weight [E, D] whose rows were rounded to 8 bits."""

    codes: Tensor
    """In oneDNN's own layout."""
    scales_E: Tensor
    zeros_E: Tensor
    """int32; the codes are symmetric, so these are 0."""


#: What `product` takes for a weight.
Factor = Tensor | Int8Weight


@cache
def _flags() -> frozenset[str]:
    """What the processor can do, as far as Linux says; elsewhere nothing."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    flags = (line.partition(":")[2].split() for line in lines if line.startswith("flags"))
    return frozenset(next(flags, ()))


def cpu_multiplies_bf16() -> bool:
    """Whether the processor multiplies in bf16."""
    return bool(_BF16_FLAGS & _flags())


def activation_levels() -> int:
    """Steps that activations in 8 bits have; without the hardware half, so that no sum of two
    products leaves 16 bits."""
    return 255 if _INT8_FLAGS & _flags() else 127


@cache
def _has_onednn() -> bool:
    needed = ((torch.ops.mkldnn, "_linear_pointwise"), (torch.ops.onednn, "qlinear_pointwise"))
    return torch._C._has_mkldnn and all(hasattr(ops, name) for ops, name in needed)


def made_in(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """The type that products of a type are made in; results are rounded to the type itself.

    On a CPU that does not multiply bf16, torch's own products of it take six times as long as those
    of fp32 with casts, and attention ten times (torch 2.13, AMD EPYC with AVX2, one core).
    """
    emulated = dtype == torch.bfloat16 and device.type == "cpu" and not cpu_multiplies_bf16()
    return torch.float32 if emulated else dtype


def cast(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """A weight rounded to a type, in the type that its products are made in."""
    rounded = weight.to(dtype)
    return rounded.to(made_in(dtype, weight.device))


def pack(weight_ED: Factor, packing: Packing) -> Factor:
    """A weight as many products want it; cannot be differentiated.

    To be made once for all calls before the weight changes. It stays as it is away from a CPU with
    oneDNN, and in other types than fp32 or, for `int8`, bf16. Against torch's own products, which
    are MKL's, `exact` takes 4/5 of the time and `int8` half (27 million parameters, 513 positions,
    AMD EPYC with AVX2).
    """
    if isinstance(weight_ED, Int8Weight) or packing == "none":
        return weight_ED
    types = (torch.float32,) if packing == "exact" else (torch.float32, torch.bfloat16)
    if weight_ED.dtype not in types or weight_ED.device.type != "cpu" or not _has_onednn():
        return weight_ED
    weight_ED = weight_ED.detach().contiguous()
    out: Tensor
    if packing == "exact":
        out = torch.ops.mkldnn._reorder_linear_weight(weight_ED)
        return out
    weight_ED = weight_ED.float()
    scales_E = weight_ED.abs().amax(1) / 127
    scales_E[scales_E == 0] = 1
    codes = (weight_ED / scales_E.unsqueeze(1)).round_().to(torch.int8)
    out = torch.ops.onednn.qlinear_prepack(codes, None)
    return Int8Weight(out, scales_E, torch.zeros(len(codes), dtype=torch.int32))


def product(x: Tensor, weight: Factor, bias: Tensor | None = None) -> Tensor:
    """x W^T + b in x's type, for a weight [E, D] from `cast` or `pack`."""
    if isinstance(weight, Int8Weight):
        return _int8_product(x, weight, bias)
    wide = x.to(weight.dtype)
    if bias is not None:
        bias = bias.to(weight.dtype)
    if weight.is_mkldnn:
        out: Tensor = torch.ops.mkldnn._linear_pointwise(wide, weight, bias, "none", [], "")
    else:
        out = F.linear(wide, weight, bias)
    return out.to(x.dtype)


def _int8_product(x: Tensor, weight: Int8Weight, bias: Tensor | None) -> Tensor:
    """As `product`; the activations of a call share a scale and a zero point."""
    wide = x.float()
    low, high = (float(edge) for edge in wide.aminmax())
    low, high, levels = min(low, 0.0), max(high, 0.0), activation_levels()
    scale = (high - low) / levels or 1.0
    if not math.isfinite(scale):  # integers have no NaN
        return x.new_full((*x.shape[:-1], len(weight.scales_E)), torch.nan)
    zero = round(-low / scale)
    codes = (wide * (1 / scale)).add_(zero + 0.5).clamp_(0, levels + 0.5).to(torch.uint8)
    out: Tensor = torch.ops.onednn.qlinear_pointwise(
        codes,
        scale,
        zero,
        *weight,
        None if bias is None else bias.float(),
        1.0,
        0,
        torch.float32,
        "none",
        [],
        "",
    )
    return out.to(x.dtype)
