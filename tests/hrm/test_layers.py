import math

import pytest
import torch
import torch.nn.functional as F

from hrmgym.hrm.layers import (
    Attention,
    Block,
    CastedEmbedding,
    CastedLinear,
    Level,
    RotaryPositions,
    SwiGLU,
    attend,
    truncated_normal_,
    turn,
)
from hrmgym.hrm.products import cast, pack, product


@pytest.mark.parametrize("std", [1.0, 0.05])
def test_truncated_normal_has_the_deviation_asked_for(std):
    torch.manual_seed(0)
    sample = truncated_normal_(torch.empty(400_000), std)
    assert sample.std().item() == pytest.approx(std, rel=0.01)
    assert abs(sample.mean().item()) < 0.01 * std
    assert sample.abs().max().item() <= 2 * std / 0.8796 + 1e-6
    assert sample.abs().max().item() > 2.2 * std  # cut at two of the wider normal's deviations


def test_truncated_normal_of_zero_is_zero():
    assert not truncated_normal_(torch.ones(3), 0.0).any()


def scores_of(positions, same):
    """Attention scores between copies of one token: [query position, key position]."""
    torch.manual_seed(0)
    attention = Attention(8, 1)
    weight = attention.qkv_proj.weight.detach()
    query, key = weight[:8] @ same, weight[8:16] @ same
    both = F.linear(same.expand(1, positions, 8), attention.weights(torch.float32).query_key)
    both = turn(both, RotaryPositions(8, 1, positions, 10000.0)(positions, torch.float32))[0]
    return (both[:, :8] @ both[:, 8:].T).detach(), query @ key


def test_rotation_depends_on_distance_only():
    scores, plain = scores_of(20, torch.randn(8))
    torch.testing.assert_close(scores[3, 1], scores[12, 10])
    torch.testing.assert_close(scores[7, 7], plain)
    assert not torch.isclose(scores[3, 1], scores[1, 3])


def test_turning_by_hand():
    x = torch.tensor([1.0, 0.0, 0.0, 2.0]).view(1, 1, 4)  # two pairs of one head
    rotary = torch.polar(torch.ones(2), torch.tensor([math.pi / 2, math.pi])).view(1, 1, 2)
    torch.testing.assert_close(turn(x, rotary).flatten(), torch.tensor([0.0, 1.0, 0.0, -2.0]))
    half = turn(x.bfloat16(), rotary)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), turn(x, rotary), atol=1e-2, rtol=0)


def test_rotary_table_by_hand():
    rotary = RotaryPositions(8, 2, 5, 100.0)(3, torch.float32)
    assert rotary.shape == (3, 1, 2)
    expected = torch.tensor([2.0, 0.2])  # position 2, frequencies 1 and 100^(-1/2)
    torch.testing.assert_close(rotary[2, 0].real, expected.cos())
    torch.testing.assert_close(rotary[2, 0].imag, expected.sin())
    assert RotaryPositions(8, 2, 5, 100.0)(3, torch.float64).dtype == torch.complex128


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_cast_once_give_what_the_parameters_give(dtype):
    torch.manual_seed(0)
    level = Level([Block(16, 2, 1.0, 1e-5) for _ in range(2)])
    rotary = RotaryPositions(16, 2, 5, 10000.0)(5, dtype)
    x = torch.randn(3, 5, 16).to(dtype)
    cast = level.cast(dtype)
    taped = level(x, x, rotary, None)
    assert taped.requires_grad
    torch.testing.assert_close(level(x, x, rotary, None, cast), taped)
    with torch.no_grad():
        assert torch.equal(level(x, x, rotary, None), taped)


def test_tables_are_not_saved():
    assert not RotaryPositions(8, 1, 20, 10000.0).state_dict()


@pytest.mark.parametrize(
    ("width", "expansion", "inner"), [(512, 4.0, 1536), (64, 4.0, 256), (128, 4.0, 512)]
)
def test_feed_forward_width(width, expansion, inner):
    module = SwiGLU(width, expansion)
    assert module.gate_up_proj.weight.shape == (2 * inner, width)
    assert module.down_proj.weight.shape == (width, inner)


