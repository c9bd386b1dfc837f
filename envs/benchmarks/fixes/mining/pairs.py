"""The tasks that a pair of releases gives: tried, chosen, built, and run three times."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hrmgym.envs.benchmarks.fixes import building
from hrmgym.envs.benchmarks.fixes.changes import Change, changes
from hrmgym.envs.benchmarks.fixes.layout import Layout
from hrmgym.envs.benchmarks.fixes.mining import choosing
from hrmgym.envs.benchmarks.fixes.mining.choosing import by_function
from hrmgym.envs.benchmarks.fixes.mining.runs import Result, Run, Runs
from hrmgym.envs.benchmarks.fixes.recipe import Fix, Package, Side
from hrmgym.envs.benchmarks.fixes.testfiles import function_of
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.verdicts import trial
from hrmgym.envs.sandboxes.verdicts.together import reason
from hrmgym.envs.task import PytestTests, Status, Task

MOST_A_PAIR, MOST_A_PACKAGE = 10, 25
#: Old bodies of one pair that are tried.
_MOST_TRIED = 40
#: Tests that are run on one old body.
_MOST_TESTS = 300
#: How many times as long a test takes that is watched.
_PROFILED = 2.0
#: CPU seconds that one graded run may take: thousands are made of each task.
_MOST_CPU_S = 1.5
#: Equal runs that a task must show, beside the graded one.
RUNS = 2


@dataclass(slots=True)
class Yield:
    """What a pair gave, and what became of the rest."""

    fixes: list[Fix] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """`changed` functions, and of those how many were `untested`, `coupled`, `tried` and so on."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a pair may take."""

    base_s: float = 240.0
    """For the newer release's own tests."""
    tries_s: float = 300.0
    """For all old bodies together; none is begun after that."""


def mine(
    package: Package,
    versions: tuple[str, str],
    layouts: tuple[Layout, Layout],
    sandbox: Sandbox,
    seed: int,
    most: int,
    limits: Limits = Limits(),
) -> Yield:
    """The tasks of a pair of releases, at most `most`.

    Raises:
        SandboxError: the sandbox cannot run them.
    """
    began = time.monotonic()
    old, new = layouts
    made = Yield()
    found = changes(old.sources, new.sources)
    made.counts["changed"] = len(found)
    free = [change for change in found if not change.coupled]
    made.counts["coupled"] = len(found) - len(free)
    if free and new.modules:
        _mine(package, versions, layouts, sandbox, seed, most, limits, free, made)
    made.seconds = time.monotonic() - began
    return made


def _mine(
    package: Package,
    versions: tuple[str, str],
    layouts: tuple[Layout, Layout],
    sandbox: Sandbox,
    seed: int,
    most: int,
    limits: Limits,
    found: Sequence[Change],
    made: Yield,
) -> None:
    new = layouts[1]
    runs = Runs(sandbox, {**new.package, **new.tests})
    base = runs.make(
        [Run(id="base", targets=new.modules, profile=True, wall_s=limits.base_s)], limits.base_s
    ).get("base")
    if base is None or not base.whole:
        made.counts["suite does not run"] += 1
        return
    tried: dict[str, tuple[Change, frozenset[str]]] = {}
    known = {f"{change.path}::{change.function}": change for change in found}
    for name in choosing.order(seed, known):
        ran = [test for test, seen in base.tests.items() if name in seen.ran]
        covering = frozenset([test for test in ran if test in base.passed][:_MOST_TESTS])
        if covering and len(tried) < _MOST_TRIED:
            tried[name] = known[name], covering
    made.counts["untested"] = len(found) - len(tried)
    results = runs.make(
        [
            Run(
                id=name,
                targets=sorted({test.partition("::")[0] for test in tests}),
                files={change.path: change.old},
                only=sorted(tests),
                wall_s=30.0,
            )
            for name, (change, tests) in tried.items()
        ],
        limits.tries_s,
    )
    made.counts["tried"] = len(results)
    chosen: list[Fix] = []
    for name, result in results.items():
        change, covering = tried[name]
        fix, why = _chosen(change, covering, result, base, layouts, versions, seed)
        if fix is None or len(chosen) == most:
            made.counts[why or "over the cap"] += 1
        else:
            chosen.append(fix)
    for fix, why in _confirmed(package, chosen, layouts, runs, sandbox):
        made.counts[why or "clean"] += 1
        made.fixes += [] if why else [fix]


