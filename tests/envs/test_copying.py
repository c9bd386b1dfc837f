"""Tests of copies: whatever state an environment is in, copy and original go on equally."""

from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import cloudpickle
import gymnasium
import numpy as np
import pytest

from hrmgym.envs.candidates import CandidateActions
from hrmgym.envs.interfaces.edit import tool_action
from hrmgym.envs.sandboxes import pool
from hrmgym.envs.software import SoftwareEnv
from hrmgym.tests.tiny import Tiny

Env = gymnasium.Env[Any, Any]
TINY = "hrmgym.tests.tiny:Tiny"
WAYS: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": lambda env: pickle.loads(pickle.dumps(env)),
    "cloudpickle": lambda env: cloudpickle.loads(cloudpickle.dumps(env)),
}


def lambdas() -> dict[str, Any]:
    """Reward terms that plain pickle cannot express."""
    weight = 0.5
    return {"solved": 1.0, "mine": lambda step: weight * step.after.passing}


class Mine(SoftwareEnv):
    """With another signature, and attributes of its own."""

    def __init__(self, level: int) -> None:
        super().__init__(Tiny())
        self.level, self.log = level, ["begun"]


def edit(**options: Any) -> Env:
    return SoftwareEnv(Tiny(), max_steps=3, rewards=lambdas(), **options)


def made_by_name(**options: Any) -> Env:
    return SoftwareEnv(TINY, max_steps=3, **options)


def registered(**options: Any) -> Env:
    return gymnasium.make("hrmgym/Katas-v0", split="test", max_steps=3, **options)


def shell(**options: Any) -> Env:
    return SoftwareEnv(TINY, max_steps=3, interface="shell", **options)


def candidates(**options: Any) -> Env:
    return CandidateActions(edit(**options), 8)


def lambda_candidates(**options: Any) -> Env:
    return CandidateActions(made_by_name(**options), 4, lambda state: [])


KINDS = [edit, made_by_name, registered, shell, candidates, lambda_candidates]


def an_action(env: Env) -> Any:
    base = env.unwrapped
    assert isinstance(base, SoftwareEnv)
    if base.interface_name == "shell":
        return "echo '# more' >> double.py; ls; exit 3"
    return env.action_space.sample()


def reset(env: Env) -> None:
    env.reset(seed=3)


def mid_episode(env: Env) -> None:
    env.reset(seed=3)
    env.action_space.seed(5)
    env.step(an_action(env))


def done(env: Env) -> None:
    mid_episode(env)
    ended = False
    while not ended:
        *_, terminated, truncated, _ = env.step(an_action(env))
        ended = terminated or truncated


def closed(env: Env) -> None:
    mid_episode(env)
    env.close()


STATES = [lambda env: None, reset, mid_episode, done, closed]
STATE_NAMES = ["before-reset", "after-reset", "mid-episode", "after-done", "after-close"]


