"""A sandbox that fails: no verdict, no zero, and an episode that goes on to the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import gymnasium
import pytest

from hrmgym.cli import main
from hrmgym.envs.interfaces import EditInterface
from hrmgym.envs.interfaces.edit import tool_action
from hrmgym.envs.sandboxes import retries
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import FailureCode, Limits, Outcome, Reason, TestSpec
from hrmgym.errors import SandboxError, SandboxUnavailableError
from hrmgym.tests.inmemory import InMemory, config_of
from hrmgym.tests.tiny import Tiny

CODES = list(FailureCode)


class Breaking(InMemory):
    """Runs tests, of which all pass, until it is told to break."""

    def __init__(self) -> None:
        super().__init__()
        self.code: FailureCode | None = None
        self.raises = False
        self.only_fresh = False

    def run_tests(
        self, files: Mapping[str, str], tests: TestSpec, limits: Limits, *, fresh: bool
    ) -> Outcome:
        outcome = super().run_tests(files, tests, limits, fresh=fresh)
        if self.code is None or (self.only_fresh and not fresh):
            return outcome
        if self.raises:
            raise SandboxError("it broke", self.code)
        return replace(outcome, message="it broke", failure=self.code)


class BreakingEnv(SoftwareEnv):
    """An environment whose tests run where they are made to break."""

    interface: EditInterface

    def __init__(self, breaking: Breaking) -> None:
        self.breaking = breaking
        super().__init__(Tiny(), task="double", auto_submit=False, sandbox=config_of(breaking))


@pytest.fixture(params=[False, True], ids=["outcome", "raised"])
def env(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[BreakingEnv]:
    monkeypatch.setattr(retries, "_PAUSE_S", 0.0)
    made = BreakingEnv(Breaking())
    made.breaking.raises = request.param
    yield made
    made.close()


def over(step: tuple[Any, ...], code: FailureCode) -> None:
    _, _, terminated, truncated, info = step
    assert (terminated, truncated) == (False, True)
    assert info["failure"] == code
    assert info["reason"] == Reason.INFRASTRUCTURE
    assert not info["is_success"]
    assert info["rewards"]["progress"] == info["rewards"]["solved"] == 0.0


def recovers(env: BreakingEnv) -> None:
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(tool_action("submit"))
    env.breaking.code = None
    _, info = env.reset()
    assert (info["failure"], info["reason"]) == ("", "")  # all visible tests pass
    _, _, terminated, _, info = env.step(tool_action("submit"))
    assert terminated
    assert (info["is_success"], info["reason"]) == (True, Reason.SOLVED)


@pytest.mark.parametrize("code", CODES)
def test_a_visible_run_that_fails_truncates(env: BreakingEnv, code: FailureCode) -> None:
    env.reset(seed=0)
    before = env.state
    env.breaking.code = code
    at = env.state.files["double.py"].index("+")
    over(env.step(env.interface.encode_edit(env.state, at, at + 1, "*")), code)
    assert env.state.files == before.files
    assert env.state.outcome == before.outcome
    recovers(env)


@pytest.mark.parametrize("code", CODES)
def test_a_grade_that_fails_truncates(env: BreakingEnv, code: FailureCode) -> None:
    env.breaking.code, env.breaking.only_fresh = code, True
    env.reset(seed=0)
    over(env.step(tool_action("submit")), code)
    recovers(env)


@pytest.mark.parametrize("code", CODES)
def test_a_reset_that_fails_says_so_and_the_step_after_it_truncates(
    env: BreakingEnv, code: FailureCode
) -> None:
    env.breaking.code = code
    _, info = env.reset(seed=0)
    assert (info["failure"], info["reason"]) == (code, Reason.INFRASTRUCTURE)
    assert info["tests"] == ""
    snapshot = env.save()
    over(env.step(tool_action("submit")), code)
    env.restore(snapshot)
    over(env.step(tool_action("submit")), code)
    recovers(env)


def test_a_failure_is_never_remembered(env: BreakingEnv) -> None:
    env.breaking.code = FailureCode.DISK
    env.reset(seed=0)
    before = len(env.breaking.asked)
    env.reset(seed=0)
    assert len(env.breaking.asked) > before


def test_a_machine_that_cannot_isolate_is_the_caller_s_to_mend(env: BreakingEnv) -> None:
    env.breaking.losses = [SandboxUnavailableError("no namespaces")]
    with pytest.raises(SandboxUnavailableError):
        env.reset(seed=0)


MODES = {
    "score-katas-random": ["env.max_steps=2", "score.episodes=1", "score.k=[1]"],
    "repair-katas": ["policy={kind: random}", "score.k=[2]"],
}


@pytest.mark.parametrize("config", MODES)
def test_a_score_without_a_verdict_has_an_exit_status_of_its_own(
    config: str, tmp_path: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking = Breaking()
    breaking.code = FailureCode.DESCRIPTORS
    sandbox = Sandbox(config_of(breaking))
    monkeypatch.setattr(SoftwareEnv, "_runner", lambda self, *_: sandbox)
    task = "benchmark.tasks=[clock_angle/hand-1]"
    arguments = ["score", config, task, *MODES[config], "score.workers=1", "--runs", str(tmp_path)]
    assert main(arguments) == 3
    shown = " ".join(capsys.readouterr().out.split())
    assert "without a verdict, left out of the rates: 1 (descriptors 1)" in shown
    breaking.code = None
    assert main(arguments) == 0


def test_watching_repairs_goes_on_after_a_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking = Breaking()
    breaking.code = FailureCode.DESCRIPTORS
    sandbox = Sandbox(config_of(breaking))
    monkeypatch.setattr(SoftwareEnv, "_runner", lambda self, *_: sandbox)
    tasks = "benchmark.tasks=[clock_angle/hand-1,account_balance/hand-1]"
    assert main(["repair", "repair-katas", tasks, *MODES["repair-katas"]]) == 3
    shown = capsys.readouterr().out
    assert shown.count("no verdict, the sandbox failed: descriptors") == 2
    assert "0 of 2 solved" in shown
