"""Weights in 4 or 8 bits: blocks of 32 along a row share a scale, activations stay as they are.

Recursion multiplies a weight's error by itself, so plain rounding destroys exact answers long
before single tokens (arXiv 2606.26488); what is rounded here is fitted to the inputs that the layer
really sees. Scales are searched per block, weighted by the inputs' second moments; then columns are
rounded one by one, and what each rounding breaks is made good in the columns still to come (GPTQ,
Frantar et al. 2022, arXiv 2210.17323).

E rows and D columns of a weight, N = ceil(D / 32) blocks of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from hrmgym.errors import CheckpointError, ConfigError
from hrmgym.hrm.config import DType
from hrmgym.hrm.edit_model import EditModel
from hrmgym.jsonfile import shown

BITS = (4, 8, 16)
"""16 is plain fp16, without blocks."""
BLOCK = 32
CODES, SCALES = ":codes", ":scales"

#: Smaller matrices, and all that is no matrix, are kept in fp16.
_LEAST = 4096
#: A block's largest entry becomes this share of the largest code, for the scales that are tried.
_SHARES = tuple(0.75 + 0.025 * n for n in range(15))
#: Added to the second moments' diagonal, as a share of its mean.
_DAMPING = 0.01


@dataclass(frozen=True, slots=True)
class Packed:
    """A network's weights, quantised."""

    bits: int
    tensors: dict[str, Tensor]
    """With fewer than 16 bits, for a matrix `x`: `x:codes` uint8 [E, ceil(32 N bits / 8)] and
    `x:scales` fp16 [E, N]; all other tensors by their names, in fp16 where that can hold them."""

    @property
    def description(self) -> dict[str, int]:
        """What `config.json` says of it."""
        return {"bits": self.bits, "block": BLOCK}


def pack(model: EditModel, bits: int, moments: Mapping[str, Tensor] | None = None) -> Packed:
    """Quantises every large matrix: projections, embeddings and heads.

    Args:
        model: the network; it stays as it is.
        bits: one of `BITS`.
        moments: second moments of matrices' inputs, from `calibrate`; what has none is fitted to
            its own entries.

    Raises:
        ConfigError: when `bits` is something else.
    """
    if bits not in BITS:
        raise ConfigError(f"bits={bits}: expected one of {', '.join(map(str, BITS))}")
    tensors: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        tensor = tensor.detach().cpu()
        matrix = tensor.ndim == 2 and tensor.numel() >= _LEAST and tensor.shape[1] >= BLOCK
        if matrix and bits < 16:
            codes, scales = quantise(tensor.float(), bits, (moments or {}).get(name))
            tensors[name + CODES], tensors[name + SCALES] = to_bytes(codes, bits), scales
        else:
            half = tensor.half()
            tensors[name] = half if bool(half.isfinite().all()) else tensor.contiguous()
    return Packed(bits, tensors)


