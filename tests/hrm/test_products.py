"""Tests of the type that products are made in, and of packed weights."""

from __future__ import annotations

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
from hrmgym.hrm.products import cast, cpu_multiplies_bf16, made_in, pack, packs, product

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
    def says(text: str) -> bool:
        monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)
        cpu_multiplies_bf16.cache_clear()
        return cpu_multiplies_bf16()

    try:
        assert says("model\t: x\nflags\t\t: fpu avx512_bf16 sse\n")
        assert says("flags\t\t: amx_bf16\nflags\t\t: fpu\n")
        assert not says("flags\t\t: fpu avx2 avx512f\n")
        assert not says("Features\t: asimd\n")

        def fails(*_: object, **__: object) -> str:
            raise FileNotFoundError

        monkeypatch.setattr(Path, "read_text", fails)
        cpu_multiplies_bf16.cache_clear()
        assert not cpu_multiplies_bf16()
    finally:
        cpu_multiplies_bf16.cache_clear()


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
        assert packs(used)
        found = product(x, pack(used) if packed else used, bias)
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
