"""A project with failing tests as a task: its own tests are all there is to judge by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hrmgym.envs.benchmark import Benchmark
from hrmgym.envs.sandboxes.inside import selection
from hrmgym.envs.task import Limits, PytestTests, Task, Workspace
from hrmgym.experiments.projects.examining import Examined, TestsError
from hrmgym.experiments.projects.localising import functions_to_repair

_SPLIT = "own"
#: A run may take so many times what the tests took, and at least so many CPU seconds.
_PATIENCE, _LEAST_S = 4.0, 2.0
#: The same in seconds of a clock, for tests that wait.
_LEAST_WALL_S = 20.0
_MEMORY_MB, _PROCESSES, _FILE_MB = 4096, 128, 256
#: A first, short limit of a trial, in CPU seconds: somewhat more than a run of its own takes, since
#: not every edit can be screened, and so many times what the tests alone take.
_OWN_PATIENCE, _FIRST_PATIENCE, _FIRST_LEAST_S = 1.25, 4.0, 0.25


class OwnProject(Benchmark):
    """A person's own project, as a task or as two: some functions first, then the whole file."""

    name, version, splits = "own-project", "1", (_SPLIT,)

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = tasks

    def tasks(self, split: str) -> Sequence[Task]:
        """The tasks, in the order in which they are to be tried."""
        self.check_split(split)
        return self._tasks


def tasks_of(
    files: Mapping[str, str], path: str, examined: Examined, cpu_s: float | None
) -> list[Task]:
    """The tasks of repairing one file: the functions of it that failing tests run, and all of it.

    Args:
        files: The project's copy; the file in its plain form.
        path: The file.
        examined: What its tests said.
        cpu_s: CPU seconds of a run of the tests; by default some times what they took.

    Raises:
        TestsError: the file is one of the tests' own.
    """
    ids = (*examined.failing, *examined.passing)
    config = examined.settings.config
    tests = {one: files[one] for one in dict.fromkeys(map(selection.path_of, ids))}
    tests |= {one: text for one, text in files.items() if one.rpartition("/")[2] == "conftest.py"}
    if path in tests:
        raise TestsError(
            f"{path} is one of the tests' own files, and an edit of it could make anything pass;"
            " put the tests into another file"
        )
    if config:
        tests[config.removeprefix(".")] = files[config]
    own = cpu_s or max(_LEAST_S, _PATIENCE * examined.cpu_s)
    spec = PytestTests(
        files=tests,
        ids=ids,
        args=examined.settings.args,
        fail_to_pass=examined.failing,
        pass_to_pass=examined.passing,
        together="a project's own tests run with its code",
    )
    whole = Task(
        id=path,
        benchmark=OwnProject.name,
        language="python",
        split=_SPLIT,
        prompt=f"Repair {path}: {examined.messages.get(examined.failing[0], '')}",
        workspace=Workspace(files={one: text for one, text in files.items() if one not in tests}),
        editable=(path,),
        visible_tests=spec,
        hidden_tests=spec,  # there are no others; nothing is graded
        limits=Limits(
            cpu_s=own,
            wall_s=max(_LEAST_WALL_S, _PATIENCE * (own + examined.busy_s)),
            memory_mb=_MEMORY_MB,
            processes=_PROCESSES,
            file_mb=_FILE_MB,
        ),
    )
    scope = functions_to_repair(examined, path, files[path])
    if not scope:
        return [whole]
    return [replace(whole, id=f"{path}: what failing tests run", scope=tuple(scope)), whole]


def stages_of(examined: Examined, task: Task) -> tuple[float, ...]:
    """The limits of trials below the task's own, from how long the tests take."""
    busy = _FIRST_PATIENCE * examined.busy_s
    first = max(_FIRST_LEAST_S, _OWN_PATIENCE * examined.cpu_s + busy)
    return (first,) if first < task.limits.cpu_s else ()
