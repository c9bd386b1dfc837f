"""Repairing a person's own file: from paths to what was found. Nothing on disk is changed here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hrmgym.envs.edits.legal import legal_edits
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.errors import ConfigError, DataError, did_you_mean
from hrmgym.experiments.loader import load
from hrmgym.experiments.projects import interpreter, layout
from hrmgym.experiments.projects.examining import (
    TEST_S,
    Examined,
    TestsError,
    as_judged,
    examine,
)
from hrmgym.experiments.projects.localising import elsewhere, file_to_repair, files_to_choose_from
from hrmgym.experiments.projects.search import Ended, Search, search
from hrmgym.experiments.projects.task import OwnProject, stages_of, tasks_of
from hrmgym.experiments.projects.textfile import TextFile, read_text_file
from hrmgym.experiments.schema import Experiment

if TYPE_CHECKING:
    from hrmgym.envs.sandboxes.config import ExecutorConfig

#: The shipped experiment whose policy and sandbox are taken.
EXPERIMENT = "repair-file"
_OVERRIDES = ("policy", "sandbox", "seed", "device")
RUNS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for."""

    target: Path
    """A Python file, or a folder, one file of which is then chosen."""
    tests: str
    """A file or folder of tests, or a pytest node id."""
    root: Path | None = None
    """Folder of the project; None: found from the two above."""
    python: Path | None = None
    """Interpreter or environment whose packages the tests find; None: see `packages_of`."""
    overrides: tuple[str, ...] = ()
    """Of the experiment `repair-file`: policy, sandbox, seed and device."""
    runs: int = RUNS
    """Most runs of the tests."""
    seconds: float | None = None
    """Most seconds of search; None: no limit."""
    run_cpu_s: float | None = None
    """CPU seconds of one run of the tests; None: some times what they take as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRepair:
    """What became of it."""

    root: Path
    tests: str
    """The tests, relative to the root."""
    examined: Examined
    file: TextFile | None = None
    """The file that was edited; None where all tests passed already."""
    path: str = ""
    """The same, relative to the root."""
    why: str = ""
    """Why that file of a folder; empty where it was named."""
    also: tuple[str, ...] = ()
    """Other files that may be to blame."""
    search: Search | None = None
    left_out: tuple[str, ...] = ()
    """What of the project was not copied, with the reasons."""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def status(self) -> str:
        """`already passing`, `repaired`, `not repaired` or `interrupted`."""
        if self.search is None:
            return "already passing"
        if self.search.passing:
            return "repaired"
        return "interrupted" if self.search.ended is Ended.INTERRUPTED else "not repaired"


#: Called with (phase, done, total, text), as the command line's progress is.
OnProgress = Callable[[str, int, int, str], None]


def experiment_of(overrides: Sequence[str]) -> Experiment:
    """The experiment whose policy and sandbox are taken.

    Raises:
        ConfigError: an override is not legal, or of something that a file to repair decides.
    """
    for override in overrides:
        key = override.partition("=")[0].split(".")[0]
        if key not in _OVERRIDES:
            near = did_you_mean(key, _OVERRIDES)
            raise ConfigError(
                f"override {override!r}: with a file to repair, only {', '.join(_OVERRIDES)} may be"
                f" changed{near}"
            )
    return load(EXPERIMENT, overrides)


def repair_file(request: Request, on_progress: OnProgress) -> FileRepair:
    """Looks for an edit of one file after which a project's tests pass.

    Tests and code run in a sandbox, on a copy of the project.

    Raises:
        ConfigError: the request cannot be met as it is.
        TestsError: the tests cannot be collected, or say nothing.
        SandboxError: the sandbox failed.
    """
    started = time.monotonic()
    experiment = experiment_of(request.overrides)
    target = request.target.resolve()
    tests_path, node = layout.tests_of(request.tests)
    if request.root is not None:
        root = request.root.resolve()
        for name, path in (("", target), ("--tests ", tests_path)):
            if not path.is_relative_to(root):
                raise ConfigError(f"{name}{path} is not in the project's folder --root {root}")
        project = layout.read_project(root)
    else:
        project = layout.project_of(target, tests_path)
        root = project.root
    sandbox, packages = _sandbox(experiment, request.python, root)
    selected = (project.inside(tests_path) or ".") + node
    on_progress("tests as they are", 0, 1, "")
    with Sandbox(sandbox) as box:
        patience = max(TEST_S, request.run_cpu_s or 0.0)
        examined = examine(project, selected, box, packages, patience)
    on_progress("tests as they are", 1, 1, f"{len(examined.failing)} fail")
    done = FileRepair(
        root=root,
        tests=selected,
        examined=examined,
        left_out=project.left_out,
        notes=(*filter(None, [packages.note]), *examined.notes),
        seconds=time.monotonic() - started,
    )
    if not examined.failing:
        if examined.broken:
            name, why = next(iter(examined.broken.items()))
            raise TestsError(
                f"--tests {selected}: {len(examined.passing)} tests pass, and {name} cannot be"
                f" collected: {why}"
            )
        return done
    return _searched(done, request, experiment, sandbox, project, target, on_progress, started)


def _sandbox(
    experiment: Experiment, python: Path | None, root: Path
) -> tuple[ExecutorConfig, interpreter.Packages]:
    """The sandbox that has the packages, and these."""
    config = experiment.sandbox
    if not config.locks:
        if python is not None:
            raise ConfigError(
                f"--python: a {config.type!r} sandbox has the packages of its own image"
            )
        return config, interpreter.Packages("", f"the {config.type!r} sandbox")
    if python is None and (own := getattr(config, "packages", None)) is not None:
        return config, interpreter.Packages(own, f"sandbox.packages={own}")
    found = interpreter.packages_of(python, root)
    return config.model_copy(update={"packages": found.folder}), found


def _searched(
    done: FileRepair,
    request: Request,
    experiment: Experiment,
    sandbox: ExecutorConfig,
    project: layout.Project,
    target: Path,
    on_progress: OnProgress,
    started: float,
) -> FileRepair:
    """The same with a file chosen, and edits of it tried."""
    from hrmgym.envs.software import SoftwareEnv
    from hrmgym.experiments.evaluate.score import make_proposer

    examined, why = done.examined, ""
    also: tuple[str, ...] = ()
    if target.is_dir():
        candidates = files_to_choose_from(project, target)
        path, why = file_to_repair(examined, candidates)
        ran = {one for name in examined.failing for one, _ in examined.first.tests[name].ran}
        also = tuple(sorted(ran & set(candidates) - {path}))
    else:
        path = project.inside(target)
        if note := elsewhere(examined, path):
            done = replace(done, notes=(*done.notes, note))
    file = read_text_file(project.root / path)
    try:
        legal_edits(file.plain)
    except DataError as error:
        raise ConfigError(f"{path}: {error}") from None
    files = {**project.files, path: file.plain}

    def environment(examined: Examined) -> tuple[list[str], SoftwareEnv]:
        tasks = tasks_of(files, path, examined, request.run_cpu_s)
        stages = sandbox.stages or stages_of(examined, tasks[0])
        block = sandbox.model_copy(update={"stages": stages})
        env = SoftwareEnv(OwnProject(tasks), sandbox=block, canvas=experiment.env.canvas)
        return [task.id for task in tasks], env

    tasks, env = environment(examined)
    try:
        on_progress("edits put in order", 0, 1, "")
        env.reset(options={"task": tasks[-1]})
        if env.state.outcome is not None:
            judged = as_judged(examined, env.state.outcome)
            if judged != examined:
                env.close()
                examined = judged
                tasks, env = environment(examined)
        done = replace(done, examined=examined, file=file, path=path, why=why, also=also)
        policy = make_proposer(experiment, env)

        def on_try(found: Search) -> None:
            if found.edits == 1:
                on_progress("edits put in order", 1, 1, "")
            passing = f"{len(found.passing)} pass" if found.passing else ""
            on_progress("test runs", min(found.test_runs, request.runs), request.runs, passing)

        found = search(
            policy,
            env,
            tasks,
            path,
            runs=request.runs,
            seconds=request.seconds,
            seed=experiment.seed,
            on_try=on_try,
        )
    finally:
        env.close()
    return replace(done, search=found, seconds=time.monotonic() - started)
