"""The `jsonl` benchmark: anybody's tasks, one JSON object a line.

    {"id": "double-1", "language": "python", "prompt": "double(x) returns twice x.",
     "files": {"double.py": "def double(x):\\n    return x + 2\\n"}, "editable": ["double.py"],
     "visible_tests": {"kind": "calls", "path": "double.py", "function": "double",
                       "cases": [{"args": [3], "expected": 6}]},
     "hidden_tests": {"kind": "calls", "path": "double.py", "function": "double",
                      "cases": [{"args": [5], "expected": 10}]},
     "reference": {"double.py": "def double(x):\\n    return x * 2\\n"}}

Optional keys: `split` (by default "test"), `limits` (see `hrmgym.envs.task.Limits`), `tags`,
`source`, `licence`. Tests are of one of three kinds:

- `calls`: calls of one function; a case has `args`, `expected` and optionally `id`, `compare`
  ("equal" or "approx"), `tolerance` and `consume`;
- `pytest`: `files` (path -> text, laid over the workspace only while they run) and `ids`;
- `command`: `command` (a list of words), which passes when it exits with 0, and `files`.

`reference` maps paths to whole texts; it is needed, for a task whose solution is not known to pass
cannot be told from one that cannot be solved.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hrmgym.envs.benchmark import Benchmark
from hrmgym.envs.task import (
    LANGUAGES,
    CallCase,
    CallTests,
    CommandTests,
    Limits,
    PytestTests,
    Task,
    TestSpec,
    Workspace,
)
from hrmgym.errors import DataError, UnknownNameError, did_you_mean


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Case(_Model):
    args: list[Any]
    expected: Any
    id: str | None = None
    compare: Literal["equal", "approx"] = "equal"
    tolerance: float = Field(default=0.0, ge=0)
    consume: bool = False


class _Calls(_Model):
    kind: Literal["calls"]
    path: str
    function: str
    cases: list[_Case] = Field(min_length=1)

    def spec(self) -> TestSpec:
        cases = [
            CallCase(
                id=case.id or f"case-{number}",
                args=tuple(case.args),
                expected=case.expected,
                compare=case.compare,
                tolerance=case.tolerance,
                consume=case.consume,
            )
            for number, case in enumerate(self.cases, start=1)
        ]
        return CallTests(path=self.path, function=self.function, cases=tuple(cases))


class _Pytest(_Model):
    kind: Literal["pytest"]
    files: dict[str, str] = Field(min_length=1)
    ids: list[str] = Field(min_length=1)

    def spec(self) -> TestSpec:
        return PytestTests(files=self.files, ids=tuple(self.ids))


class _Command(_Model):
    kind: Literal["command"]
    command: list[str] = Field(min_length=1)
    files: dict[str, str] = Field(default_factory=dict)

    def spec(self) -> TestSpec:
        return CommandTests(command=tuple(self.command), files=self.files)


_Tests = Annotated[_Calls | _Pytest | _Command, Field(discriminator="kind")]


class _Limits(_Model):
    cpu_s: float = Field(default=Limits().cpu_s, gt=0)
    wall_s: float = Field(default=Limits().wall_s, gt=0)
    memory_mb: int = Field(default=Limits().memory_mb, ge=64)
    processes: int = Field(default=Limits().processes, ge=1)
    output_kb: int = Field(default=Limits().output_kb, ge=1)
    file_mb: int = Field(default=Limits().file_mb, ge=1)


class _Line(_Model):
    """One line of the file."""

    id: str = Field(min_length=1)
    language: Literal["python", "cpp", "go", "java", "javascript", "rust"]
    prompt: str
    files: dict[str, str] = Field(min_length=1)
    editable: list[str] = Field(min_length=1)
    visible_tests: _Tests
    hidden_tests: _Tests
    reference: dict[str, str] = Field(min_length=1)
    split: str = "test"
    limits: _Limits = _Limits()
    tags: list[str] = Field(default_factory=list)
    source: str = ""
    licence: str = ""

    @model_validator(mode="after")
    def _paths_agree(self) -> _Line:
        for path in (*self.files, *self.reference):
            parts = Path(path).parts
            if not parts or Path(path).is_absolute() or ".." in parts:
                raise ValueError(f"path {path!r} does not stay inside the workspace")
        for path in self.editable:
            if path not in self.files:
                raise ValueError(
                    f"editable {path!r} is not in files{did_you_mean(path, self.files)}"
                )
        for path in self.reference:
            if path not in self.editable:
                raise ValueError(
                    f"reference {path!r} is not editable{did_you_mean(path, self.editable)}"
                )
        return self


class JsonlTasks(Benchmark):
    """Tasks from a JSON Lines file; without a path, a small example file that ships."""

    name = "jsonl"
    version = "1"
    splits: tuple[str, ...] = ()

    def __init__(self, path: str | None = None) -> None:
        self._path = path
        self.splits = tuple(dict.fromkeys(task.split for task in self._tasks))

    def tasks(self, split: str) -> Sequence[Task]:
        """The split's tasks, in the order of the file."""
        self.check_split(split)
        return tuple(task for task in self._tasks if task.split == split)

    @cached_property
    def _tasks(self) -> tuple[Task, ...]:
        if self._path is not None:
            return read_tasks(Path(self._path))
        with as_file(files("hrmgym.envs").joinpath("data/example-tasks.jsonl")) as example:
            return read_tasks(example)


