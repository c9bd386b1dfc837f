"""What is wrapped around executors, with one that is no process: tries, codes, pools, episodes."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hrmgym.envs.interfaces.edit import tool_action
from hrmgym.envs.outcome_cache import Outcomes, Remembered
from hrmgym.envs.sandboxes import retries
from hrmgym.envs.sandboxes.failures import GuestBroken, GuestDied
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.pool import Pool, acquire, release
from hrmgym.envs.sandboxes.retries import MOST_FAILURES, Counts
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import FailureCode, Limits, Outcome, PytestTests, Reason, Status
from hrmgym.envs.workspace import Files
from hrmgym.errors import SandboxError, SandboxUnavailableError
from hrmgym.tests.inmemory import (
    Asked,
    InMemory,
    InMemoryConfig,
    calling,
    config_of,
    passing,
    sandbox_of,
)
from hrmgym.tests.tiny import DOUBLE, DOUBLE_FIXED, OneTask, Tiny, double_task

ROOT = Path(__file__).resolve().parents[3]
TESTS = double_task().visible_tests
LIMITS = Limits()
RIGHT = Files.of({"double.py": DOUBLE_FIXED})


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_PAUSE_S", 0.0)


# --- tries and reason codes ----------------------------------------------------------------------


def test_a_lost_run_is_made_again_with_other_processes() -> None:
    executor = InMemory(losses=[GuestDied("killed")])
    with Sandbox(config_of(executor)) as sandbox:
        assert sandbox.run_tests(RIGHT, TESTS, LIMITS).resolved
        assert sandbox.counts == Counts(runs=1, retried=1, replaced=1)
    assert executor.calls == ["renew_tests", "close"]


def test_code_that_breaks_its_sandbox_twice_gets_a_reason_and_no_verdict() -> None:
    executor = InMemory(losses=[GuestBroken("nonsense")] * 2)
    with Sandbox(config_of(executor)) as sandbox:
        outcome = sandbox.run_tests(RIGHT, TESTS, LIMITS)
        assert outcome.failure is FailureCode.LOST_CONNECTION
        assert set(outcome.tests.values()) == {Status.ERROR}
        assert sandbox.run_tests(RIGHT, TESTS, LIMITS).resolved


@pytest.mark.parametrize("isolated", [True, False])
def test_who_is_blamed_for_a_loss_hangs_on_isolation(isolated: bool) -> None:
    executor = InMemory(losses=[GuestDied("killed")] * 4, isolated=isolated)
    with Sandbox(config_of(executor)) as sandbox:
        assert sandbox.run_tests(RIGHT, TESTS, LIMITS).resolved is isolated


def test_want_of_something_is_tried_again_and_then_has_its_code() -> None:
    executor = InMemory(losses=[OSError(24, "Too many open files")] * MOST_FAILURES)
    with Sandbox(config_of(executor)) as sandbox:
        assert sandbox.run_tests(RIGHT, TESTS, LIMITS).failure is FailureCode.DESCRIPTORS
    assert len(executor.asked) == MOST_FAILURES


def test_what_no_try_can_mend_is_raised() -> None:
    with Sandbox(config_of(InMemory(losses=[SandboxUnavailableError("no")]))) as sandbox:
        with pytest.raises(SandboxUnavailableError):
            sandbox.run_tests(RIGHT, TESTS, LIMITS)
        assert sandbox.run_tests(RIGHT, TESTS, LIMITS).resolved


def test_a_run_that_was_killed_is_believed_the_third_time() -> None:
    executor = InMemory(lambda asked: replace(passing(asked), killed=True))
    with Sandbox(config_of(executor)) as sandbox:
        assert sandbox.run_tests(RIGHT, TESTS, LIMITS).killed
    assert len(executor.asked) == 3


def test_a_call_is_made_again_and_then_given_up() -> None:
    executor = InMemory(losses=[GuestDied("killed")])
    with Sandbox(config_of(executor)) as sandbox:
        assert sandbox.call(RIGHT, "double.py", "double", (4,)) == 8
        executor.losses = [GuestBroken("nonsense")] * 2
        with pytest.raises(SandboxError, match="broke twice") as error:
            sandbox.call(RIGHT, "double.py", "double", (4,))
        assert error.value.code == FailureCode.LOST_CONNECTION


# --- commands and files --------------------------------------------------------------------------


def test_the_workspace() -> None:
    with Sandbox(config_of(InMemory())) as sandbox:
        sandbox.put_files({"a": "1"})
        kept = sandbox.save()
        assert sandbox.run_command("put b 2") == ("", 0)
        assert sandbox.get_files() == {"a": b"1", "b": b"2"}
        sandbox.restore(kept)
        assert sandbox.run_command("cat b")[1] == 1
        done = sandbox.change(RIGHT, "rm double.py")
        assert (done.status, list(done.files)) == (0, [])


def test_a_command_that_was_lost_is_made_again_in_another_workspace() -> None:
    executor = InMemory(losses=[GuestDied("killed")])
    with Sandbox(config_of(executor)) as sandbox:
        assert sandbox.change(RIGHT, "cat double.py").output == DOUBLE_FIXED
        assert executor.calls == ["renew_workspace"]
        executor.losses = [GuestDied("killed")]
        assert sandbox.run_command_in({"a": "1"}, "cat a") == ("1", 0)
        executor.losses = [GuestBroken("killed")] * 2
        with pytest.raises(SandboxError, match="broke twice"):
            sandbox.run_command_in({"a": "1"}, "cat a")


# --- pools ---------------------------------------------------------------------------------------


def test_a_pool_makes_executors_while_all_are_busy_and_closes_them() -> None:
    made: list[InMemory] = []
    meeting = threading.Barrier(3)

    def wait(asked: Asked) -> Outcome:
        meeting.wait(60)
        return passing(asked)

    def make() -> InMemory:
        made.append(InMemory(wait))
        return made[-1]

    with Pool(InMemoryConfig(make=make), size=3) as pool:
        assert all(one.resolved for one in pool.map([(RIGHT, TESTS, LIMITS)] * 6))
        assert len(made) == 3
        assert pool.counts.runs == 6
    assert [executor.calls for executor in made] == [["close"]] * 3


def test_a_pool_has_as_many_as_its_config_says() -> None:
    config = config_of(InMemory())
    assert Pool(config).size == config.default_size == 1


def test_shared_pools_are_told_apart_by_their_blocks() -> None:
    one, other = config_of(InMemory()), config_of(InMemory())
    pools = [acquire(one), acquire(one), acquire(other)]
    assert pools[0] is pools[1]
    assert pools[0] is not pools[2]
    for pool in pools:
        release(pool)


# --- episodes ------------------------------------------------------------------------------------


@pytest.fixture
def episode() -> Iterator[tuple[SoftwareEnv, InMemory]]:
    executor = InMemory(calling)
    env = SoftwareEnv(Tiny(), task="double", sandbox=config_of(executor), auto_submit=False)
    yield env, executor
    env.close()


def test_an_episode_without_a_process(episode: tuple[SoftwareEnv, InMemory]) -> None:
    env, executor = episode
    _, info = env.reset(seed=0)
    assert info["tests"].startswith("1/2")
    at = env.state.files["double.py"].index("+")
    edit = env.interface.encode_edit(env.state, at, at + 1, "*")  # type: ignore[attr-defined]
    _, _, terminated, _, info = env.step(edit)
    assert (terminated, info["tests_passed"], info["tests_apart"]) == (False, 1.0, "apart")
    assert [asked.fresh for asked in executor.asked] == [False, False]
    _, _, terminated, _, info = env.step(tool_action("submit"))
    assert (terminated, info["is_success"], info["reason"]) == (True, True, Reason.SOLVED)
    assert [asked.fresh for asked in executor.asked[2:]] == [True, True]
    env.reset(seed=0)
    assert len(executor.asked) == 4  # remembered


def test_a_shell_without_a_process() -> None:
    sandbox = config_of(InMemory(calling))
    with SoftwareEnv(Tiny(), task="double", interface="shell", sandbox=sandbox) as env:
        env.reset(seed=0)
        env.step("cat double.py")
        assert env.state.output == DOUBLE
        env.step(f"put double.py '{DOUBLE_FIXED}'")
        assert env.state.files["double.py"] == DOUBLE_FIXED


@pytest.mark.parametrize("apart", [True, False])
def test_where_tests_run_is_asked_of_the_config(apart: bool) -> None:
    text = "from double import double\ndef test_a(): assert double(3) == 6\n"
    tests = PytestTests(files={"test_a.py": text}, ids=("test_a.py::test_a",))
    task = replace(double_task(), visible_tests=tests, hidden_tests=tests)
    config = InMemoryConfig(make=InMemory, apart=apart)
    with SoftwareEnv(OneTask(task), sandbox=config) as env:
        _, info = env.reset(seed=0)
        assert info["tests_apart"] == ("apart" if apart else "together")


# --- the way of a visible run --------------------------------------------------------------------


def named_hops() -> list[str]:
    """The files of the hops, as docs/architecture.md numbers them."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    return re.findall(r"^\d\. `[\w.]+`, `([\w/.]+)`", text, re.MULTILINE)


