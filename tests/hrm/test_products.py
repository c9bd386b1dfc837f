"""Tests of the type that products are made in, and of packed weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from hrmgym.hrm import products
from hrmgym.hrm.layers import attend
from hrmgym.hrm.model import HRM
from hrmgym.hrm.products import (
    Int8Weight,
    Packing,
    _flags,
    activation_levels,
    cast,
    cpu_multiplies_bf16,
    made_in,
    pack,
    product,
)

from .test_losses import tiny_hrm

CPU = torch.device("cpu")


@contextmanager
def hardware(monkeypatch: pytest.MonkeyPatch, multiplies: bool) -> Iterator[None]:
    """Inside, the processor multiplies in bf16, or does not."""
    with monkeypatch.context() as patch:
        patch.setattr(products, "cpu_multiplies_bf16", lambda: multiplies)
        yield


class MatrixTypes(TorchDispatchMode):
    """The types that matrices were multiplied in."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[torch.dtype] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func.overloadpacket.__name__ in ("mm", "addmm", "bmm", "baddbmm"):
            self.seen |= {one.dtype for one in args if isinstance(one, Tensor)}
        return func(*args, **(kwargs or {}))


def test_what_the_processor_says_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def says(text: str) -> tuple[bool, int]:
        monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)
        _flags.cache_clear()
        return cpu_multiplies_bf16(), activation_levels()

    try:
        assert says("model\t: x\nflags\t\t: fpu avx512_bf16 sse\n") == (True, 127)
        assert says("flags\t\t: amx_bf16 amx_int8\nflags\t\t: fpu\n") == (True, 255)
        assert says("flags\t\t: fpu avx2 avx_vnni\n") == (False, 255)
        assert says("flags\t\t: fpu avx2 avx512f\n") == (False, 127)
        assert says("Features\t: asimd\n") == (False, 127)

        def fails(*_: object, **__: object) -> str:
            raise FileNotFoundError

        monkeypatch.setattr(Path, "read_text", fails)
        _flags.cache_clear()
        assert not cpu_multiplies_bf16()
    finally:
        _flags.cache_clear()


def test_only_bf16_on_such_a_processor_is_widened(monkeypatch: pytest.MonkeyPatch) -> None:
    with hardware(monkeypatch, False):
        assert made_in(torch.bfloat16, CPU) == torch.float32
        assert made_in(torch.bfloat16, torch.device("cuda")) == torch.bfloat16
        assert made_in(torch.float64, CPU) == torch.float64
    with hardware(monkeypatch, True):
        assert made_in(torch.bfloat16, CPU) == torch.bfloat16


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_a_widened_product_is_the_rounded_product_of_rounded_factors(
    monkeypatch: pytest.MonkeyPatch, with_bias: bool, packed: bool
) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(3, 5, 8).bfloat16(), torch.randn(4, 8)
    bias = torch.randn(4).bfloat16() if with_bias else None
    with hardware(monkeypatch, False):
        used = cast(weight, torch.bfloat16)
        assert used.dtype == torch.float32
        factor = pack(used, "exact") if packed else used
        assert isinstance(factor, Tensor)
        assert factor.is_mkldnn == packed
        found = product(x, factor, bias)
    exact = x.double() @ weight.bfloat16().double().T + (0 if bias is None else bias.double())
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, exact.bfloat16(), rtol=1 / 128, atol=1e-3)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_the_same_either_way(monkeypatch: pytest.MonkeyPatch, masked: bool) -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 2, 7, 8).bfloat16()
    mask = torch.rand(2, 1, 7, 7) < 0.7 if masked else None
    if mask is not None:
        mask[..., 0] = True
    found = []
    for multiplies in (False, True):
        with hardware(monkeypatch, multiplies):
            found.append(attend(query, key, value, mask))
    assert found[0].dtype == found[1].dtype == torch.bfloat16
    torch.testing.assert_close(found[0], found[1], rtol=0.05, atol=0.02)


@pytest.mark.parametrize("gradient", ["last_step", "last_recursion"])
def test_a_bf16_network_without_the_hardware_multiplies_in_fp32_alone_and_learns_the_same(
    monkeypatch: pytest.MonkeyPatch, gradient: str
) -> None:
    results = []
    for multiplies in (False, True):
        with hardware(monkeypatch, multiplies), MatrixTypes() as types:
            model = tiny_hrm(
                gradient=gradient, forward_dtype="bfloat16", seq_len=6, vocab_size=5, hidden_size=32
            ).train()
            batch = {
                "inputs": torch.arange(12).view(2, 6) % 5,
                "labels": torch.arange(12).view(2, 6) % 5,
                "puzzle_identifiers": torch.zeros(2, dtype=torch.int64),
            }
            torch.manual_seed(1)
            _, outputs = model(model.initial_carry(batch), batch)
            outputs.logits.float().square().mean().backward()
        assert (torch.bfloat16 in types.seen) == multiplies
        gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
        results.append((outputs.logits.float(), gradients))
    (logits, gradients), (expected, wanted) = results
    torch.testing.assert_close(logits, expected, rtol=0.1, atol=0.1)
    assert gradients.keys() == wanted.keys()
    for name, gradient_there in wanted.items():
        here = gradients[name]
        assert gradient_there is not None
        assert here is not None
        apart = (here - gradient_there).norm() / (gradient_there.norm() + 1e-6)
        assert apart < 0.3, name


