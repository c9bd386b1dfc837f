"""Trainers by name: those that ship, and one of another package."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from hrmgym.errors import ConfigError
from hrmgym.experiments.loader import load, resolved
from hrmgym.experiments.run import RunFolder
from hrmgym.experiments.train import train
from hrmgym.hrm.checkpoint import load_checkpoint
from hrmgym.trainers import base
from hrmgym.trainers.base import TRAINERS, Trainer
from hrmgym.trainers.config import PPOConfig, PretrainConfig

DOCS = (Path(__file__).resolve().parents[2] / "docs" / "training.md").read_text()
#: The trainer of the documentation, of a package of the user's.
EVOLVE = next(one for one in re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL) if "Evolve" in one)

START = """
name: evolved
benchmark: hrmgym.tests.tiny:Tiny
env: {canvas: 96, max_steps: 1}
policy: {kind: hrm, hidden_size: 16, num_heads: 2, H_layers: 1, L_layers: 1, H_cycles: 1}
"""


@pytest.fixture
def evolve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The entry point of a trainer of another package, which is registered as `evolve`."""
    (tmp_path / "my_evolve.py").write_text(EVOLVE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_evolve", raising=False)
    monkeypatch.setattr(TRAINERS, "_entries", dict(TRAINERS._entries))
    importlib.import_module("my_evolve")  # registers it
    return "my_evolve:Evolve"


def written(tmp_path: Path, trainer: str) -> Path:
    path = tmp_path / "x.yaml"
    path.write_text(START + f"trainer: {trainer}\n")
    return path


def test_one_that_ships_may_be_named_by_its_class(tmp_path: Path) -> None:
    by_class = load(written(tmp_path, "'hrmgym.trainers.config:PPOConfig'")).trainer
    assert by_class == load(written(tmp_path, "ppo")).trainer == PPOConfig(kind="ppo")


def test_those_that_ship() -> None:
    assert TRAINERS.load("ppo") is PPOConfig
    assert TRAINERS.load("pretrain") is PretrainConfig
    assert PretrainConfig(kind="pretrain").can_finish
    assert not PPOConfig(kind="ppo").can_finish
    with pytest.raises(ConfigError, match="finished early, not ppo"):
        PPOConfig(kind="ppo").finish_early(None)  # type: ignore[arg-type]


def test_a_third_kind_runs_what_it_names(tmp_path: Path, evolve: str) -> None:
    asked = written(tmp_path, "{kind: evolve, generations: 7}")
    run = RunFolder.create(load(asked), tmp_path / "runs")
    trained = train(run)
    assert trained.checkpoint is not None
    model, extra = load_checkpoint(trained.checkpoint)
    assert (float(model.value_head.bias.detach()), extra) == (7.0, {"generations": 7})
    assert "Warm start" not in (trained.checkpoint / "README.md").read_text()
    assert set(trained.reports) == {"trained"}


def test_what_a_run_folder_says_can_be_read_where_nothing_was_registered(
    tmp_path: Path, evolve: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = load(written(tmp_path, "evolve"))
    again = tmp_path / "again.yaml"
    again.write_text(resolved(experiment))
    assert evolve in again.read_text()
    monkeypatch.setattr(TRAINERS, "_entries", {"ppo": TRAINERS.entry_point("ppo")})
    assert load(again) == experiment


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ("evolv", "trainer.kind: unknown kind 'evolv'; did you mean 'evolve'?"),
        ("prtrain", "trainer.kind: unknown kind 'prtrain'; did you mean 'pretrain'?"),
        ("dqn", "trainer.kind: unknown kind 'dqn'; known: evolve, ppo, pretrain"),
        ("{generations: 2}", "trainer.kind: required, and missing"),
        ("{kind: 3}", "trainer.kind: unknown kind '3'; known: evolve, ppo, pretrain"),
        ("[ppo]", 'trainer: should be keys and values, or a kind, not ["ppo"]'),
        ("my_evolv:Evolve", "trainer.kind: trainer 'my_evolv:Evolve': no module"),
        ("my_evolve:Evolv", "module 'my_evolve' has no 'Evolv'"),
        ("my_evolve:Path", "my_evolve:Path is not a Trainer class"),
        ("hrmgym.trainers.base:Trainer", "Trainer is not a Trainer class that has a `train`"),
        (
            "{kind: evolve, generation: 2}",
            "trainer.generation: unknown key; did you mean 'generations'?",
        ),
        (
            "{kind: evolve, generations: 0}",
            "trainer.generations: should be greater than or equal to 1, not 0",
        ),
        (
            "{kind: 'my_evolve:Evolve', generations: x}",
            "trainer.generations: should be a valid integer, not 'x'",
        ),
    ],
)
def test_mistakes_are_told_with_the_nearest(
    tmp_path: Path, evolve: str, block: str, text: str
) -> None:
    with pytest.raises(ConfigError) as error:
        load(written(tmp_path, block))
    assert str(error.value).partition(": ")[0].endswith("x.yaml:6")
    assert text in str(error.value)


def test_a_trainer_needs_no_more_than_train() -> None:
    class Still(Trainer):
        def train(self, job: Any, *, resume: bool = False) -> Path:
            return Path()

    still = Still(kind="still")
    still.check(None)  # type: ignore[arg-type]
    assert (still.can_finish, still.evaluates, still.supervised) == (False, False, None)
    with pytest.raises(TypeError, match="abstract"):
        base.Trainer(kind="x")  # type: ignore[abstract]


def test_what_a_trainer_uses_is_looked_up_before_it_starts() -> None:
    assert PretrainConfig(kind="pretrain", calibrate=True).evaluates
    assert not PretrainConfig(kind="pretrain").evaluates
    assert PPOConfig(kind="ppo", eval_every=8).evaluates
    assert PPOConfig(kind="ppo").supervised is None
