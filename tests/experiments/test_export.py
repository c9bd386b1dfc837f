import dataclasses

import pytest
import torch

from hrmgym.cli import main
from hrmgym.envs.edits.edit import Edit
from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.errors import CheckpointError, ConfigError
from hrmgym.experiments.export import Cost, cost_lines, export_on
from hrmgym.hrm.checkpoint import load_checkpoint, save_checkpoint
from hrmgym.hrm.edit_model import EditModel
from hrmgym.hrm.losses import edit_loss
from hrmgym.policies.distribution import edit_distribution
from hrmgym.policies.hrm import edit_model_config
from hrmgym.trainers.data.batches import collate
from hrmgym.trainers.fixes import show_fix

CANVAS = 64
INTERFACE = EditInterface(CANVAS)
OPTIONS = {"hidden_size": 32, "num_heads": 2, "H_layers": 1, "L_layers": 1, "dtype": "float32"}


def fix(name, buggy, wrong, right):
    at = buggy.index(wrong)
    return show_fix(
        name, "test", "wrong", buggy, Edit(at, at + len(wrong), right), "", INTERFACE, 8
    )


@pytest.fixture(scope="module")
def fixes():
    return [
        fix("sum", "def f(a, b):\n    return a - b\n", "-", "+"),
        fix("less", "def f(a, b):\n    return a < b\n", "<", ">"),
        fix("name", "def f(first, last):\n    return first * first\n", "first\n", "last\n"),
    ]


@pytest.fixture(scope="module")
def checkpoint(fixes, tmp_path_factory):
    """A network that has learned the three fixes by heart."""
    torch.manual_seed(0)
    model = EditModel(edit_model_config(CANVAS, OPTIONS))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    batch = collate([one.sample for one in fixes])
    actions = batch.pop("action").long()
    for _ in range(100):
        optimizer.zero_grad()
        edits = edit_distribution(model, model.encode(batch), batch)
        edit_loss(edits, actions).loss.backward()
        optimizer.step()
    folder = tmp_path_factory.mktemp("made") / "checkpoint"
    save_checkpoint(folder, model, "# card\n", {"samples": 3})
    return folder


def test_its_phases_are_told_each_to_its_end(checkpoint, fixes, tmp_path):
    told = []
    export_on(
        checkpoint, tmp_path / "small", 4, fixes, fixes, on_progress=lambda *one: told.append(one)
    )
    ends = [(phase, total) for phase, done, total, _ in told if done == total]
    assert list(dict.fromkeys(ends)) == [
        ("calibrating", 3),
        ("measuring the checkpoint", 3),
        ("measuring the copy", 3),
    ]


def test_a_checkpoint_is_written_and_its_cost_is_told(checkpoint, fixes, tmp_path):
    out = tmp_path / "deep" / "small"
    cost = export_on(checkpoint, out, 4, fixes, fixes)
    assert cost.before["exact@1"] == 1.0  # or the comparison would be of nothing
    assert cost.after["exact@32"] == 1.0
    assert cost.lost == 0.0
    assert cost.bytes_before > 5.5 * cost.bytes_after  # wider networks have less that is small
    assert len(cost.cosines) == 4
    assert min(cost.cosines[0]) > 0.95
    model, extra = load_checkpoint(out)
    assert extra == {"samples": 3}
    assert not torch.equal(
        model.embedding.tokens.embedding_weight,
        load_checkpoint(checkpoint)[0].embedding.tokens.embedding_weight,
    )
    assert "4 bits" in (out / "README.md").read_text()
    text = "\n".join(cost_lines(cost))
    assert "exact@32 on 3 held-out fixes: 1.000 before, 1.000 after" in text
    assert "relative loss of exact@32: 0.0%" in text
    assert "cosine after segment 4" in text


def test_16_bits_are_half_the_size_and_lose_nothing(checkpoint, fixes, tmp_path):
    cost = export_on(checkpoint, tmp_path / "half", 16, fixes, fixes, most_lost=0.0)
    assert 1.8 < cost.bytes_before / cost.bytes_after < 2.1
    assert min(cost.cosines[-1]) > 0.999
    ours, theirs = (load_checkpoint(one)[0].state_dict() for one in (checkpoint, tmp_path / "half"))
    for name, tensor in ours.items():
        assert torch.equal(theirs[name], tensor.half().float()), name
    assert "fp16" in (tmp_path / "half" / "README.md").read_text()


def test_too_large_a_loss_writes_nothing(checkpoint, fixes, tmp_path):
    with pytest.raises(CheckpointError, match=r"4 bits lose 0.0% .* --force"):
        export_on(checkpoint, tmp_path / "small", 4, fixes, fixes, most_lost=-0.01)
    assert not list(tmp_path.iterdir())


def test_loss_is_relative_and_may_be_unknown():
    rates = {"exact@1": 0.0, "exact@32": 0.4, "exact@128": 0.5}
    cost = Cost(rates, rates | {"exact@32": 0.3}, 10, [(1.0, 0.9)], 700, 100)
    assert cost.lost == pytest.approx(0.25)
    none = dataclasses.replace(cost, before=rates | {"exact@32": 0.0})
    assert none.lost is None
    assert "not known" in cost_lines(none)[-1]


def test_what_cannot_be_exported(checkpoint, fixes, tmp_path):
    with pytest.raises(ConfigError, match="--bits 3: expected one of 4, 8, 16"):
        export_on(checkpoint, tmp_path, 3, fixes, fixes)
    with pytest.raises(CheckpointError, match="the checkpoint itself"):
        export_on(checkpoint, checkpoint, 4, fixes, fixes)


def test_mistakes_on_the_command_line(checkpoint, tmp_path, capsys):
    assert main(["export", str(checkpoint), str(tmp_path / "x"), "--bits", "5"]) == 2
    assert "--bits 5: expected one of 4, 8, 16" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "none"), str(tmp_path / "x")]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
