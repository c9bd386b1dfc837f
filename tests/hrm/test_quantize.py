import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from hrmgym.errors import CheckpointError, ConfigError
from hrmgym.hrm.checkpoint import CONFIG, WEIGHTS, load_checkpoint, save_checkpoint
from hrmgym.hrm.quantize import (
    BLOCK,
    calibrate,
    carry_cosine,
    from_bytes,
    pack,
    quantise,
    restored,
    to_bytes,
    unpack,
)

from .conftest import canvases, small_model


def matrix(rows, columns, seed=0):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def correlated(count, width, seed=0):
    """Inputs that live mostly in a few directions, as a network's do."""
    few = matrix(count, width // 8, seed + 1) @ matrix(width // 8, width, 99)
    return few + 0.3 * matrix(count, width, seed + 2)


def observed(model):
    return canvases(model.config, [24, 15, 9])[0]


@settings(max_examples=50, deadline=None)
@given(
    bits=st.sampled_from([4, 8]),
    rows=st.integers(1, 4),
    half=st.integers(1, 9),
    seed=st.integers(0, 2**31),
)
def test_codes_come_back_exactly(bits, rows, half, seed):
    most = 1 << (bits - 1)
    generator = torch.Generator().manual_seed(seed)
    shape = (rows, 2 * half)
    codes = torch.randint(-most, most, shape, generator=generator, dtype=torch.int8)
    packed = to_bytes(codes, bits)
    assert packed.dtype == torch.uint8
    assert packed.shape == (rows, 2 * half * bits // 8)
    assert torch.equal(from_bytes(packed, bits), codes)


def test_two_codes_in_a_byte_by_hand():
    codes = torch.tensor([[-8, 7, 0, -1]], dtype=torch.int8)
    assert to_bytes(codes, 4).tolist() == [[0xF0, 0x78]]
    assert to_bytes(codes, 8).tolist() == [[120, 135, 128, 127]]


@settings(max_examples=25, deadline=None)
@given(bits=st.sampled_from([4, 8]), columns=st.integers(1, 100), seed=st.integers(0, 2**31))
def test_no_entry_is_further_off_than_its_blocks_scale(bits, columns, seed):
    weight = matrix(5, columns, seed) * 10.0 ** (seed % 5 - 2)
    codes, scales = quantise(weight, bits)
    assert codes.shape == (5, scales.shape[1] * BLOCK)
    found = restored(codes, scales)[:, :columns]
    step = scales.float().abs().repeat_interleave(BLOCK, 1)[:, :columns]
    most = 1 << (bits - 1)
    # Half a step inside the codes' range; the search may cut the largest entries by 25 % + a code.
    inside = weight.abs() <= (most - 1) * step
    assert ((found - weight).abs() <= 0.501 * step)[inside].all()
    assert ((found - weight).abs() <= 0.26 * most * step).all()
    per_block = (found - weight).norm() / weight.norm()
    assert per_block < (0.13 if bits == 4 else 0.01)


def test_what_codes_can_say_is_kept_exactly():
    weight = torch.arange(-8.0, 8.0).repeat(3, 4) * 0.25
    assert torch.equal(restored(*quantise(weight, 4)), weight)
    assert not restored(*quantise(torch.zeros(2, BLOCK), 4)).any()


@pytest.mark.parametrize("bits", [4, 8])
def test_calibration_lowers_the_error_of_outputs(bits):
    weight, inputs = matrix(96, 80), correlated(600, 80)
    fresh = correlated(200, 80, seed=7)
    moments = inputs.T @ inputs
    exact = fresh @ weight.T
    plain, fitted = (
        (fresh @ restored(*quantise(weight, bits, m))[:, :80].T - exact).norm() / exact.norm()
        for m in (None, moments)
    )
    assert fitted < 0.75 * plain


def test_moments_are_those_of_the_inputs():
    model = small_model()
    batch = observed(model)
    moments = calibrate(model, lambda copy: copy.encode(batch))
    names = {name for name, p in model.named_parameters() if p.ndim == 2 and "level" in name}
    assert names
    assert names <= moments.keys()
    z = model.eval().encode(batch).z_H[:, 0]  # what the tool head reads
    torch.testing.assert_close(moments["tool_head.weight"], (z.T @ z).detach())


@pytest.fixture
def saved(tmp_path):
    """A quantised checkpoint, and the network that it was made of."""
    model = small_model().eval()
    packed = pack(model, 4, calibrate(model, lambda copy: copy.encode(observed(model))))
    save_checkpoint(tmp_path / "small", model, "card", {"a": 1}, packed)
    return tmp_path / "small", model


def test_a_quantised_checkpoint_loads_like_any_other(saved, tmp_path):
    folder, model = saved
    found, extra = load_checkpoint(folder)
    assert extra == {"a": 1}
    assert found.config == model.config
    before, after = model.state_dict(), found.state_dict()
    for name, tensor in before.items():
        apart = (after[name] - tensor).float().norm() / tensor.float().norm().clamp(min=1e-3)
        assert apart < 0.2, name
    assert any(not torch.equal(after[name], before[name]) for name in before)
    save_checkpoint(tmp_path / "plain", model, "card", {})
    sizes = [(where / WEIGHTS).stat().st_size for where in (folder, tmp_path / "plain")]
    assert sizes[0] < sizes[1] / 4  # this network is small: names and vectors weigh


def test_large_matrices_take_a_seventh():
    model = small_model()
    packed = pack(model, 4)
    for name, tensor in model.state_dict().items():
        if name + ":codes" in packed.tensors:
            parts = (packed.tensors[name + end] for end in (":codes", ":scales"))
            taken = sum(part.numel() * part.element_size() for part in parts)
            if tensor.shape[1] % BLOCK == 0:
                assert taken * 7 < tensor.numel() * 4
        else:
            assert packed.tensors[name].dtype == torch.float16


def test_states_stay_together_and_more_bits_keep_them_closer():
    model = small_model().eval()
    batch = observed(model)
    found = {}
    for bits in (4, 8):
        packed = pack(model, bits, calibrate(model, lambda copy: copy.encode(batch)))
        other = small_model(seed=1)
        other.load_state_dict(
            unpack(packed.tensors, packed.description, model.state_dict(), "here")
        )
        found[bits] = carry_cosine(model, other, batch, segments=2)
    assert all(0.9 < value <= 1.0001 for pair in found[4] for value in pair)
    assert found[8][0][0] > found[4][0][0]
    assert carry_cosine(model, model, batch, segments=1)[0] == pytest.approx((1.0, 1.0))


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"bits": 3, "block": 32}, "expected bits of 4, 8 or 16 and a block of 32"),
        ({"bits": 4, "block": 64}, "expected bits of 4, 8 or 16 and a block of 32"),
        ("int4", "quantised as 'int4'"),
        ({"bits": 8, "block": 32}, r"found torch.uint8 \[.*expected uint8 \["),
    ],
)
def test_another_format_is_refused(saved, description, message):
    folder, _ = saved
    described = json.loads((folder / CONFIG).read_text())
    described["quantised"] = description
    (folder / CONFIG).write_text(json.dumps(described))
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)


def test_damaged_tensors_are_refused(saved):
    folder, _ = saved
    whole = load_file(folder / WEIGHTS)
    scales = next(name for name in whole if name.endswith(":scales"))
    name = scales.removesuffix(":scales")
    for change, message in (
        ({scales: None}, f"{name}:codes: the file or network lacks its scales"),
        ({scales: whole[scales][:1]}, f"{name}:scales: found shape"),
        ({name + ":codes": None}, f"{name}: missing"),
    ):
        tensors = {
            key: value.clone() for key, value in {**whole, **change}.items() if value is not None
        }
        save_file(tensors, folder / WEIGHTS)
        with pytest.raises(CheckpointError, match=message):
            load_checkpoint(folder)


def test_other_bits_are_refused():
    with pytest.raises(ConfigError, match="bits=5: expected one of 4, 8, 16"):
        pack(small_model(), 5)
