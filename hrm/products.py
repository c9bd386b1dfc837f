"""Products with weights: in which type they are made, and weights that stay the same for a while.

E rows and D columns of a weight.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

#: Either multiplies in bf16; training runs 1.9 times as fast with the second as in fp32 (AMD EPYC).
_BF16_FLAGS = frozenset({"amx_bf16", "avx512_bf16"})


@cache
def cpu_multiplies_bf16() -> bool:
    """Whether the processor multiplies in bf16, as far as Linux says; elsewhere False."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    flags = (line.partition(":")[2].split() for line in lines if line.startswith("flags"))
    return bool(_BF16_FLAGS.intersection(next(flags, ())))


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


def packs(weight: Tensor) -> bool:
    """Whether `pack` speeds up products with weights like this one: fp32 on a CPU with oneDNN."""
    on_cpu = weight.dtype == torch.float32 and weight.device.type == "cpu"
    return on_cpu and torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def pack(weight_ED: Tensor) -> Tensor:
    """A weight in oneDNN's own layout, for `product` alone; cannot be differentiated.

    Products take 4/5 of the time on an AMD EPYC, where torch's own are MKL's; the layout is made
    once for all calls before the weights change.
    """
    out: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight_ED.detach().contiguous())
    return out


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W^T + b in x's type, for a weight [E, D] from `cast` or `pack`."""
    wide = x.to(weight.dtype)
    if bias is not None:
        bias = bias.to(weight.dtype)
    if weight.is_mkldnn:
        out: Tensor = torch.ops.mkldnn._linear_pointwise(wide, weight, bias, "none", [], "")
    else:
        out = F.linear(wide, weight, bias)
    return out.to(x.dtype)
