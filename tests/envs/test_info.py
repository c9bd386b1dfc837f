"""Tests of info: the same keys, of the same kinds, wherever it comes from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from hrmgym.envs.candidates import CandidateActions
from hrmgym.envs.interfaces.edit import tool_action
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import FailureCode
from hrmgym.errors import SandboxError
from hrmgym.tests.tiny import Tiny

KATAS = "hrmgym/Katas-v0"
Info = dict[str, Any]


def kinds(info: Info) -> dict[str, Any]:
    """Key -> type, all the way down."""
    return {
        key: kinds(value) if isinstance(value, dict) else type(value) for key, value in info.items()
    }


def edit_infos() -> Iterator[Info]:
    env = SoftwareEnv(Tiny(), task="double", keep_edits="if_better", max_steps=6)
    yield env.reset(seed=0)[1]
    start = env.save()
    for action in (tool_action("undo"), tool_action("run_tests"), tool_action("submit")):
        yield env.step(action)[4]
    yield env.restore(start)[1]
    yield env.step(env.interface.toward(env.state, env.task.reference))[4]
    env.close()


def lost(state: Any) -> Any:
    raise SandboxError("gone", FailureCode.LOST_CONNECTION)


def failing_infos() -> Iterator[Info]:
    monkey = pytest.MonkeyPatch()
    env = SoftwareEnv(Tiny(), task="double")
    monkey.setattr(env, "_visible", lost)
    yield env.reset(seed=0)[1]
    yield env.step(tool_action("submit"))[4]
    env.close()


def untested_infos() -> Iterator[Info]:
    env = SoftwareEnv(Tiny(), task="double", auto_test=False, rewards={"step": 1, "one": len_of})
    yield env.reset(seed=0)[1]
    yield env.step(tool_action("submit"))[4]
    env.close()


def len_of(step: Any) -> Any:
    return np.float32(len(step.after.undo))


def shell_infos() -> Iterator[Info]:
    env = SoftwareEnv(Tiny(), task="double", interface="shell")
    yield env.reset(seed=0)[1]
    for command in ("exit 3", "", "test", "echo >> double.py", "submit"):
        yield env.step(command)[4]
    env.close()


def candidate_infos() -> Iterator[Info]:
    env = CandidateActions(gymnasium.make(KATAS, split="test"), 8)
    yield env.reset(seed=0)[1]
    for action in (0, 1, 2):
        yield env.step(action)[4]
    env.close()


SOURCES = [edit_infos, failing_infos, untested_infos, shell_infos, candidate_infos]


@pytest.mark.parametrize("source", SOURCES, ids=lambda one: one.__name__)
def test_reset_step_and_restore_give_the_same_keys_of_the_same_kinds(source: Any) -> None:
    first, *rest = source()
    assert rest
    for info in rest:
        assert kinds(info) == kinds(first)


def test_the_documentation_names_every_key_with_its_kind() -> None:
    page = Path(__file__).parents[2] / "docs" / "environments.md"
    if not page.exists():
        pytest.skip("the documentation is not installed")
    said = dict(re.findall(r"^\| `(\w+)` \| (\w+)", page.read_text(), re.MULTILINE))
    info = next(edit_infos())
    assert said == {key: type(value).__name__ for key, value in info.items()}


def test_the_exit_code_is_that_of_the_steps_own_command() -> None:
    env = SoftwareEnv(Tiny(), task="double", interface="shell", max_steps=9)
    assert env.reset(seed=0)[1]["exit_code"] == -1
    for command, code in [
        *(("true", 0), ("exit 3", 3), ("false\ntrue", 0), ("no-such-command", 127)),
        *(("test", -1), ("", -1), ("kill -9 $$", 137), ("exit 7", 7)),
    ]:
        assert env.step(command)[4]["exit_code"] == code, command
    kept = env.save()
    env.step("true")
    assert env.restore(kept)[1]["exit_code"] == 7
    env.close()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_vector_environments_stack_them_into_arrays(mode: str) -> None:
    env = gymnasium.make_vec(KATAS, 2, vectorization_mode=mode)
    _, at_reset = env.reset(seed=0)
    _, _, _, _, info = env.step(env.action_space.sample())
    assert info.keys() == at_reset.keys()
    expected = {"is_success": bool, "tests_passed": float, "steps": int, "exit_code": int}
    for key, kind in expected.items():
        assert info[key].dtype == at_reset[key].dtype == np.dtype(kind), key
    assert list(info["steps"]) == [1, 1]
    assert all(info[f"_{key}"].all() for key in expected)
    assert info["rewards"]["step"].dtype == np.float64
    assert all(isinstance(tool, str) for tool in info["tool"])
    env.close()


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("wrapped", [False, True])
def test_minari_records_them(
    wrapped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("jax")
    minari = pytest.importorskip("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    made = gymnasium.make(KATAS, split="test", max_steps=4)
    env = minari.DataCollector(CandidateActions(made, 8) if wrapped else made, record_infos=True)
    steps = []
    for seed in range(2):
        env.reset(seed=seed)
        ended, count = False, 0
        while not ended:
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            ended, count = terminated or truncated, count + 1
        steps.append(count)
    dataset = env.create_dataset("hrmgym/test-v0", algorithm_name="random")
    assert len(dataset) == 2
    for episode, count in zip(dataset, steps, strict=True):
        assert wrapped or list(episode.infos["steps"]) == list(range(count + 1))
        assert len(episode.infos["steps"]) == count + 1
        assert len(episode.infos["rewards"]["step"]) == count + 1
        assert episode.infos["refused"].shape == (count + 1,)
    env.close()