def read_tasks(path: Path) -> tuple[Task, ...]:
    """Reads and validates a file of tasks.

    Raises:
        DataError: `file:line: field: what is wrong`, for the first fault.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        near = did_you_mean(path.name, _names(path.parent))
        raise DataError(f"{path}: no such file{near}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    tasks: dict[str, tuple[Task, int]] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        task = _read_line(line, f"{path}:{number}")
        if task.id in tasks:
            raise DataError(
                f"{path}:{number}: id: {task.id!r} stands in line {tasks[task.id][1]} already"
            )
        tasks[task.id] = (task, number)
    if not tasks:
        raise DataError(f"{path}: holds no tasks")
    return tuple(task for task, _ in tasks.values())


def _names(folder: Path) -> Iterator[str]:
    return (path.name for path in folder.iterdir()) if folder.is_dir() else iter(())


def _read_line(line: str, where: str) -> Task:
    try:
        data = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: not JSON: {error}") from error
    try:
        parsed = _Line.model_validate(data)
    except ValidationError as error:
        raise DataError(f"{where}: {_first_fault(error, data)}") from error
    return Task(
        id=parsed.id,
        benchmark=JsonlTasks.name,
        language=parsed.language,
        split=parsed.split,
        prompt=parsed.prompt,
        workspace=Workspace(files=parsed.files),
        editable=tuple(parsed.editable),
        visible_tests=parsed.visible_tests.spec(),
        hidden_tests=parsed.hidden_tests.spec(),
        limits=Limits(**parsed.limits.model_dump()),
        reference=parsed.reference,
        source=parsed.source or where,
        licence=parsed.licence,
        tags=tuple(parsed.tags),
    )


def _first_fault(error: ValidationError, data: Any) -> str:
    """`field: what is wrong`, with the nearest field for one that is unknown."""
    fault = error.errors()[0]
    # The tag of a union stands in pydantic's location; it is no field.
    kinds = {"calls", "pytest", "command"}
    parts = [str(part) for part in fault["loc"]]
    field = ".".join(p for i, p in enumerate(parts) if not (p in kinds and i == 1)) or "the line"
    if fault["type"] == "extra_forbidden":
        known = _known_fields(parts)
        return f"{field}: unknown field{did_you_mean(parts[-1], known)}"
    if fault["type"] == "literal_error" and field == "language":
        return f"language: {UnknownNameError('language', str(data['language']), LANGUAGES)!s}"
    return f"{field}: {fault['msg'].removeprefix('Value error, ')}"


def _known_fields(parts: list[str]) -> list[str]:
    models: dict[str, type[_Model]] = {"calls": _Calls, "pytest": _Pytest, "command": _Command}
    if len(parts) == 1:
        return list(_Line.model_fields)
    if "cases" in parts:
        return list(_Case.model_fields)
    if parts[0] == "limits":
        return list(_Limits.model_fields)
    return list(models[parts[1]].model_fields) if parts[1] in models else []
