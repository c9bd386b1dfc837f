import json
import pickle

import pytest
import torch

from hrmgym.errors import CheckpointError
from hrmgym.hrm.checkpoint import (
    checkpoint_folder,
    checkpoint_hash,
    load_checkpoint,
    load_official,
    save_checkpoint,
    shipped_checkpoints,
)
from hrmgym.hrm.config import EditModelConfig, Mark, marked

from .conftest import canvases, small_model
from .test_parity import official_config, official_weights

# --- the released HRM ----------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "inner.", "model.inner.", "_orig_mod.model.inner."])
def test_official_prefixes(prefix):
    config = official_config()
    weights = official_weights(config)
    model = load_official({prefix + key: value for key, value in weights.items()}, config)
    for name, value in model.inner.state_dict().items():
        assert torch.equal(value, weights[name])


def test_official_bfloat16_initial_states():
    config = official_config(forward_dtype="bfloat16", causal=False)
    weights = official_weights(config)
    weights["H_init"] = weights["H_init"].bfloat16()
    model = load_official(weights, config)
    assert torch.equal(model.inner.H_init, weights["H_init"])
    assert model.inner.L_init.dtype == torch.bfloat16


def without(key):
    return lambda weights: weights.pop(key)


def replaced(key, value):
    return lambda weights: weights.update({key: value})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without("lm_head.weight"), r"lm_head.weight: missing, expected shape \[11, 64\]"),
        (
            replaced("q_head.bias", torch.zeros(3)),
            r"q_head.bias: found shape \[3\], expected \[2\]",
        ),
        (replaced("q_hed.bias", torch.zeros(2)), r"q_hed.bias: unknown.*mean 'q_head.bias'"),
        (replaced("q_head.bias", 3), "q_head.bias: found int, expected a float tensor"),
        (replaced("q_head.bias", torch.zeros(2).int()), "q_head.bias: found torch.int32"),
        (replaced("inner.q_head.bias", torch.zeros(2)), "q_head.bias: found twice"),
    ],
)
def test_official_tensors_are_checked(damage, message):
    config = official_config()
    weights = official_weights(config)
    damage(weights)
    with pytest.raises(CheckpointError, match=message):
        load_official(weights, config)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without("H_cycles"), "config: H_cycles: required, and missing"),
        (replaced("hiden_size", 4), "config: hiden_size: unknown key; did you mean 'hidden_size'"),
        (replaced("hidden_size", "64"), "config: hidden_size: should be a valid integer, not '64'"),
        (
            replaced("num_heads", 5),
            "config: hidden_size: 64 is not a multiple of twice num_heads: 5",
        ),
        (replaced("causal", True), "config: causal: found true, expected false"),
        (
            replaced("pos_encodings", "alibi"),
            "config: unknown pos_encodings 'alibi'; known: learned, rope",
        ),
    ],
)
def test_official_config_is_checked(damage, message):
    config = official_config()
    weights = official_weights(config)
    damage(config)
    with pytest.raises(CheckpointError, match=message):
        load_official(weights, config)


# --- folders -------------------------------------------------------------------------------------


def test_round_trip(tmp_path):
    folder = tmp_path / "runs" / "a"
    model = small_model(sharp=3.0)
    save_checkpoint(folder, model, "# A card\n", {"step": 7, "tokenizer": "v1"})
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    assert (folder / "README.md").read_text() == "# A card\n"
    loaded, extra = load_checkpoint(folder)
    assert extra == {"step": 7, "tokenizer": "v1"}
    assert loaded.config == model.config
    assert not loaded.training
    observation, _ = canvases(model.config, [12, 7])
    assert torch.equal(loaded.encode(observation).z_H, model.encode(observation).z_H)
    assert [path.name for path in folder.parent.iterdir()] == ["a"]