def unpack(
    tensors: Mapping[str, Tensor], description: Any, shapes: Mapping[str, Tensor], where: str
) -> dict[str, Tensor]:
    """The weights of a packed file in fp32.

    Args:
        tensors: what the file holds.
        description: what its `config.json` says of it.
        shapes: tensors of the shapes that are expected.
        where: the file, for messages.

    Raises:
        CheckpointError: when the description is of another format, or does not fit the tensors.
    """
    bits = description.get("bits") if isinstance(description, dict) else None
    if bits not in BITS or description != {"bits": bits, "block": BLOCK}:
        raise CheckpointError(
            f"{where}: quantised as {shown(description)}, expected bits of "
            f"{', '.join(map(str, BITS[:-1]))} or {BITS[-1]} and a block of {BLOCK}"
        )
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.endswith(SCALES):
            continue
        if not name.endswith(CODES):
            found[name] = tensor.float()
            continue
        name = name.removesuffix(CODES)
        scales = tensors.get(name + SCALES)
        like = shapes.get(name)
        if scales is None or like is None or like.ndim != 2:
            lacking = "its scales" if scales is None else "a matrix of that name"
            raise CheckpointError(f"{where}: {name}{CODES}: the file or network lacks {lacking}")
        blocks = -(-like.shape[1] // BLOCK)
        expected = [like.shape[0], blocks * BLOCK * bits // 8]
        if list(tensor.shape) != expected or tensor.dtype != torch.uint8:
            raise CheckpointError(
                f"{where}: {name}{CODES}: found {tensor.dtype} {list(tensor.shape)}, expected "
                f"uint8 {expected}"
            )
        if list(scales.shape) != [like.shape[0], blocks]:
            raise CheckpointError(
                f"{where}: {name}{SCALES}: found shape {list(scales.shape)}, expected "
                f"{[like.shape[0], blocks]}"
            )
        found[name] = restored(from_bytes(tensor, bits), scales)[:, : like.shape[1]].contiguous()
    return found


# --- one matrix ----------------------------------------------------------------------------------


def quantise(
    weight_ED: Tensor, bits: int, moments_DD: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Codes int8 [E, 32 N] and fp16 scales [E, N]; an entry is its code times its block's scale.

    Args:
        weight_ED: the matrix, fp32.
        bits: of a code, which is from -2^(bits - 1) to 2^(bits - 1) - 1.
        moments_DD: sums of products of the inputs' columns; by default all columns count alike.
    """
    rows, columns = weight_ED.shape
    padded = -(-columns // BLOCK) * BLOCK
    weight = F.pad(weight_ED, (0, padded - columns))
    if moments_DD is None:
        scales = _scales(weight, torch.ones(padded), bits)
        return _codes(weight, _spread(scales), bits), scales
    moments = F.pad(moments_DD.double(), (0, padded - columns) * 2)
    diagonal = moments.diagonal()
    damping = _DAMPING * diagonal.mean().clamp(min=1e-12)
    diagonal += damping
    scales = _scales(weight, diagonal.float(), bits)
    wide = _spread(scales)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(moments))
    upper = torch.linalg.cholesky(inverse, upper=True).float()
    codes = torch.zeros(rows, padded, dtype=torch.int8)
    left = weight.clone()
    for start in range(0, padded, BLOCK):
        stop = start + BLOCK
        errors = torch.zeros(rows, BLOCK)
        for at in range(start, stop):
            scale = wide[:, at]
            codes[:, at] = _codes(left[:, at], scale, bits)
            error = (left[:, at] - codes[:, at] * scale) / upper[at, at]
            left[:, at:stop] -= error.unsqueeze(1) * upper[at, at:stop]
            errors[:, at - start] = error
        left[:, stop:] -= errors @ upper[start:stop, stop:]
    return codes, scales


def restored(codes: Tensor, scales: Tensor) -> Tensor:
    """The matrix in fp32 [E, 32 N]."""
    return codes.float() * _spread(scales)


def to_bytes(codes: Tensor, bits: int) -> Tensor:
    """Codes int8 [E, C] as uint8 [E, C * bits / 8]; of two 4-bit codes the first is the low half.

    Codes are stored with 2^(bits - 1) added.
    """
    raised = (codes.to(torch.int16) + (1 << (bits - 1))).to(torch.uint8)
    if bits == 8:
        return raised
    return raised[:, 0::2] | (raised[:, 1::2] << 4)


def from_bytes(packed: Tensor, bits: int) -> Tensor:
    """The codes that `to_bytes` packed, int8."""
    if bits == 4:
        packed = torch.stack((packed & 15, packed >> 4), dim=-1).flatten(1)
    return (packed.to(torch.int16) - (1 << (bits - 1))).to(torch.int8)


def _spread(scales: Tensor) -> Tensor:
    return scales.float().repeat_interleave(BLOCK, dim=1)


def _codes(weight: Tensor, scales: Tensor, bits: int) -> Tensor:
    most = 1 << (bits - 1)
    codes = (weight / torch.where(scales == 0, 1.0, scales)).round_().clamp_(-most, most - 1)
    return codes.to(torch.int8)


def _scales(weight: Tensor, importance: Tensor, bits: int) -> Tensor:
    """The scale of each block, of those tried, with the least weighted error: fp16 [E, N].

    Signs are free: the one code that has no opposite then serves the block's largest entry.
    """
    rows = len(weight)
    blocks = weight.view(rows, -1, BLOCK)
    importance = importance.view(1, -1, BLOCK)
    largest = blocks.gather(2, blocks.abs().argmax(2, keepdim=True)).squeeze(2)
    best = torch.zeros_like(largest).half()
    least = torch.full_like(largest, torch.inf)
    for share in _SHARES:
        for sign in (1.0, -1.0):
            scales = (sign * share * largest / (1 << (bits - 1))).half()
            wide = scales.float().unsqueeze(2)
            error = ((_codes(blocks, wide, bits) * wide - blocks) ** 2 * importance).sum(2)
            better = error < least
            least = torch.where(better, error, least)
            best = torch.where(better, scales, best)
    return best


# --- calibration ---------------------------------------------------------------------------------


class _Watch(TorchFunctionMode):
    """Adds up x^T x over the inputs of every product with a known matrix."""

    def __init__(self, names: Mapping[int, str]) -> None:
        super().__init__()
        self.names = names
        self.moments: dict[str, Tensor] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is F.linear:
            x, weight = args[0], args[1]
            name = self.names.get(weight.untyped_storage().data_ptr())
            if name is not None:
                rows = x.detach().flatten(0, -2).float()
                self.moments[name] = self.moments.get(name, 0.0) + rows.T @ rows
        return func(*args, **(kwargs or {}))


def computing_in(dtype: DType, model: EditModel, **changes: object) -> EditModel:
    """A copy that computes in a type, with changes to its configuration."""
    config = model.config.model_copy(update={"forward_dtype": dtype, **changes})
    copy = EditModel(config)
    copy.load_state_dict(model.state_dict())
    return copy.eval()


@torch.no_grad()
def calibrate(model: EditModel, drive: Callable[[EditModel], object]) -> dict[str, Tensor]:
    """Second moments of the inputs of each matrix, summed over all that `drive` runs: [D, D].

    Args:
        model: the network.
        drive: runs a copy of it over calibration inputs; heads that it leaves out have no moments.
    """
    copy = computing_in("float32", model)
    # Slices of a parameter, which are what a product may take, share its storage.
    names = {p.untyped_storage().data_ptr(): name for name, p in copy.named_parameters()}
    watch = _Watch(names)
    copy.core.packing = "none"
    with watch:
        drive(copy)
    return watch.moments


@torch.no_grad()
def carry_cosine(
    model: EditModel, other: EditModel, batch: Mapping[str, Tensor], segments: int
) -> list[tuple[float, float]]:
    """Mean cosine of two networks' states (z_H, z_L) after 1, 2, .. `segments` segments.

    Over the canvas positions that hold a token; both compute in fp32.
    """
    found = []
    for number in range(1, segments + 1):
        ours, theirs = (
            computing_in("float32", one, segments=number).encode(batch) for one in (model, other)
        )
        real = ours.tokens != 0
        pairs = zip(ours.latents, theirs.latents, strict=True)
        z_H, z_L = (float(F.cosine_similarity(a, b, dim=-1)[real].mean()) for a, b in pairs)
        found.append((z_H, z_L))
    return found
