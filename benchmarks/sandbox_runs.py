"""What one isolated test run costs, against cold pytest and against the least that a kernel allows.

    python benchmarks/sandbox_runs.py --json

CPU seconds, of whole process trees as the kernel accounts them, are compared: they hardly depend on
what else the machine does. One test file of ten tests for one small program, three ways:

- protected: `Sandbox.run_tests`, every run with another program text, so that nothing is cached: as
  a pytest file, whose tests run apart from the program, and as ten calls of a function;
- cold: `python -m pytest` on the same two files, compiled files in place;
- floor: fork, private mount namespace, an overlay in memory, exit, of a process that has imported
  what such a server needs. The tests' own time, which any way has to spend, is measured apart:
  compile and run the program and the ten tests, no isolation. The ratio is (run - own) / floor.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from cpu_time import accounting

from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.local import nursery
from hrmgym.envs.sandboxes.local.runtime import LocalRuntime
from hrmgym.envs.sandboxes.verdicts.testing import run_tests
from hrmgym.envs.task import CallCase, CallTests, Limits, Outcome, PytestTests, TestSpec

PROGRAM = '''\
"""Shortest paths."""

import heapq


class NoPathError(Exception):
    """There is no way."""


def distances(graph, start):
    """Length of the shortest path from start to every node that can be reached."""
    found = {}
    heap = [(0, start)]
    while heap:
        length, node = heapq.heappop(heap)
        if node in found:
            continue
        found[node] = length
        for other, weight in graph.get(node, {}).items():
            if weight < 0:
                raise ValueError(f"negative weight: {weight}")
            if other not in found:
                heapq.heappush(heap, (length + weight, other))
    return found


def shortest(graph, start, end):
    """Length of the shortest path."""
    found = distances(graph, start)
    if end not in found:
        raise NoPathError(f"{start} -> {end}")
    return found[end]


def reverse(graph):
    """The graph with every edge turned round."""
    turned = {node: {} for node in graph}
    for node, edges in graph.items():
        for other, weight in edges.items():
            turned.setdefault(other, {})[node] = weight
    return turned
'''

TESTS = """\
import pytest

from paths import NoPathError, distances, reverse, shortest

GRAPH = {"a": {"b": 7, "c": 9, "f": 14}, "b": {"c": 10, "d": 15}, "c": {"d": 11, "f": 2},
         "d": {"e": 6}, "f": {"e": 9}, "e": {}}


def test_all():
    assert distances(GRAPH, "a") == {"a": 0, "b": 7, "c": 9, "f": 11, "d": 20, "e": 20}


def test_from_the_end():
    assert distances(GRAPH, "e") == {"e": 0}


@pytest.mark.parametrize("end, length", [("a", 0), ("b", 7), ("c", 9), ("f", 11)])
def test_shortest(end, length):
    assert shortest(GRAPH, "a", end) == length


def test_no_path():
    with pytest.raises(NoPathError, match="e -> a"):
        shortest(GRAPH, "e", "a")


def test_negative():
    with pytest.raises(ValueError, match="negative"):
        distances({"a": {"b": -1}}, "a")


def test_reverse():
    assert reverse({"a": {"b": 1}, "b": {}}) == {"a": {}, "b": {"a": 1}}


def test_reverse_twice():
    assert reverse(reverse(GRAPH)) == GRAPH
"""

_NAMES = ("all", "from_the_end", *(f"shortest[{p}]" for p in ("a-0", "b-7", "c-9", "f-11")))
_IDS = tuple(
    f"test_paths.py::test_{name}"
    for name in (*_NAMES, "no_path", "negative", "reverse", "reverse_twice")
)
PYTEST = PytestTests(files={"test_paths.py": TESTS}, ids=_IDS)
CALLS = CallTests(
    path="paths.py",
    function="shortest",
    cases=tuple(
        CallCase(id=str(n), args=({"a": {"b": n, "c": 1}, "c": {"b": 2}}, "a", "b"), expected=e)
        for n, e in ((1, 1), (2, 2), (3, 3), (4, 3), (5, 3), (6, 3), (7, 3), (8, 3), (9, 3), (0, 0))
    ),
)
_IMPORTED = ("NoPathError", "distances", "reverse", "shortest")
_PLAIN = ("all", "from_the_end", "no_path", "negative", "reverse", "reverse_twice")
_WARM_UP = 20
LIMITS = Limits(cpu_s=2.0, wall_s=20.0)


def work(kind: str, count: int) -> float:
    """CPU seconds of one of `count` runs, after some that warm up."""
    tests = PYTEST if kind.startswith("pytest") else CALLS
    if kind.endswith("bare"):
        return asyncio.run(_work_bare(tests, count))
    with accounting() as used, Sandbox() as sandbox:
        for number in range(-_WARM_UP, 0):
            _check(sandbox.run_tests(_changed(number), tests, LIMITS))
        before = used()
        for number in range(count):
            _check(sandbox.run_tests(_changed(number), tests, LIMITS))
        return (used() - before) / count


async def _work_bare(tests: TestSpec, count: int) -> float:
    """The same server without isolation."""
    # Here, for compare.py measures commits that have it elsewhere with what is above.
    from hrmgym.envs.sandboxes.local.bench import open_bench

    with accounting() as used:
        runtime = LocalRuntime(isolate=False)
        bench = await open_bench(runtime)
        for number in range(-_WARM_UP, 0):
            _check(await run_tests(bench, _changed(number), tests, LIMITS))
        before = used()
        for number in range(count):
            _check(await run_tests(bench, _changed(number), tests, LIMITS))
        spent = used() - before
        await runtime.close()
    return spent / count


def _changed(number: int) -> dict[str, str]:
    return {"paths.py": f"{PROGRAM}# {number}\n"}


def _check(outcome: Outcome) -> None:
    assert outcome.resolved, outcome.message
    assert outcome.total == 10


def cpu_of(argv: list[str], folder: str) -> float:
    """CPU seconds of a process and of all that it has started."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(argv, cwd=folder, env=env, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{argv} ended with exit code {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def protected_cpu_s(kind: str, count: int) -> float:
    """CPU seconds of one run, measured in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--work", kind]
    command += ["--count", str(count)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def cold_cpu_s(rounds: int) -> float:
    """CPU seconds of `python -m pytest` on the same tests, compiled files in place."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "paths.py").write_text(PROGRAM)
        (Path(folder) / "test_paths.py").write_text(TESTS)
        argv = [sys.executable, "-m", "pytest", "-q", "test_paths.py"]
        return statistics.median([cpu_of(argv, folder) for _ in range(rounds + 1)][1:])