def test_saving_again_replaces_everything(tmp_path):
    folder = tmp_path / "a"
    save_checkpoint(folder, small_model(seed=1), "one", {})
    first = checkpoint_hash(folder)
    save_checkpoint(folder, small_model(seed=2), "two", {"n": 2})
    assert checkpoint_hash(folder) != first
    assert (folder / "README.md").read_text() == "two"
    assert load_checkpoint(folder)[1] == {"n": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_hash_is_of_the_weights(tmp_path):
    save_checkpoint(tmp_path / "a", small_model(seed=1), "one", {})
    save_checkpoint(tmp_path / "b", small_model(seed=1), "two", {"n": 2})
    assert checkpoint_hash(tmp_path / "a") == checkpoint_hash(tmp_path / "b")
    assert len(checkpoint_hash(tmp_path / "a")) == 16
    with pytest.raises(CheckpointError, match="no such folder"):
        checkpoint_hash(tmp_path / "c")


def test_a_failed_save_leaves_the_old_checkpoint(tmp_path):
    folder = tmp_path / "a"
    save_checkpoint(folder, small_model(seed=1), "one", {})
    before = checkpoint_hash(folder)
    with pytest.raises(CheckpointError, match="extra is not JSON"):
        save_checkpoint(folder, small_model(seed=2), "two", {"bad": object()})
    with pytest.raises(UnicodeEncodeError):
        save_checkpoint(folder, small_model(seed=2), "two \ud800", {})
    assert checkpoint_hash(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_of_something_else_is_not_overwritten(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(CheckpointError, match="is not a checkpoint"):
        save_checkpoint(tmp_path, small_model(), "", {})
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def edited(**changes):
    def damage(folder):
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return damage


def resized(folder):
    path = folder / "config.json"
    described = json.loads(path.read_text())
    described["model"]["vocab_size"] = 31
    path.write_text(json.dumps(described))


def unknown_key(folder):
    path = folder / "config.json"
    described = json.loads(path.read_text())
    described["model"]["vocab_sise"] = 31
    path.write_text(json.dumps(described))


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code from the file ran')",))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "no file 'config.json'"),
        (lambda f: (f / "model.safetensors").unlink(), "no file 'model.safetensors'"),
        (lambda f: (f / "config.json").write_text("{"), "config.json:1: not JSON"),
        (lambda f: (f / "config.json").write_bytes(b"\xff"), "config.json:1: not UTF-8"),
        (lambda f: (f / "config.json").write_text("[]"), "should be an object with keys"),
        (edited(kind="another.Model"), "kind: found 'another.Model', expected 'hrmgym.EditModel'"),
        (edited(format=2), "format: found 2, expected 1"),
        (edited(model=None), "'model' and 'extra'"),
        (unknown_key, "model: vocab_sise: unknown key; did you mean 'vocab_size'"),
        (resized, r"found shape \[30, 32\], expected \[31, 32\]"),
        (lambda f: (f / "model.safetensors").write_bytes(b"junk"), "not a safetensors file"),
        (
            lambda f: (f / "model.safetensors").write_bytes(pickle.dumps(Bomb())),
            "not a safetensors file",
        ),
    ],
)
def test_damage_is_one_clear_line(tmp_path, damage, message):
    folder = tmp_path / "a"
    save_checkpoint(folder, small_model(), "", {})
    damage(folder)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def without_model_key(name):
    def change(folder):
        path = folder / "config.json"
        data = json.loads(path.read_text())
        del data["model"][name]
        path.write_text(json.dumps(data))

    return change


NEWER = [name for name, field in EditModelConfig.model_fields.items() if not field.is_required()]
STATED = list(marked(EditModelConfig, Mark.STATED))


@pytest.mark.parametrize("name", [name for name in NEWER if name not in STATED])
def test_a_checkpoint_from_before_a_key_was_there_can_be_read(tmp_path, name):
    model = small_model(R=16, max_span=32)  # all else as by default
    save_checkpoint(tmp_path / "a", model, "", {})
    without_model_key(name)(tmp_path / "a")
    assert load_checkpoint(tmp_path / "a")[0].config == model.config


@pytest.mark.parametrize("name", [*STATED, "vocab_size", "max_length"])
def test_a_checkpoint_says_its_shape_itself(tmp_path, name):
    save_checkpoint(tmp_path / "a", small_model(), "", {})
    without_model_key(name)(tmp_path / "a")
    with pytest.raises(CheckpointError, match=f"model: {name}: required, and missing"):
        load_checkpoint(tmp_path / "a")


def test_missing_folder(tmp_path):
    with pytest.raises(CheckpointError, match="no such folder"):
        load_checkpoint(tmp_path / "none")


def test_names_of_checkpoints_that_come_with_the_package(tmp_path):
    save_checkpoint(tmp_path / "hrm-tiny", small_model(), "card", {"steps": 3})
    (tmp_path / "notes").mkdir()
    assert shipped_checkpoints(tmp_path) == {"hrmgym:hrm-tiny": tmp_path / "hrm-tiny"}
    assert checkpoint_folder("hrmgym:hrm-tiny", tmp_path) == tmp_path / "hrm-tiny"
    assert checkpoint_folder(tmp_path / "other") == tmp_path / "other"
    with pytest.raises(CheckpointError, match="did you mean 'hrmgym:hrm-tiny'"):
        checkpoint_folder("hrmgym:hrm-tin", tmp_path)


def test_every_checkpoint_that_comes_with_the_package_loads_and_is_small():
    for name, folder in shipped_checkpoints().items():
        model, _ = load_checkpoint(name)
        assert all(tensor.isfinite().all() for tensor in model.state_dict().values())
        assert (folder / "model.safetensors").stat().st_size <= 16e6
        assert len(checkpoint_hash(name)) == 16
        assert "## Data" in (folder / "README.md").read_text()
