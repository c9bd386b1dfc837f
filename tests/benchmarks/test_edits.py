"""benchmarks/edits.py gives its figures as one JSON object, of as much as was done."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import Limits, Task
from hrmgym.tests.envs.edits.test_screen import Doubling, calls, task_of

FOLDER = Path(__file__).parents[2] / "benchmarks"
#: Every sixth of its edits or so never ends.
LOOPS = "def double(x):\n    n = 0\n    while n < x + x:\n        n += 1\n    return n - 1\n"
TEXTS = {"plain": "def double(x):\n    return x + 1\n", "loops": LOOPS}


class Two(Doubling):
    """Two programs without a fix in their tests."""

    def tasks(self, split: str) -> Sequence[Task]:
        limits = Limits(cpu_s=0.06, wall_s=2.0)
        tests = calls((2, 4), (3, 6))
        return [
            replace(task_of(tests, text), id=name, limits=limits) for name, text in TEXTS.items()
        ]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """`benchmarks/edits.py`, of these two programs."""
    monkeypatch.syspath_prepend(FOLDER)
    spec = importlib.util.spec_from_file_location("edits_benchmark", FOLDER / "edits.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    vars(module)["make_benchmark"] = lambda name: Two()
    yield module
    for name in ("screens", "cpu_time"):
        sys.modules.pop(name, None)


@pytest.fixture
def figures(module: ModuleType, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs the command, and gives the object that it prints."""

    def run(*arguments: str, code: int = 0) -> Any:
        assert module.main(["--json", "--rounds", "1", *arguments]) == code
        return json.loads(capsys.readouterr().out)

    return run


def test_enumeration_alone(figures: Callable[..., Any]) -> None:
    found = figures("--most", "0")
    assert found["edits_per_s"] > 0
    assert found["lean_median"] < found["edits_median"]
    assert "screens_per_s" not in found


def test_all_edits_are_tried_and_some_once_more(figures: Callable[..., Any]) -> None:
    found = figures("--most", "40", "--every", "10", "--timed-out", "3")
    assert (found["programs_screened"], found["texts"]) == (2, 80)
    assert found["screens_per_s"] > found["screens_per_s_all"] > 0
    assert found["texts_timed_out"] >= 3
    assert found["screens_timed_out_compared"] >= 3
    assert found["screens_compared"] >= 8
    assert found["screen_disagreements"] == 0
    assert found["cold_runs_per_s"] > 0


def test_ctrl_c_keeps_the_programs_that_were_through(
    module: ModuleType, figures: Callable[..., Any]
) -> None:
    tried = module.screened

    def interrupted(benchmark: Two, task: Task, *more: Any) -> Any:
        if task.id == "loops":
            raise KeyboardInterrupt
        return tried(benchmark, task, *more)

    vars(module)["screened"] = interrupted
    found = figures("--most", "20", code=130)
    assert (found["programs_screened"], found["texts"]) == (1, 20)
    assert found["screens_per_s"] > 0
    assert found["cold_runs_per_s"] is None


def test_a_program_that_is_none_is_refused(
    module: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        module.main(["--programs", "plane"])
    assert "no program 'plane'; did you mean 'plain'?" in capsys.readouterr().err


def test_what_an_ordinary_run_denies_is_a_disagreement(module: ModuleType) -> None:
    screens = sys.modules["screens"]
    (task, _) = Two().tasks("test")
    said = [
        screens.Said(task, text, passed, timed_out=False, hot=True)
        for text, passed in ((TEXTS["plain"], True), (TEXTS["plain"], False))
    ]
    compared = screens.Compared()
    with Sandbox() as sandbox:
        list(screens.compare(Two(), said, sandbox, lambda: 0.0, compared))
    assert compared.wrong == said[:1]
    assert compared.runs == 2


def test_those_that_timed_out_are_drawn_until_there_are_enough(module: ModuleType) -> None:
    screens = sys.modules["screens"]
    (task, _) = Two().tasks("test")
    program = screens.Program("one")
    program.said = [
        screens.Said(task, str(n), passed=False, timed_out=n % 7 == 0, hot=n != 50)
        for n in range(100)
    ]
    chosen = screens.sample([program], every=10, timed_out=5, seed=1)
    assert sum(one.timed_out for one in chosen) == 5
    assert len({one.text for one in chosen}) == len(chosen) == 10 + 3
    assert chosen == screens.sample([program], every=10, timed_out=5, seed=1)
    assert chosen != screens.sample([program], every=10, timed_out=5, seed=2)
    assert len(screens.sample([program], every=10, timed_out=500, seed=1)) == 10 + 13