def test_a_visible_run_passes_the_five_objects_that_are_documented() -> None:
    """Every object on the way, from `transition` to the executor, is in the list, in its order."""
    ways: list[list[str]] = []

    def note(asked: Asked) -> Outcome:
        way: list[str] = []
        frame = sys._getframe(2)  # the executor's caller
        while frame.f_code.co_name != "transition":
            path = Path(frame.f_code.co_filename)
            way.insert(0, str(path.relative_to(ROOT)))
            assert frame.f_back is not None
            frame = frame.f_back
        ways.append(list(dict.fromkeys(way)))
        return calling(asked)

    with SoftwareEnv(Tiny(), task="double", sandbox=config_of(InMemory(calling))) as env:
        env.reset(seed=0)
        env.sandbox.config.make().answer = note  # type: ignore[attr-defined]
        at = env.state.files["double.py"].index("+")
        edit = env.interface.encode_edit(env.state, at, at + 1, "*")  # type: ignore[attr-defined]
        after = env.transition(env.state, edit)
    assert after.passes
    (way,) = ways
    own = ["envs/transitions.py", "envs/software.py"]  # `transition` itself
    *hops, last = named_hops()
    assert [path for path in way if path not in own] == [*hops, "envs/sandboxes/retries.py"]
    assert last == "envs/sandboxes/executor.py"
    assert len(hops) == 4


def test_memory_wraps_a_sandbox_as_it_does_a_pool() -> None:
    sandbox = sandbox_of(calling)
    memory = Remembered(sandbox, "here", Outcomes())
    for _ in range(2):
        assert memory.run_tests(RIGHT, TESTS, LIMITS).resolved
    assert sandbox.counts.runs == 1
