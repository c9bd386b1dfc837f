import pytest
import torch

from hrmgym.errors import DataError
from hrmgym.hrm.edit_distribution import EditDistribution
from hrmgym.hrm.edit_model import EditModel

from .conftest import canvases, only_edits, small_config, small_model


def test_shapes():
    model = small_model()
    observation, _ = canvases(model.config, [12, 7, 20])
    encoded = model.encode(observation)
    assert encoded.z_H.shape == (3, 24, 32)  # the longest canvas, rounded up, at most L
    assert encoded.tokens.shape == (3, 24)
    assert encoded.length == 24
    assert encoded.tool_logits.shape == (3, 7)
    assert encoded.value.shape == encoded.q_halt.shape == (3,)


def test_padding_changes_nothing():
    model = small_model(sharp=10.0)
    observation, legal = canvases(model.config, [12, 7, 24])
    short = {key: value[:2] for key, value in observation.items()}
    wide = EditDistribution(model, model.encode(observation), *legal)
    trim = EditDistribution(model, model.encode(short), *(mask[:2] for mask in legal))
    assert trim.encoded.z_H.shape[1] == 16
    torch.testing.assert_close(wide.encoded.z_H[:2, :12], trim.encoded.z_H[:, :12])
    torch.testing.assert_close(wide.encoded.value[:2], trim.encoded.value)
    actions = wide.sample(torch.Generator().manual_seed(0))
    torch.testing.assert_close(wide.log_prob(actions)[:2], trim.log_prob(actions[:2]))
    torch.testing.assert_close(wide.entropy(actions)[:2], trim.entropy(actions[:2]))


def test_a_full_canvas_and_an_empty_one():
    model = small_model()
    observation, _ = canvases(model.config, [24, 1])
    observation["tokens"][1] = 0
    encoded = model.encode(observation)
    assert encoded.z_H.shape[1] == 24
    assert encoded.z_H.isfinite().all()


def test_narrow_integer_types_are_taken():
    model = small_model()
    observation, _ = canvases(model.config, [12, 7])
    narrow = {key: value.to(torch.int32) for key, value in observation.items()}
    assert torch.equal(model.encode(observation).z_H, model.encode(narrow).z_H)


@pytest.mark.parametrize(
    ("key", "shape", "message"),
    [
        ("tokens", (2, 25), r"tokens: shape \[2, 25\].*max_length=24"),
        ("roles", (2, 23), r"roles: shape \[2, 23\], expected \[2, 24\]"),
        ("language", (2,), r"language: shape \[2\], expected \[2, 1\]"),
        ("budget", (2, 7), r"budget: shape \[2, 7\], expected \[2, 8\]"),
    ],
)
def test_wrong_shapes_are_named(key, shape, message):
    model = small_model()
    observation, _ = canvases(model.config, [12, 7])
    observation[key] = torch.zeros(shape, dtype=torch.long)
    with pytest.raises(DataError, match=message):
        model.encode(observation)


@pytest.mark.parametrize("key", ["tokens", "roles", "language", "budget"])
def test_every_observation_is_read(key):
    model = small_model()
    observation, _ = canvases(model.config, [12, 7])
    before = model.encode(observation).z_H
    changed = observation[key].clone()
    changed[0, 0] = (changed[0, 0] + 1) % 3
    after = model.encode(observation | {key: changed}).z_H
    assert not torch.allclose(before[0, 0], after[0, 0])
    torch.testing.assert_close(before[1], after[1])


def test_untrained_policy_is_nearly_uniform_and_values_nothing():
    model = small_model(hidden_size=128, num_heads=4, vocab_size=500)
    observation, legal = canvases(model.config, [12, 7, 20])
    encoded = model.encode(observation)
    assert not encoded.value.any()
    distribution = EditDistribution(model, encoded, *legal)
    count = distribution.legal_tools.sum(1)
    spread = (distribution.tool_log_probs + count.log().unsqueeze(1))[distribution.legal_tools]
    assert spread.abs().max() < 0.6
    count = distribution.legal_start.sum(1)
    spread = (distribution.start_log_probs + count.log().unsqueeze(1))[distribution.legal_start]
    assert spread.abs().max() < 0.6
    edits = EditDistribution(model, encoded, *only_edits(legal))
    actions = edits.sample(torch.Generator().manual_seed(0))
    choices = 500 - 3  # END counts, PAD, CLS and SEP do not
    start, end = actions[:, 1:2], actions[:, 2:3]
    hidden = edits.advance(edits.begin(start, end), start, start, end, torch.zeros_like(start))
    first = edits.entry_log_probs(hidden, torch.ones_like(start).bool()).squeeze(1)
    alone = torch.ones(500, dtype=torch.bool)
    alone[[0, 2, 3]] = False
    alone[edits.encoded.tokens.unique()] = False  # those can be copied too
    ratio = first[:, :500][:, alone].exp() * choices
    assert ratio.min() > 0.4
    assert ratio.max() < 2.0


def test_more_segments_refine_and_only_the_last_is_taped():
    one, three = small_model(segments=1), small_model(segments=3)
    observation, _ = canvases(one.config, [12, 7])
    assert not torch.allclose(one.encode(observation).z_H, three.encode(observation).z_H)
    taped = []
    three.core.L_level.register_forward_hook(lambda *call: taped.append(call[2].requires_grad))
    three.encode(observation)
    assert taped == [False] * 10 + [True] * 2  # 3 segments of 4 low updates


def test_same_seed_same_run():
    runs = []
    for _ in range(2):
        model = small_model(seed=5)
        observation, legal = canvases(model.config, [12, 7, 20], seed=6)
        with torch.no_grad():
            distribution = EditDistribution(model, model.encode(observation), *legal)
            actions = distribution.sample(torch.Generator().manual_seed(7))
            runs.append((actions, distribution.log_prob(actions), distribution.encoded.z_H))
    for first, second in zip(*runs, strict=True):
        assert torch.equal(first, second)


def test_bfloat16_stays_near_float32():
    wide, narrow = small_model(), small_model(forward_dtype="bfloat16")
    observation, _ = canvases(wide.config, [12, 7])
    first, second = wide.encode(observation), narrow.encode(observation)
    assert second.z_H.dtype == second.tool_logits.dtype == torch.float32
    cosine = torch.cosine_similarity(first.z_H, second.z_H, dim=-1)[:, :8]
    assert cosine.min() > 0.98


def test_state_holds_no_tables():
    names = EditModel(small_config()).state_dict()
    assert "core.H_init" in names
    assert not any("rotary" in name for name in names)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "changes",
    [
        {"H_cycles": 1, "L_cycles": 1},
        {"H_cycles": 2, "L_cycles": 1, "segments": 3},
        {"architecture": "transformer"},
    ],
)
def test_weights_are_packed_once_for_all_calls(monkeypatch, changes, training):
    model = small_model(gradient="last_recursion", **changes).train(training)
    made, cast = [], model.core._cast

    def counted(dtype, packing):
        made.append(dtype)
        return cast(dtype, packing)

    monkeypatch.setattr(model.core, "_cast", counted)
    batch, _ = canvases(model.config, [12, 7])
    with torch.set_grad_enabled(training):
        model.encode(batch)
    assert len(made) == 1
