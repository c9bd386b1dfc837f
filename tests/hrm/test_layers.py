import math

import pytest
import torch
import torch.nn.functional as F

from hrmgym.hrm.layers import (
    Attention,
    CastedEmbedding,
    CastedLinear,
    RotaryPositions,
    SwiGLU,
    attend,
    quarter_turn,
    rms_norm,
    truncated_normal_,
)


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


def test_rms_norm_by_hand():
    x = torch.tensor([[3.0, 4.0]])
    torch.testing.assert_close(rms_norm(x, 0.0), x / math.sqrt(12.5))
    tiny = torch.zeros(1, 2)
    assert not rms_norm(tiny, 1e-5).any()


def test_rms_norm_of_bfloat16_is_computed_in_float32():
    x = (torch.arange(64.0) / 7).bfloat16()
    expected = rms_norm(x.float(), 1e-5).bfloat16()
    found = rms_norm(x, 1e-5)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected)


def scores_of(positions, same):
    """Attention scores between copies of one token: [query position, key position]."""
    torch.manual_seed(0)
    attention = Attention(8, 1)
    weight = attention.qkv_proj.weight.detach()
    query, key = weight[:8] @ same, weight[8:16] @ same
    cos, sin = RotaryPositions(8, 1, positions, 10000.0)(positions, torch.float32)
    turned = quarter_turn(weight[:16], 2) @ same
    both = torch.cat((query, key)) * cos + turned * sin
    return both[:, :8] @ both[:, 8:].T, query @ key


def test_rotation_depends_on_distance_only():
    scores, plain = scores_of(20, torch.randn(8))
    torch.testing.assert_close(scores[3, 1], scores[12, 10])
    torch.testing.assert_close(scores[7, 7], plain)
    assert not torch.isclose(scores[3, 1], scores[1, 3])


def test_quarter_turn_pairs_a_dimension_with_the_one_half_a_head_on():
    weight = torch.arange(8.0).view(8, 1)  # two heads of four
    expected = [-2.0, -3.0, 0.0, 1.0, -6.0, -7.0, 4.0, 5.0]
    assert quarter_turn(weight, 2).flatten().tolist() == expected


def test_rotary_tables_by_hand():
    cos, sin = RotaryPositions(8, 2, 5, 100.0)(3, torch.float32)
    assert cos.shape == sin.shape == (3, 16)
    expected = torch.tensor([2.0, 0.2] * 8)  # position 2, frequencies 1 and 100^(-1/2)
    torch.testing.assert_close(cos[2], expected.cos())
    torch.testing.assert_close(sin[2], expected.sin())


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


def test_attention_in_training_is_that_of_evaluation():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 3, 5, 4).bfloat16().requires_grad_()
    mask = torch.tensor([True, True, False, True, False]).view(1, 1, 1, 5)
    for chosen in (mask, None):
        taped = attend(query, key, value, chosen)
        with torch.no_grad():
            plain = attend(query, key, value, chosen)
        assert taped.requires_grad
        torch.testing.assert_close(taped, plain, atol=2e-2, rtol=2e-2)


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
