"""Products and a normalisation with their backward passes written out.

torch's own would need a weight as it is in the forward pass, which is packed, make a whole gradient
of a parameter for each of its blocks, and take five times as long for the normalisation (one core,
fp32, torch 2.13).

B batch, S positions, E rows and D columns of a weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from hrmgym.hrm.products import Factor, cast, product


def interleave(weight_ED: Tensor, heads: int) -> Tensor:
    """Rows of a projection, so ordered that the two of each rotary pair come side by side.

    Done to queries and keys alike it changes no score, and a pair is then one complex number.
    """
    halves = weight_ED.view(heads, 2, -1, weight_ED.shape[-1])
    return halves.transpose(1, 2).reshape(weight_ED.shape)


def _deinterleave(weight_ED: Tensor, heads: int) -> Tensor:
    pairs = weight_ED.view(heads, -1, 2, weight_ED.shape[-1])
    return pairs.transpose(1, 2).reshape(weight_ED.shape)


def products(
    x_BSD: Tensor, parameter_ED: Tensor, factors: Sequence[Factor], heads: int = 0
) -> tuple[Tensor, ...]:
    """x W^T for each block W of a parameter's rows, in x's type.

    Args:
        x_BSD: the input, [B, S, D].
        parameter_ED: what is trained; gradients of all blocks come to it at once, in its own type.
        factors: its blocks in their order, from `cast` or, but in 8 bits only where nothing is
            differentiated, from `pack`.
        heads: so many heads of the first block are interleaved; 0: none is.
    """
    if not torch.is_grad_enabled():
        return tuple(product(x_BSD, factor) for factor in factors)
    out: tuple[Tensor, ...] = _Products.apply(  # type: ignore[no-untyped-call]
        x_BSD, parameter_ED, heads, *factors
    )
    return out


class _Products(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x_BSD: Tensor, parameter_ED: Tensor, heads: int, *factors: Factor
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(x_BSD, parameter_ED)
        ctx.heads = heads
        return tuple(product(x_BSD, factor) for factor in factors)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        x_BSD, parameter_ED = ctx.saved_tensors
        weight_ED = cast(parameter_ED, x_BSD.dtype)
        x_ND = x_BSD.to(weight_ED.dtype).flatten(0, -2)
        sizes = [one.shape[-1] for one in outer]
        blocks = torch.split(weight_ED, sizes)
        to_x_ND: Tensor | None = None
        to_weight_ED = torch.empty_like(weight_ED)
        rows = torch.split(to_weight_ED, sizes)
        for at, (gradient, block) in enumerate(zip(outer, blocks, strict=True)):
            heads = 0 if at else ctx.heads
            gradient_NE = gradient.to(weight_ED.dtype).flatten(0, -2)
            if ctx.needs_input_grad[1]:
                if heads:
                    rows[at].copy_(_deinterleave(gradient_NE.t() @ x_ND, heads))
                else:
                    torch.mm(gradient_NE.t(), x_ND, out=rows[at])
            if ctx.needs_input_grad[0]:
                factor = interleave(block, heads) if heads else block
                if to_x_ND is None:
                    to_x_ND = gradient_NE @ factor
                else:
                    to_x_ND.addmm_(gradient_NE, factor)
        return (
            None if to_x_ND is None else to_x_ND.view(x_BSD.shape).to(x_BSD.dtype),
            to_weight_ED.to(parameter_ED.dtype) if ctx.needs_input_grad[1] else None,
            *[None] * (1 + len(outer)),
        )


def rms_norm(x_BSD: Tensor, eps: float) -> Tensor:
    """Root-mean-square normalisation without a weight, computed in fp32 or better."""
    if x_BSD.device.type != "cpu":  # one kernel there
        return F.rms_norm(_wide(x_BSD), x_BSD.shape[-1:], eps=eps).to(x_BSD.dtype)
    out: Tensor = _RMSNorm.apply(x_BSD, eps)  # type: ignore[no-untyped-call]
    return out


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_BSD: Tensor, eps: float) -> Tensor:
        wide = _wide(x_BSD)
        # As torch has it, to the bit: through a vector's norm one rounds twice more, which four
        # segments of the recursion double.
        inverse_BS1 = wide.square().mean(-1, keepdim=True).add_(eps).rsqrt_()
        out_BSD = (wide * inverse_BS1).to(x_BSD.dtype)
        ctx.save_for_backward(out_BSD, inverse_BS1)
        return out_BSD

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer_BSD: Tensor) -> tuple[Tensor, None]:
        out_BSD, inverse_BS1 = ctx.saved_tensors
        outer, out = _wide(outer_BSD), _wide(out_BSD)
        mean_BS1 = (outer * out).mean(-1, keepdim=True)
        to_x_BSD = torch.addcmul(outer, out, mean_BS1, value=-1).mul_(inverse_BS1)
        return to_x_BSD.to(outer_BSD.dtype), None


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()
