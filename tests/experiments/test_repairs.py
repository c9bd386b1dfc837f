"""Watching repairs: what is shown, and what is said of a task that stays broken."""

from __future__ import annotations

from typing import Any

import pytest

from hrmgym.cli import main
from hrmgym.envs.interfaces.edit import Action, tool_action
from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import ConfigError
from hrmgym.experiments import repairs as module
from hrmgym.experiments.loader import load
from hrmgym.experiments.repairs import repairs
from hrmgym.policies.base import Proposal, Proposals

TASKS = ("clock_angle/hand-1", "crop_grid/hand-1")
EXPERIMENT = (
    "repair-katas",
    ["policy=random", f"benchmark.tasks=[{', '.join(TASKS)}]", "score.k=[1, 2]"],
)


class RepairsOne:
    """Proposes to stop, then the known repair, of the first task alone."""

    def __init__(self, env: SoftwareEnv) -> None:
        self.env = env
        self.actions = {TASKS[0]: self._repair(TASKS[0])}

    def _repair(self, task: str) -> Action:
        self.env.reset(options={"task": task})
        action: Action = self.env.interface.toward(self.env.state, self.env.task.reference)
        return action

    def act(self, observation: Any, *, state: Any = None, deterministic: bool = False) -> Any:
        raise AssertionError("proposals are enough")

    def propose(self, observation: Any, k: int) -> Proposals:
        stop = tool_action("submit")
        known = [stop, self.actions.get(self.env.state.task.id, stop)][:k]
        return Proposals([Proposal(one, -float(n)) for n, one in enumerate(known)], 0.0)

    def propose_batch(self, observations: Any, k: int) -> list[Proposals]:
        return [self.propose(one, k) for one in observations]


@pytest.fixture
def repairing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "make_proposer", lambda _, env: RepairsOne(env.unwrapped))


@pytest.mark.usefixtures("repairing")
def test_a_repair_is_shown_with_its_diff_and_its_verdict() -> None:
    first, second = repairs(load(*EXPERIMENT))
    assert (first.task, first.proposal, first.solved) == (TASKS[0], 2, True)
    assert "+" in first.shown
    assert "clock_angle" in first.shown
    assert (second.task, second.proposal, second.solved, second.shown) == (
        TASKS[1],
        None,
        False,
        "",
    )


@pytest.mark.usefixtures("repairing")
def test_the_command_says_what_was_solved(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["repair", EXPERIMENT[0], *EXPERIMENT[1]]) == 0
    printed = capsys.readouterr().out
    assert "proposal 2" in printed
    assert "hidden tests: pass" in printed
    assert f"{TASKS[1]}: no proposal passes the visible tests" in printed
    assert printed.rstrip().endswith("1 of 2 solved (hidden tests)")
    row = next(line for line in printed.splitlines() if line.startswith("│ 2 "))
    # Within 1 and within 2 test runs, all runs, CPU seconds.
    assert [part.strip() for part in row.split("│")[1:5]] == ["2", "0", "1", "4"]


def test_only_proposals_can_be_watched(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match=r"score\.mode: episodes makes no proposals"):
        list(repairs(load("score-katas-random", ["score.episodes=1", "score.k=[1]"])))
    assert main(["repair", "nope"]) == 2
    assert "no experiment 'nope'" in capsys.readouterr().err
