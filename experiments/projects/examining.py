"""Finding out what is to be repaired: which tests fail, and which of them count."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hrmgym.envs.outcome import Outcome, Status
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.errors import ConfigError, did_you_mean
from hrmgym.experiments.projects.interpreter import Packages, plugins_in
from hrmgym.experiments.projects.layout import Project, pytest_config, sets_path
from hrmgym.experiments.projects.observing import USAGE_ERROR, Observation, observe

#: Seconds that a test may take at first, and all of them together.
TEST_S, ALL_S = 10.0, 600.0
#: Further runs of tests some of which fail, to find out which come out by chance.
REPEATS = 2
_QUIET = ("-q", "--tb=no", "--continue-on-collection-errors", "-p", "no:cacheprovider")
_MOST_NAMED = 5
#: What pytest says of tests that need a plugin.
_OF_PLUGINS = re.compile(r"fixture '\w+' not found|async def functions are not natively supported")


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
    packages: Packages,
    test_s: float = TEST_S,
) -> Examined:
    """Runs a project's tests on a copy of it, and again where some of them fail.

    Args:
        project: Its files.
        target: The tests: path of a file or folder, or a node id, relative to the root.
        sandbox: Where.
        packages: What tests can import, and pytest's plugins among it.
        test_s: Seconds that a test may take.

    Raises:
        TestsError: no test could be collected, or all that fail are flaky.
        SandboxError: the sandbox failed.
    """
    settings, notes = settings_of(project, target), []

    def run(traced: bool) -> Observation:
        return observe(
            sandbox, project.files, settings.command, test_s=test_s, wall_s=ALL_S, traced=traced
        )

    first = run(True)
    if first.exit == USAGE_ERROR and not first.tests and settings.config:
        told = _usage(first)
        settings = replace(settings, args=(*settings.args, "-o", "addopts="))
        first = run(True)
        if first.exit != USAGE_ERROR:
            notes.append(f"addopts of {settings.config} left out: {told}")
    if _wants_plugins(first) and (plugins := plugins_in(packages.folder)):
        words = (*settings.args, *(word for name in plugins for word in ("-p", name)))
        bare, settings = settings, replace(settings, args=words)
        second = run(True)
        if len(second.passing) > len(first.passing):
            first = second
            notes.append(f"plugins of pytest loaded: {', '.join(plugins)}")
        else:
            settings = bare
    first = _without_lacking(first)
    _check_collected(first, target, packages.owner)
    longest = max((one.seconds for one in first.tests.values() if not one.late), default=0.0)
    if any(one.late for one in first.tests.values()):  # it will be late again
        test_s = min(test_s, max(1.0, 4 * longest))
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
            f"flaky: {listed(flaky)} did not come out the same in {len(more) + 1} runs of the same"
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


def as_judged(examined: Examined, outcome: Outcome) -> Examined:
    """Without the tests that the runs by which edits are judged see otherwise.

    Args:
        examined: What was found out under pytest.
        outcome: Of such a run, on the same code.

    Raises:
        TestsError: every failing test passes there.
    """
    wrong = (Status.FAILED, Status.ERROR, Status.SKIPPED)  # others may follow from a test before
    odd = {name for name in examined.passing if outcome.tests.get(name) in wrong}
    odd |= {name for name in examined.failing if outcome.tests.get(name) is Status.PASSED}
    failing = tuple(name for name in examined.failing if name not in odd)
    if not failing:
        raise TestsError(
            f"flaky: {listed(examined.failing)} failed, and passed in another run of the same code"
        )
    passing = tuple(name for name in examined.passing if name not in odd)
    return replace(
        examined, failing=failing, passing=passing, flaky=(*examined.flaky, *sorted(odd))
    )


def _wants_plugins(seen: Observation) -> bool:
    """Whether a test lacks what a plugin may bring."""
    return any(one.failed and _OF_PLUGINS.search(one.message) for one in seen.tests.values())


def _without_lacking(seen: Observation) -> Observation:
    """The same with tests that lack a plugin among what cannot be collected: no edit mends that."""
    lacking = {
        name: one.message
        for name, one in seen.tests.items()
        if one.failed and _OF_PLUGINS.search(one.message)
    }
    tests = {name: one for name, one in seen.tests.items() if name not in lacking}
    return replace(seen, tests=tests, broken={**seen.broken, **lacking})


def _status(observation: Observation, name: str) -> str:
    found = observation.tests.get(name)
    return "missing" if found is None else found.status


def _check_collected(seen: Observation, target: str, packages: str) -> None:
    if seen.failing or seen.passing:
        return
    if seen.broken:
        name, why = next(iter(seen.broken.items()))
        missing = "No module named" in why or _OF_PLUGINS.search(why)
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


def listed(names: Sequence[str]) -> str:
    """Some names as a message has them."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
