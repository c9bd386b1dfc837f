"""Finding out what is to be repaired: which tests count, and which file an edit goes to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from hrmgym.envs.focus import span_of
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.errors import ConfigError, did_you_mean
from hrmgym.experiments.projects.layout import Project, pytest_config, sets_path
from hrmgym.experiments.projects.observing import USAGE_ERROR, Observation, observe

#: Seconds that a test may take at first, and all of them together.
TEST_S, ALL_S = 10.0, 600.0
#: Further runs of tests some of which fail, to find out which come out by chance.
REPEATS = 2
_QUIET = ("-q", "--tb=no", "--continue-on-collection-errors", "-p", "no:cacheprovider")
_MOST_NAMED = 5


class TestsError(ConfigError):
    """A project's tests cannot be collected, or say nothing that a repair could be judged by."""

    __test__ = False  # not a pytest class


@dataclass(frozen=True, slots=True)
class Settings:
    """How pytest is run on a project."""

    target: str
    """What is selected: path of a file or folder, or a node id, relative to the root."""
    config: str
    """Path of the settings file; empty: none."""
    args: tuple[str, ...] = ()
    """Further arguments."""

    @property
    def command(self) -> list[str]:
        """Arguments of pytest, to be run at the root of a copy of the project."""
        config = ("-c", self.config or "/dev/null")
        return [*_QUIET, *config, "--rootdir=.", "--confcutdir=.", *self.args, f"./{self.target}"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A project whose tests have been run on it as it is."""

    settings: Settings
    failing: tuple[str, ...]
    """Node ids of the tests that a repair has to make pass."""
    passing: tuple[str, ...]
    """Those that it must not break."""
    messages: Mapping[str, str]
    """Failing test -> its exception."""
    flaky: tuple[str, ...]
    """Tests that did not come out the same every time; they do not count."""
    skipped: tuple[str, ...]
    broken: Mapping[str, str]
    """What could not be collected -> why; its tests do not count."""
    first: Observation
    cpu_s: float
    """CPU seconds of a run, but for tests that took too long."""
    busy_s: float
    """Seconds that the tests alone take."""
    notes: tuple[str, ...] = field(default=())


def settings_of(project: Project, target: str) -> Settings:
    """How a project's tests are run: by its own settings, with its `src` folder on the path."""
    config = pytest_config(project.files)
    paths = [] if config and sets_path(project.files, config) else _import_folders(project)
    args = ("-o", f"pythonpath={' '.join(paths)}") if paths else ()
    return Settings(target, config, args)


def _import_folders(project: Project) -> list[str]:
    """Folders that imports have to look into, beside the root and what pytest finds by itself."""
    found = []
    sources = [path for path in project.files if path.startswith("src/") and path.endswith(".py")]
    if sources and "src/__init__.py" not in project.files:
        found.append("src")
    working = Path.cwd().resolve()
    if working != project.root and working.is_relative_to(project.root):
        found.append(project.inside(working))
    return [path for path in found if " " not in path]


def examine(
    project: Project,
    target: str,
    sandbox: Sandbox,
    packages: str = "",
) -> Examined:
    """Runs a project's tests on a copy of it, and again where some of them fail.

    Args:
        project: Its files.
        target: The tests: path of a file or folder, or a node id, relative to the root.
        sandbox: Where.
        packages: Where the installed packages are from, for messages.

    Raises:
        TestsError: no test could be collected, or all that fail are flaky.
        SandboxError: the sandbox failed.
    """
    settings, notes, test_s = settings_of(project, target), [], TEST_S

    def run(traced: bool) -> Observation:
        return observe(
            sandbox, project.files, settings.command, test_s=test_s, wall_s=ALL_S, traced=traced
        )

    first = run(True)
    if first.exit == USAGE_ERROR and not first.tests and settings.config:
        bare = Settings(target, settings.config, (*settings.args, "-o", "addopts="))
        told, settings = _usage(first), bare
        first = run(True)
        if first.exit != USAGE_ERROR:
            notes.append(f"addopts of {settings.config} left out: {told}")
    _check_collected(first, target, packages)
    longest = max((one.seconds for one in first.tests.values() if not one.late), default=0.0)
    if any(one.late for one in first.tests.values()):  # it will be late again
        test_s = min(TEST_S, max(1.0, 4 * longest))
    more = [run(False) for _ in range(REPEATS)] if first.failing else []
    return judged(settings, first, more, tuple(notes))


def judged(
    settings: Settings,
    first: Observation,
    more: Sequence[Observation],
    notes: tuple[str, ...] = (),
) -> Examined:
    """What runs of the same tests on the same code say together.

    Args:
        settings: How they were made.
        first: The run that tells which functions each test runs.
        more: Runs that do not, and so take their time; none where no test fails.
        notes: What else is to be told.

    Raises:
        TestsError: every test that failed has also passed.
    """
    last = more[-1] if more else first
    flaky = [
        name
        for name, one in first.tests.items()
        if any(one.status != _status(other, name) for other in more)
    ]
    sure = first.tests.keys() - set(flaky)
    failing = tuple(name for name in first.failing if name in sure)
    if first.failing and not failing:
        raise TestsError(
            f"flaky: {_listed(flaky)} did not come out the same in {len(more) + 1} runs of the same"
            " code: no edit could be told from chance"
        )
    return Examined(
        settings=settings,
        failing=failing,
        passing=tuple(name for name in first.passing if name in sure),
        messages={name: first.tests[name].message for name in failing},
        flaky=tuple(flaky),
        skipped=tuple(n for n, one in first.tests.items() if one.status == "skipped"),
        broken=first.broken,
        first=first,
        cpu_s=last.cpu_s - sum(one.seconds for one in last.tests.values() if one.late),
        busy_s=last.busy_s,
        notes=notes,
    )


def _status(observation: Observation, name: str) -> str:
    found = observation.tests.get(name)
    return "missing" if found is None else found.status


def _check_collected(seen: Observation, target: str, packages: str) -> None:
    if seen.failing or seen.passing:
        return
    if seen.broken:
        name, why = next(iter(seen.broken.items()))
        missing = "ModuleNotFoundError" in why or "No module named" in why
        where = f" (packages are those of {packages}; --python names others)" if missing else ""
        raise TestsError(f"--tests {target}: {name} cannot be collected: {why}{where}")
    if any(one.status == "skipped" for one in seen.tests.values()):
        raise TestsError(f"--tests {target}: all {len(seen.tests)} tests are skipped")
    if "::" in target and (near := _near(seen, target)):
        raise TestsError(f"--tests {target}: selects no test{near}")
    said = _usage(seen) if seen.exit != 5 else "it holds no test that pytest collects"
    raise TestsError(f"--tests {target}: {said}")


def _near(seen: Observation, target: str) -> str:
    """What pytest says that it did not find."""
    return f": {_usage(seen)}" if "not found" in seen.output else did_you_mean(target, seen.tests)


def _usage(seen: Observation) -> str:
    """pytest's own words for why nothing ran, in one line."""
    lines = [line.strip() for line in seen.output.splitlines() if line.strip()]
    told = [
        line
        for line in lines
        if line.startswith("ERROR ") or ("error:" in line.lower() and "usage:" not in line.lower())
    ]
    if not lines:
        return "pytest says nothing" if seen.exit is not None else "the tests ended the process"
    return (told or lines)[-1].rpartition("rror:")[2].strip()[:300]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def suspicion(examined: Examined) -> dict[tuple[str, str], float]:
    """File and name of each function that a failing test runs -> how suspicious it is, to 1.

    By Ochiai's coefficient, as `hrmgym.policies.spectrum` has it for lines.
    """
    tests = examined.first.tests
    failing = [tests[name].ran for name in examined.failing]
    every = [*failing, *(tests[name].ran for name in examined.passing)]
    found = {}
    for one in set().union(*failing):
        bad, all_ = (sum(one in ran for ran in runs) for runs in (failing, every))
        found[one] = bad / math.sqrt(len(failing) * all_)
    return found


def file_to_repair(examined: Examined, candidates: Sequence[str]) -> tuple[str, str]:
    """Which of some files to edit, and why that one.

    It is the file that the exception of a failing test came out of. Where none did, as after a
    failed `assert`, it is that with the most suspicious function; of several, the one that the
    first failing test called last.

    Args:
        examined: What the tests said.
        candidates: Paths of the files that may be edited.

    Raises:
        TestsError: no failing test runs anything of them.
    """
    tests, allowed = examined.first.tests, set(candidates)
    for name in examined.failing:
        if tests[name].path in allowed:
            return tests[name].path, f"{name} fails in it"
    most: dict[str, float] = {}
    for (path, _), score in suspicion(examined).items():
        if path in allowed:
            most[path] = max(most.get(path, 0.0), round(score, 9))
    if not most:
        raise TestsError(
            f"no failing test runs a function of the files to repair ({_listed(candidates)}); name"
            " the file"
        )
    called = [tests[name].called for name in examined.failing]
    best = max(most, key=lambda path: (most[path], -_place(called, path), path))
    return best, "what failing tests run, and passing ones do not, points to it"


def _place(paths: Sequence[str], path: str) -> int:
    return paths.index(path) if path in paths else len(paths)


def functions_to_repair(examined: Examined, path: str, text: str) -> list[str]:
    """The functions of a file that failing tests run, the most suspicious first.

    Args:
        examined: What the tests said.
        path: The file.
        text: What is in it.

    Returns:
        Each as `Task.focus` has it.
    """
    scores = {name: score for (where, name), score in suspicion(examined).items() if where == path}
    found: dict[str, None] = {}
    for name in sorted(scores, key=lambda one: (-scores[one], one)):
        parts = list(takewhile(_is_name, (p for p in name.split(".") if p != "<locals>")))
        if parts and span_of(text, ".".join(parts)) is not None:
            found[f"{path}::{'.'.join(parts)}"] = None
    return list(found)


def _is_name(part: str) -> bool:
    """Whether a part of a qualified name is not that of a lambda, a comprehension or a module."""
    return not part.startswith("<")