INT8: Packing = "int8"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("with_bias", [False, True])
def test_an_int8_product_is_off_by_no_more_than_its_roundings(
    dtype: torch.dtype, with_bias: bool
) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(3, 7, 64).to(dtype), torch.randn(40, 64)
    bias = torch.randn(40).to(dtype) if with_bias else None
    packed = pack(weight, INT8)
    assert isinstance(packed, Int8Weight)
    found = product(x, packed, bias)
    exact = x.double() @ weight.double().T + (0 if bias is None else bias.double())
    x_step = float(x.max() - x.min()) / activation_levels()
    w_step = weight.abs().amax(1).double() / 127
    # The zero point is rounded too, which moves codes by up to half a step more at the ends.
    bound = x_step * weight.double().abs().sum(1) + x.double().abs().sum(-1, keepdim=True) * w_step
    assert found.dtype == dtype
    assert bool(((found.double() - exact).abs() <= bound + 0.05).all())
    assert (found.double() - exact).norm() < 0.03 * exact.norm()
    assert (found.double() - exact).norm() > 1e-4 * exact.norm()  # it was rounded at all


def test_no_int8_sum_leaves_its_range() -> None:
    for sign in (1.0, -1.0):
        x, weight = torch.full((4, 512), sign), torch.ones(8, 512)
        torch.testing.assert_close(product(x, pack(weight, INT8)), torch.full((4, 8), 512 * sign))


def test_int8_of_nothing_is_nothing_and_of_nan_is_nan() -> None:
    weight = torch.cat((torch.zeros(1, 32), torch.ones(1, 32)))
    packed = pack(weight, INT8)
    assert product(torch.zeros(2, 32), packed).tolist() == [[0, 0], [0, 0]]
    x = torch.ones(2, 32)
    assert product(x, packed)[0, 0] == 0
    for bad in (torch.nan, torch.inf):
        x[1, 3] = bad
        assert bool(product(x, packed).isnan().all())


@pytest.mark.parametrize(
    ("packing", "dtype"),
    [
        ("none", torch.float32),
        ("none", torch.bfloat16),
        ("exact", torch.bfloat16),
        ("exact", torch.float64),
        ("int8", torch.float64),
    ],
)
def test_what_cannot_be_packed_stays_as_it_is(packing: Packing, dtype: torch.dtype) -> None:
    weight = torch.ones(4, 32, dtype=dtype)
    assert pack(weight, packing) is weight


def test_bf16_weights_can_be_packed_in_int8() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(5, 64).bfloat16(), torch.randn(40, 64).bfloat16()
    packed = pack(weight, INT8)
    assert isinstance(packed, Int8Weight)
    exact = x.double() @ weight.double().T
    assert (product(x, packed).double() - exact).norm() < 0.03 * exact.norm()


def states(model: HRM) -> Tensor:
    """The logits of one segment over fixed inputs."""
    batch = {
        "inputs": torch.arange(12).view(2, 6) % 5,
        "labels": torch.arange(12).view(2, 6) % 5,
        "puzzle_identifiers": torch.zeros(2, dtype=torch.int64),
    }
    logits: Tensor = model(model.initial_carry(batch), batch)[1].logits
    return logits


@pytest.mark.parametrize("packing", ["exact", "int8"])
@pytest.mark.parametrize("change", ["optimizer", "load", "data", "one number in data"])
def test_weights_that_are_kept_follow_every_change(packing: Packing, change: str) -> None:
    model, other = (tiny_hrm(forward_dtype="float32", seq_len=6, vocab_size=5) for _ in range(2))
    for one in (model, other):
        one.eval().inner.packing = packing
    with torch.no_grad():
        before = states(model)
        assert torch.equal(states(model), before)
    if change == "optimizer":
        states(model.train()).square().mean().backward()
        torch.optim.AdamW(model.parameters(), lr=0.1).step()
        other.load_state_dict(model.eval().state_dict())
    elif change == "one number in data":
        for one in (model, other):
            one.inner.L_level.layers[0].mlp.down_proj.weight.data[3, 5] += 2.0
        other.load_state_dict(model.state_dict())
    else:
        for parameter in other.parameters():
            torch.nn.init.normal_(parameter)
    if change == "load":
        model.load_state_dict(other.state_dict())
    elif change == "data":
        for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
            ours.data = theirs.data.clone()
    with torch.no_grad():
        after = states(model)
        assert not torch.allclose(after, before)
        torch.testing.assert_close(after, states(other))


def test_weights_made_in_inference_mode_follow_changes_too() -> None:
    with torch.inference_mode():
        model = tiny_hrm(forward_dtype="float32", seq_len=6, vocab_size=5).eval()
        before = states(model)
        for parameter in model.inner.H_level.parameters():
            parameter.mul_(2)
        assert not torch.allclose(states(model), before)


def test_packing_is_kept_only_outside_training_and_never_copied() -> None:
    model = tiny_hrm(forward_dtype="float32", seq_len=6, vocab_size=5).train()
    with torch.no_grad():
        states(model)
        assert model.inner._kept is None
        states(model.eval())
        assert model.inner._kept is not None
        copied = copy.deepcopy(model)
        assert copied.inner._kept is None
        torch.testing.assert_close(states(copied), states(model))


def test_int8_changes_nothing_in_training() -> None:
    """Its first cycle is not differentiated, and could be rounded."""
    model = tiny_hrm(forward_dtype="float32", seq_len=6, vocab_size=5, H_cycles=2).train()
    found = []
    for packing in ("exact", "int8"):
        model.inner.packing = packing
        model.zero_grad()
        logits = states(model)
        logits.square().mean().backward()
        found.append([logits, *(p.grad for p in model.parameters() if p.grad is not None)])
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
