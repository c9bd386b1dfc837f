import math

import pytest
import torch
import torch.nn.functional as F

from hrmgym.hrm.backward import interleave, products, rms_norm
from hrmgym.hrm.layers import Block, Level, RotaryPositions, attend, turn
from hrmgym.hrm.products import cast, pack


def blocks(weight, heads, sizes, dtype):
    """The blocks of a weight as a layer makes them, differentiable."""
    first, *rest = cast(weight, dtype).split(sizes)
    return [interleave(first, heads) if heads else first, *rest]


def test_rows_of_queries_and_keys_are_interleaved():
    weight = torch.arange(8.0).view(8, 1)  # two heads of two pairs
    assert interleave(weight, 2).flatten().tolist() == [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]


@pytest.mark.parametrize("sizes", [[12], [8, 4], [4, 4, 4]])
@pytest.mark.parametrize("heads", [0, 2])
def test_gradients_by_differences(sizes, heads):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(12, 5, dtype=torch.float64, requires_grad=True)

    def run(x, weight):
        factors = [one.detach() for one in blocks(weight, heads, sizes, x.dtype)]
        # `gradcheck` moves the weight, and the factors follow it.
        return products(x, weight, factors, heads)

    assert torch.autograd.gradcheck(run, (x, weight))


@pytest.mark.parametrize(
    ("dtype", "bound"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2), (torch.float64, 1e-12)]
)
def test_results_and_gradients_are_those_of_plain_products(dtype, bound):
    torch.manual_seed(0)
    weight = torch.randn(96, 40, requires_grad=dtype != torch.float64)
    if dtype == torch.float64:
        weight = weight.double().requires_grad_()
    x = torch.randn(2, 7, 40).to(dtype).requires_grad_()
    sizes, heads = [64, 32], 4
    with torch.no_grad():
        factors = [pack(one, "exact") for one in blocks(weight, heads, sizes, dtype)]
    found = products(x, weight, factors, heads)
    wide = x.detach().double().requires_grad_()
    copy = weight.detach().double().requires_grad_()
    exact = [F.linear(wide, one) for one in blocks(copy, heads, sizes, torch.float64)]
    slopes = [torch.randn_like(one) for one in exact]
    torch.autograd.backward(found, [one.to(dtype) for one in slopes])
    torch.autograd.backward(exact, slopes)
    assert x.grad.dtype == dtype
    assert weight.grad.dtype == weight.dtype  # not rounded to the type of the products
    pairs = [*zip(found, exact, strict=True), (x.grad, wide.grad), (weight.grad, copy.grad)]
    for ours, wanted in pairs:
        assert (ours.double() - wanted).norm() < bound * wanted.norm()


def test_what_needs_no_gradient_gets_none():
    x, weight = torch.randn(1, 2, 4), torch.randn(6, 4, requires_grad=True)
    factors = [weight.detach()[:3], weight.detach()[3:]]
    sum(one.sum() for one in products(x, weight, factors)).backward()
    assert weight.grad is not None
    assert x.grad is None
    weight.grad = None
    frozen = weight.detach()
    x.requires_grad_()
    sum(one.sum() for one in products(x, frozen, factors)).backward()
    torch.testing.assert_close(x.grad, frozen.sum(0).expand(1, 2, 4))
    with torch.no_grad():
        assert not any(one.requires_grad for one in products(x, weight, factors))


def test_a_block_without_gradient_of_its_result_counts_as_zero():
    x, weight = torch.randn(1, 2, 4, requires_grad=True), torch.randn(6, 4, requires_grad=True)
    gate, _ = products(x, weight, [weight.detach()[:3], weight.detach()[3:]])
    gate.sum().backward()
    assert not weight.grad[3:].any()
    torch.testing.assert_close(x.grad, weight[:3].sum(0).expand(1, 2, 4))


def test_a_parameter_that_changed_before_the_backward_pass_is_noticed():
    x, weight = torch.randn(1, 2, 4), torch.randn(3, 4, requires_grad=True)
    (out,) = products(x, weight, [weight.detach().clone()])
    with torch.no_grad():
        weight.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_rms_norm_by_hand():
    x = torch.tensor([[3.0, 4.0]])
    torch.testing.assert_close(rms_norm(x, 0.0), x / math.sqrt(12.5))
    tiny = torch.zeros(1, 2)
    assert not rms_norm(tiny, 1e-5).any()


def test_rms_norm_and_its_gradient_are_torchs():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: rms_norm(x, 0.1), (x,))
    for dtype, bound in ((torch.float32, 1e-6), (torch.bfloat16, 1e-2)):
        ours = torch.randn(4, 5, 64).to(dtype).requires_grad_()
        wanted = ours.detach().float().requires_grad_()
        slope = torch.randn(4, 5, 64)
        found, expected = rms_norm(ours, 1e-5), F.rms_norm(wanted, (64,), eps=1e-5)
        assert torch.equal(found, expected.to(dtype))
        found.backward(slope.to(dtype))
        expected.backward(slope)
        assert ours.grad.dtype == dtype
        assert (ours.grad.float() - wanted.grad).norm() < bound * wanted.grad.norm()


def test_rms_norm_of_bfloat16_is_computed_in_float32():
    x = (torch.arange(64.0) / 7).bfloat16()
    expected = rms_norm(x.float(), 1e-5).bfloat16()
    found = rms_norm(x, 1e-5)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected)


def plain(level, x, rotary):
    """A stack with nothing but torch's own gradients."""
    x = x + x
    for layer in level.layers:
        attention, width = layer.self_attn, x.shape[-1]
        weight, heads = attention.qkv_proj.weight, attention.num_heads
        query_key = F.linear(x, interleave(weight[: 2 * width], 2 * heads))
        query_key = turn(query_key, rotary).view(*x.shape[:2], 2, heads, -1)
        query, key = query_key.transpose(1, 3).unbind(2)
        value = F.linear(x, weight[2 * width :]).view(*x.shape[:2], heads, -1).transpose(1, 2)
        mixed = attend(query, key, value, None).transpose(1, 2).reshape(x.shape)
        mixed = F.linear(mixed, attention.o_proj.weight)
        x = F.rms_norm(x + mixed, x.shape[-1:], eps=layer.eps)
        gate, up = F.linear(x, layer.mlp.gate_up_proj.weight).chunk(2, -1)
        down = F.linear(F.silu(gate) * up, layer.mlp.down_proj.weight)
        x = F.rms_norm(x + down, x.shape[-1:], eps=layer.eps)
    return x


def test_gradients_of_a_whole_stack_are_those_of_torch():
    torch.manual_seed(0)
    level = Level([Block(32, 2, 2.0, 1e-5) for _ in range(2)])
    rotary = RotaryPositions(32, 2, 9, 1e4)(9, torch.float32)
    x = torch.randn(3, 9, 32, requires_grad=True)
    slope = torch.randn(3, 9, 32)
    inputs = [x, *level.parameters()]
    weights = level.cast(torch.float32)
    assert weights[0][0].out.is_mkldnn == torch.backends.mkldnn.is_available()
    found = torch.autograd.grad(level(x, x, rotary, None, weights), inputs, slope)
    wanted = torch.autograd.grad(plain(level, x, rotary), inputs, slope)
    for ours, theirs in zip(found, wanted, strict=True):
        assert theirs.norm() > 0
        assert (ours - theirs).norm() < 1e-5 * theirs.norm()