def test_gate_comes_first():
    module = SwiGLU(8, 1.0)
    with torch.no_grad():
        module.gate_up_proj.weight[:256] = 0.0
    assert not module(torch.randn(1, 2, 8)).any()  # silu(0) = 0


def test_attention_ignores_masked_keys():
    torch.manual_seed(0)
    attention = Attention(16, 2)
    x = torch.randn(1, 4, 16)
    mask = torch.tensor([True, True, True, False]).view(1, 1, 1, 4)
    changed = x.clone()
    changed[:, 3] += 1.0
    before, after = attention(x, None, mask), attention(changed, None, mask)
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert not torch.allclose(
        attention(x, None, None)[:, :3], attention(changed, None, None)[:, :3]
    )


def test_attention_in_bfloat16_is_that_of_float32_and_so_is_its_gradient():
    torch.manual_seed(0)
    mask = torch.tensor([[True, True, False, True, False], [True] * 5]).view(2, 1, 1, 5)
    for chosen in (mask, None):
        wide = torch.randn(3, 2, 3, 5, 4).bfloat16().float().requires_grad_()
        narrow = wide.detach().bfloat16().requires_grad_()
        expected, found = (attend(*one.unbind(0), chosen) for one in (wide, narrow))
        assert found.dtype == torch.bfloat16
        torch.testing.assert_close(found.float(), expected, atol=2e-2, rtol=2e-2)
        for out in (expected, found):
            out.float().square().sum().backward()
        torch.testing.assert_close(narrow.grad.float(), wide.grad, atol=6e-2, rtol=6e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_first_position_alone_is_that_of_all(dtype):
    torch.manual_seed(0)
    level = Level([Block(16, 2, 4.0, 1e-5) for _ in range(2)])
    state, injection = torch.randn(2, 3, 5, 16).to(dtype).unbind(0)
    rotary = RotaryPositions(16, 2, 5, 1e4)(5, dtype)
    whole = level(state, injection, rotary, None)
    alone = level(state, injection, rotary, None, first=True)
    assert alone.shape == (3, 1, 16)
    torch.testing.assert_close(alone, whole[:, :1])


def test_a_packed_weight_gives_the_same_product():
    torch.manual_seed(0)
    weight, x = torch.randn(7, 5), torch.randn(2, 3, 5)
    torch.testing.assert_close(product(x, weight), F.linear(x, weight))
    packed = pack(weight, "exact")
    assert packed.is_mkldnn == torch.backends.mkldnn.is_available()
    torch.testing.assert_close(product(x, packed), F.linear(x, weight))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_weights_are_packed_where_that_pays(dtype):
    level = Level([Block(16, 2, 4.0, 1e-5)])
    attention, feed_forward = level.cast(dtype)[0]
    used = cast(level.layers[0].self_attn.o_proj.weight, dtype)
    for factor in (*attention, *feed_forward):
        assert factor.is_mkldnn == pack(used, "exact").is_mkldnn
        assert not factor.requires_grad


def test_attention_looks_both_ways():
    torch.manual_seed(0)
    attention = Attention(16, 2)
    x = torch.randn(1, 4, 16)
    changed = x.clone()
    changed[:, 3] += 1.0
    assert not torch.allclose(attention(x, None, None)[:, 0], attention(changed, None, None)[:, 0])


def test_weights_stay_in_float32_and_are_cast():
    linear = CastedLinear(4, 3, bias=True)
    x = torch.randn(2, 4, dtype=torch.bfloat16)
    out = linear(x)
    assert out.dtype == torch.bfloat16
    assert torch.equal(out, F.linear(x, linear.weight.bfloat16(), linear.bias.bfloat16()))
    out.float().sum().backward()
    assert linear.weight.grad.dtype == torch.float32
    table = CastedEmbedding(5, 4, 1.0, torch.bfloat16)
    assert table(torch.tensor([1, 2])).dtype == torch.bfloat16
    assert table.embedding_weight.dtype == torch.float32