def _chosen(
    change: Change,
    covering: frozenset[str],
    result: Result,
    base: Result,
    layouts: tuple[Layout, Layout],
    versions: tuple[str, str],
    seed: int,
) -> tuple[Fix | None, str]:
    """The fix of an old body that some tests fail, or why there is none."""
    if not result.whole:
        return None, "too slow"
    bad = {name: test for name, test in result.tests.items() if test.status != "passed"}
    if not bad:
        return None, "no failing test"
    if choosing.is_coupled(list(bad.values())):
        return None, "coupled"
    failing = {function_of(name) for name in bad}
    seconds = {
        name: sum(test.seconds for test in tests) / _PROFILED
        for name, tests in by_function(base.tests).items()
    }
    both = choosing.all_passed(base.tests)
    near = {function_of(name) for name in covering}
    passing = (both - near) | (choosing.all_passed(result.tests) & both)
    found = choosing.sides(
        {one: seconds[one] for one in failing & both},
        {one: seconds[one] for one in passing - failing},
        near,
        {one for one in failing if choosing.is_new(one, *layouts)},
        seed,
    )
    if found is None:
        return None, "no new failing test, or too few quick ones"
    fix = Fix(
        old=versions[0],
        new=versions[1],
        path=change.path,
        function=change.function,
        lines=change.lines,
        visible=found[0],
        hidden=found[1],
        content="",
    )
    return fix, ""


def _confirmed(
    package: Package,
    fixes: Sequence[Fix],
    layouts: tuple[Layout, Layout],
    runs: Runs,
    sandbox: Sandbox,
) -> Iterator[tuple[Fix, str]]:
    """Each fix as its task shows it in run after run, and why it does not; empty if it does."""
    tasks = [building.task_of(package, fix, *layouts, check=False) for fix in fixes]
    wanted = [_own_runs(number, task, layouts[1]) for number, task in enumerate(tasks)]
    said = runs.make([run for some in wanted for run in some], 60.0 * len(fixes))
    for fix, task, some in zip(fixes, tasks, wanted, strict=True):
        results = [said[run.id] for run in some if run.id in said]
        if len(results) < len(some):
            yield fix, "too slow"
        elif not all(_as_expected(fix, run, said[run.id]) for run in some):
            yield fix, "not as expected with its own tests alone"
        else:
            texts = {side: dict(tests.files) for side, tests in _sides(task).items()}
            digest = building.content(task.workspace.files[fix.path], texts)
            yield _as_graded(replace(fix, content=digest), task, sandbox)


def _own_runs(number: int, task: Task, new: Layout) -> list[Run]:
    """Runs of both sides' tests, with no other test file there, on both bodies."""
    (path,) = task.editable
    bodies = {"old": task.workspace.files[path], "new": task.reference[path]}
    return [
        Run(
            id=f"{number} {side} {body} {again}",
            targets=sorted({one.partition("::")[0] for one in tests.ids}),
            files={**dict.fromkeys(new.tests), **tests.files, path: text},
            wall_s=20.0,
        )
        for again in range(RUNS)
        for body, text in bodies.items()
        for side, tests in _sides(task).items()
    ]


def _as_expected(fix: Fix, run: Run, result: Result) -> bool:
    """Whether with the old body the failing tests fail, and all others pass."""
    _, name, body, _ = run.id.split(" ")
    side: Side = getattr(fix, name)
    wanted = set(side.ids) - (set(side.fail_to_pass) if body == "old" else set())
    return choosing.all_passed(result.tests) & set(side.ids) == wanted


def _as_graded(fix: Fix, task: Task, sandbox: Sandbox) -> tuple[Fix, str]:
    """The fix with how its tests run, if they say in graded runs what they shall."""
    solution, limits = task.solution(), task.limits
    runner = sandbox.within(task.environment)
    for side, tests in _sides(task).items():
        known = replace(tests, tried=False, together=reason(replace(tests, together=False)))
        if not known.together:
            known = trial.try_out(known, solution, limits, runner)
        if not known.tried and not isinstance(known.together, str):
            return fix, "not as expected in a graded run"
        right = runner.run_tests(solution, known, limits, fresh=True)
        wrong = runner.run_tests(task.workspace.start, known, limits, fresh=True)
        failed = {name for name, status in wrong.tests.items() if status != Status.PASSED}
        if not right.resolved or wrong.failure or failed != set(tests.fail_to_pass):
            return fix, "not as expected in a graded run"
        if right.cpu_s > _MOST_CPU_S:
            return fix, "too slow"
        fix = replace(fix, **{side: replace(getattr(fix, side), together=known.together or "")})
    return fix, ""


def _sides(task: Task) -> Mapping[str, PytestTests]:
    visible, hidden = task.visible_tests, task.hidden_tests
    assert isinstance(visible, PytestTests)
    assert isinstance(hidden, PytestTests)
    return {"visible": visible, "hidden": hidden}