def plain(value: Any) -> Any:
    """The value with lists in the place of arrays, so that it can be compared."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    return value.tolist() if isinstance(value, np.ndarray) else value


def trace(env: Env) -> list[Any]:
    """What it does from here: the rest of the episode, and the next one, without a new seed."""
    base = env.unwrapped
    assert isinstance(base, SoftwareEnv)
    seen: list[Any] = [base._state is None or (base.save().key, base.save().undo)]
    for _ in range(2):
        try:
            for _ in range(4):
                seen.append(env.step(an_action(env)))
                seen.append(base.save().files)
        except gymnasium.error.ResetNeeded:
            seen.append("reset needed")
        seen.append(env.reset())
    seen.append(env.action_space.sample() if base.interface_name == "edit" else "")
    return plain(seen)  # type: ignore[no-any-return]


ALL = [
    pytest.param(
        kind,
        to_state,
        id=f"{kind.__name__}-{name}",
        marks=[] if kind is edit or to_state is mid_episode else pytest.mark.nightly,
    )
    for kind in KINDS
    for to_state, name in zip(STATES, STATE_NAMES, strict=True)
]


@pytest.mark.parametrize(("kind", "to_state"), ALL)
def test_copies_go_on_as_the_original_and_on_their_own(
    kind: Callable[..., Env], to_state: Callable[[Env], None]
) -> None:
    env = kind()
    to_state(env)
    ways = WAYS
    if kind is registered:  # Gymnasium's wrappers: copy.copy shares what they wrap
        ways = {name: way for name, way in WAYS.items() if name != "copy"}
    copies = {name: way(env) for name, way in ways.items()}
    late = copy.deepcopy(copies["pickle"])
    expected = trace(env)  # must change nothing of the copies
    for name, one in {**copies, "copy of a copy": late}.items():
        assert one.unwrapped is not env.unwrapped
        assert trace(one) == expected, name
        one.close()
    env.close()


def test_copies_share_what_never_changes_and_nothing_else() -> None:
    env = SoftwareEnv(Tiny(), rewards=lambdas())
    env.reset(seed=0)
    other = copy.deepcopy(env)
    assert other.benchmark is env.benchmark
    assert other.state is env.state
    assert other.np_random is not env.np_random
    assert other.action_space is not env.action_space
    other.close()
    env.step(tool_action("run_tests"))
    env.close()


def test_attributes_of_subclasses_and_users_go_along() -> None:
    env = Mine(3)
    env.note = np.arange(3)  # type: ignore[attr-defined]
    for way in WAYS.values():
        one = way(env)
        assert type(one).__name__ == "Mine"
        assert (one.level, one.log, list(one.note)) == (3, ["begun"], [0, 1, 2])
        assert one.log is not env.log
        one.close()
    env.close()


def test_a_pickle_names_its_benchmark_and_holds_no_test_of_it() -> None:
    env = registered()
    env.reset(seed=0)
    base = env.unwrapped
    assert isinstance(base, SoftwareEnv)
    pickled = pickle.dumps(base)
    (text,) = base.task.reference.values()
    assert len(pickled) < 50_000
    assert text.encode() not in pickled
    again = pickle.loads(pickled)
    assert again.benchmark is base.benchmark, "made once per process"
    env.close()


def test_another_process_goes_on_with_a_pickle() -> None:
    env = made_by_name(rewards=lambdas())
    env.reset(seed=3)
    env.step(tool_action("run_tests"))
    program = (
        "import pickle, sys\n"
        "env = pickle.load(sys.stdin.buffer)\n"
        "step = env.step(env.interface.toward(env.state, env.task.reference))\n"
        "env.close()\n"
        "sys.stdout.buffer.write(pickle.dumps(step))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps(env), capture_output=True, timeout=120
    )
    assert not done.returncode, done.stderr.decode()
    base = env.unwrapped
    assert isinstance(base, SoftwareEnv)
    action = base.interface.toward(base.state, base.task.reference)
    assert plain(pickle.loads(done.stdout)) == plain(env.step(action))
    env.close()


def test_seconds_already_spent_count_in_a_copy() -> None:
    env = edit(max_seconds=0.2)
    env.reset(seed=0)
    time.sleep(0.25)
    copies = [way(env) for way in WAYS.values()]
    for one in (env, *copies):
        assert one.step(tool_action("undo"))[3], "truncated"
        one.close()


def test_copies_that_are_thrown_away_leave_no_user_of_the_pool() -> None:
    env = edit()
    env.reset(seed=0)
    for _ in range(20):
        copy.deepcopy(env).step(tool_action("run_tests"))
    deadline = time.monotonic() + 60
    while (users := users_of(env.sandbox)) > 1 and time.monotonic() < deadline:
        gc.collect()  # does nothing while another thread collects
        time.sleep(0.01)
    env.close()
    assert users == 1


def users_of(found: pool.Pool) -> int:
    (users,) = [users for held, users in pool._shared.pools.values() if held is found]
    return users
