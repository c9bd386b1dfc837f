"""One program and its tests have one outcome, whatever ran before them or runs beside them."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Mapping

import pytest

from hrmgym.envs import outcome_cache
from hrmgym.envs.benchmark import register_benchmark
from hrmgym.envs.outcome_cache import Outcomes, Remembered
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.local.executor import LocalExecutor
from hrmgym.envs.sandboxes.pool import Pool
from hrmgym.envs.task import CommandTests, Limits, Outcome
from hrmgym.envs.workspace import Files
from hrmgym.experiments.evaluate.score import score
from hrmgym.experiments.loader import load
from hrmgym.tests.provoking import LIMITS, items, suite

ITEMS = items()


def told(outcome: Outcome) -> str:
    """The statuses in order, or why there are none."""
    return outcome.failure or " ".join(outcome.tests.values())


def differing(outcomes: Mapping[str, Outcome]) -> dict[str, tuple[str, str]]:
    """Those that are not as they should be: what they are, and the message."""
    return {
        name: (told(outcome), outcome.message)
        for name, outcome in outcomes.items()
        if told(outcome) != ITEMS[name][2]
    }


@pytest.mark.slow
def test_tests_that_are_kept_take_no_memory_from_the_next_run() -> None:
    right = {"solution.py": "def f(x):\n    return x\n"}
    with Sandbox() as sandbox:
        for number in range(8):  # together more than a run may use
            outcome = sandbox.run_tests(right, suite(60, number), LIMITS)
            assert told(outcome) == "passed passed", outcome.message


@pytest.mark.slow
def test_kept_tests_are_dropped_when_they_hold_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hrmgym.envs.sandboxes.local.apart.KEPT_MB", 100)
    right = {"solution.py": "def f(x):\n    return x\n"}
    with Sandbox() as sandbox:
        for number in (0, 1, 2, 0):
            assert sandbox.run_tests(right, suite(60, number), LIMITS).resolved
        executor = sandbox._parts.executor
        assert isinstance(executor, LocalExecutor)
        tester = executor._tester
        assert tester is not None
        assert tester._runtime is not None
        (held,) = tester._runtime._judges._held.values()
        assert len(held) == 2
        assert all(kept.held_mb >= 60 for kept in held.values())


@pytest.mark.slow
@pytest.mark.parametrize("first", ["large", "small"])
def test_a_command_has_its_own_limits_and_not_those_before(first: str) -> None:
    # Three processes of 150 MiB each: more than the small limits allow, though each alone is not.
    hog = "h = bytearray(b'x' * (150 << 20)); import time; time.sleep(2)"
    start = f'for i in 1 2 3; do python3 -c "{hog}" & all="$all $!"; done'
    line = f"set -e; {start}; for one in $all; do wait $one; done"
    tests = CommandTests(command=("sh", "-c", line))
    small = Limits(cpu_s=5, wall_s=20, memory_mb=200, file_mb=8)
    large = Limits(cpu_s=5, wall_s=20, memory_mb=1000, file_mb=8)
    order = [large, small, large] if first == "large" else [small, large, small]
    with Sandbox() as sandbox:
        for limits in order:
            outcome = sandbox.run_tests({"a": ""}, tests, limits)
            assert outcome.resolved is (limits is large), outcome.message


RUNS = [(1, False), (2, False), (8, False), (2, True)]


@pytest.mark.nightly
@pytest.mark.parametrize(("size", "fresh"), RUNS)
def test_every_order_and_number_of_sandboxes_cold_and_warm(size: int, fresh: bool) -> None:
    order = list(ITEMS)
    random.Random(size).shuffle(order)
    with Pool(size=size) as pool:
        for _ in range(1 if fresh else 2):
            running = {
                name: pool.submit(
                    {"solution.py": ITEMS[name][0]}, ITEMS[name][1], LIMITS, fresh=fresh
                )
                for name in order
            }
            outcomes = {name: future.result() for name, future in running.items()}
            assert differing(outcomes) == {}
            order.reverse()


@pytest.mark.nightly
def test_what_is_remembered_is_what_a_run_says() -> None:
    with Pool(size=2) as pool:
        memory = Remembered(pool, "here", Outcomes())
        for (name, (program, tests, _)), _ in itertools.product(ITEMS.items(), range(2)):
            files = Files.of({"solution.py": program})
            assert differing({name: memory.run_tests(files, tests, LIMITS)}) == {}


class _Forgetful(Outcomes):
    def recall(self, *_: object, **__: object) -> None:
        return None


@pytest.fixture
def provoking() -> str:
    register_benchmark("provoking", "hrmgym.tests.provoking:Provoking")
    return "hrmgym.tests.provoking:Provoking"


def report(benchmark: str, *overrides: str) -> str:
    experiment = load(
        "score-quixbugs-reference",
        [f"benchmark={benchmark}", "benchmark.eval_split=test", *overrides],
    )
    return score(experiment).to_json()


@pytest.mark.nightly
def test_one_report_to_the_byte_whatever_the_workers_order_and_memory(
    provoking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcome_cache, "shared", Outcomes())
    first = report(provoking)
    assert json.loads(first)["failures"]["count"] == 0
    assert report(provoking) == first  # warm
    for workers in (2, 8):
        assert report(provoking, f"score.workers={workers}") == first
    monkeypatch.setattr(Remembered.__init__, "__defaults__", (_Forgetful(),))
    assert report(provoking) == first
    names = json.dumps(list(ITEMS)[::-1])
    backwards = json.loads(report(provoking, f"benchmark.tasks={names}"))
    assert backwards["outcomes"] == json.loads(first)["outcomes"][::-1]