_FLOOR = """
import os, resource
from hrmgym.envs.sandboxes.confinement import isolation
from hrmgym.envs.sandboxes.inside import calls
from hrmgym.envs.sandboxes.processes import guest
calls.warm_up()
COUNT = int(sys.argv[1])
isolation.enter_namespaces()
if os.fork() == 0:
    isolation.mount("none", "/", "", isolation.MS_REC | isolation.MS_PRIVATE)
    isolation.mount("tmpfs", "/tmp", "tmpfs", 0)
    for name in ("lower", "all"):
        os.mkdir("/tmp/" + name)
    for number in range(COUNT):
        child = os.fork()
        if child == 0:
            isolation.unshare(isolation.CLONE_NEWNS)
            upper, work = f"/tmp/upper{number}", f"/tmp/work{number}"
            os.mkdir(upper)
            os.mkdir(work)
            options = f"lowerdir=/tmp/lower,upperdir={upper},workdir={work}"
            isolation.mount("overlay", "/tmp/all", "overlay", 0, options)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(sum(one.ru_utime + one.ru_stime for one in used) / COUNT)
    os._exit(0)
os.wait()
"""


def floor_cpu_s(count: int) -> float:
    """CPU seconds of fork, private mount namespace, overlay, exit, in a small Python."""
    command = nursery.bare_python(_FLOOR, str(count))
    # Its own start is in it, as one part in `count`.
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def own_cpu_s(count: int) -> float:
    """CPU seconds of what any way has to do: compile the program, run the ten tests."""
    sys.modules["paths"] = module = ModuleType("paths")
    exec(PROGRAM, module.__dict__)
    tests: dict[str, Any] = {}
    exec(TESTS, tests)
    start = time.process_time()
    for number in range(count):
        exec(compile(_changed(number)["paths.py"], "paths.py", "exec"), module.__dict__)
        tests.update({name: getattr(module, name) for name in _IMPORTED})
        for name in _PLAIN:
            tests[f"test_{name}"]()
        for end, length in (("a", 0), ("b", 7), ("c", 9), ("f", 11)):
            tests["test_shortest"](end, length)
    return (time.process_time() - start) / count


def measure_runs(count: int = 400) -> dict[str, float]:
    """Everything of this file; CPU in milliseconds, and ratios."""
    cold, floor = cold_cpu_s(5), floor_cpu_s(count)
    own = own_cpu_s(count)
    run, calls = protected_cpu_s("pytest", count), protected_cpu_s("calls", count)
    bare = protected_cpu_s("pytest-bare", count)
    return {
        "cpu_ratio_cold_pytest": cold / run,
        "cpu_ratio_floor": (run - own) / floor,
        "cpu_ratio_cold_pytest_calls": cold / calls,
        "cpu_ratio_floor_calls": (calls - own) / floor,
        "cpu_ms_run": 1e3 * run,
        "cpu_ms_calls_run": 1e3 * calls,
        "cpu_ms_cold_pytest": 1e3 * cold,
        "cpu_ms_floor": 1e3 * floor,
        "cpu_ms_tests_own": 1e3 * own,
        "cpu_ratio_protected_to_bare": run / bare,
    }


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", help="only measure runs of this kind")
    parser.add_argument("--count", type=int, default=400, help="runs to average over")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args()
    if chosen.work:
        print(work(chosen.work, chosen.count))
        return
    found = measure_runs(chosen.count)
    print(
        json.dumps(found) if chosen.json else "\n".join(f"{k:32}{v:9.3f}" for k, v in found.items())
    )


if __name__ == "__main__":
    main()
