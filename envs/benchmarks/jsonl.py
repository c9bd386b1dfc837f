"""The `jsonl` benchmark: anybody's tasks, one JSON object a line.

    {"id": "double-1", "language": "python", "prompt": "double(x) returns twice x.",
     "files": {"double.py": "def double(x):\\n    return x + 2\\n"}, "editable": ["double.py"],
     "visible_tests": {"kind": "calls", "path": "double.py", "function": "double",
                       "cases": [{"args": [3], "expected": 6}]},
     "hidden_tests": {"kind": "calls", "path": "double.py", "function": "double",
                      "cases": [{"args": [5], "expected": 10}]},
     "reference": {"double.py": "def double(x):\\n    return x * 2\\n"}}

Optional keys: `split` (by default "test"), `limits` (see `hrmgym.envs.task.Limits`), `tags`,
`source`, `licence`, `marked` (`what` is known to be wrong with the task, and the `reason`: see
`hrmgym.envs.task.Marked`), `environment` (`lock` or `image`: see `hrmgym.envs.task.Environment`),
`focus` (the function that the agent is told of: `path::Qualified.name`).
Entries of `editable` may be patterns (see `hrmgym.envs.editable`), and the content of a file that
is no text is `{"$bytes": "..."}`, in base64. Tests are of one of these kinds, or of
one that somebody has registered (see `hrmgym.envs.testkinds`; `kind` may be `module:Class`, too):

- `calls`: calls of one function; a case has `args`, either `expected` or `raises`, and optionally
  `match`, `id`, `compare`, `tolerance` and `consume`: see `hrmgym.envs.task.CallCase`;
- `stdio`: runs of a program; a case has `stdin`, `expected` and optionally `id`; `compare` is
  "lines", "tokens" or "exact";
- `pytest`: `files` (path -> text, laid over the workspace only while they run), `ids`, and
  `together`, which is true where the tests must share a process with the code, that can then fool
  them;
- `command`: `command` (a list of words), which passes when it exits with 0, and `files`;
- `harness`: `command`, `files`, the `parser` of its log ("pytest", "unittest", "go", "cargo",
  "jest", "junit", "tap", "catch2"), ids of tests in `fail_to_pass` and `pass_to_pass`, and
  optionally `reports`, `control` and `may_change`: see `hrmgym.envs.task.HarnessTests`.

Values in `args` and `expected` that JSON cannot say, such as tuples, bytes and classes, are objects
with one key that begins with `$`: see `hrmgym.envs.testkinds.jsonvalues`. `reference` maps paths
to whole texts; it is needed, for a task whose solution is not known to pass cannot be told from one
that cannot be solved. A path in `editable` that is not in `files` is one that the reference makes.

A JSON Schema of a line ships as `hrmgym/envs/data/task.schema.json`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from hrmgym.envs.benchmark import Benchmark
from hrmgym.envs.benchmarks.jsonl_format import Line, known_fields
from hrmgym.envs.showing import is_utf8
from hrmgym.envs.task import LANGUAGES, Environment, Limits, Marked, Task, Workspace
from hrmgym.errors import DataError, UnknownNameError, did_you_mean


class JsonlTasks(Benchmark):
    """Tasks from a JSON Lines file; without a path, a small example file that ships."""

    name = "jsonl"
    version = "2"
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
        text = path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        near = did_you_mean(path.name, _names(path.parent))
        raise DataError(f"{path}: no such file{near}") from error
    except (OSError, ValueError) as error:
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
        data = json.loads(
            line, object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_finite
        )
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON: {error}") from error
    for field, text in _texts(data):
        if not is_utf8(text):
            raise DataError(f"{where}: {field}: holds a lone surrogate, which UTF-8 cannot express")
    try:
        parsed = Line.model_validate(data)
    except ValidationError as error:
        raise DataError(f"{where}: {_first_fault(error, data)}") from error
    specs = {}
    for name in ("visible_tests", "hidden_tests"):
        try:
            specs[name] = getattr(parsed, name).spec()
        except DataError as error:
            raise DataError(f"{where}: {name}: {error}") from error
    try:
        environment = Environment(**parsed.environment.model_dump())
    except DataError as error:
        raise DataError(f"{where}: environment: {error}") from error
    return Task(
        id=parsed.id,
        benchmark=JsonlTasks.name,
        language=parsed.language,
        split=parsed.split,
        prompt=parsed.prompt,
        workspace=Workspace(files=parsed.files),
        editable=tuple(parsed.editable),
        **specs,
        limits=Limits(**parsed.limits.model_dump()),
        environment=environment,
        focus=parsed.focus,
        reference=parsed.reference,
        source=parsed.source or where,
        licence=parsed.licence,
        tags=tuple(parsed.tags),
        marked=None if parsed.marked is None else Marked(**parsed.marked.model_dump()),
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice!r} stands twice in one object")
    return made


def _texts(data: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(field, text) of all text that is written to files or shown; values may hold any."""
    if isinstance(data, str):
        yield path or "the line", data
    elif isinstance(data, list):
        for number, item in enumerate(data):
            yield from _texts(item, f"{path}.{number}")
    elif isinstance(data, dict):
        for key, item in data.items():
            yield path or "the line", key
            if key not in ("args", "expected"):
                yield from _texts(item, f"{path}.{key}" if path else key)


def _no_constant(text: str) -> NoReturn:
    names = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}
    raise ValueError(f'{text}; write {{"$float": "{names[text]}"}}')


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f'{text} is larger than any float; write {{"$float": "inf"}}')
    return number


def _first_fault(error: ValidationError, data: Any) -> str:
    """`field: what is wrong`, with the nearest field for one that is unknown."""
    fault = error.errors()[0]
    parts = fault["loc"]
    field = ".".join(map(str, parts)) or "the line"
    match fault["type"]:
        case "extra_forbidden":
            near = did_you_mean(str(parts[-1]), known_fields(parts[:-1], data))
            return f"{field}: unknown field{near}"
        case "literal_error" if field == "language":
            return f"language: {UnknownNameError('language', str(data['language']), LANGUAGES)!s}"
    return f"{field}: {fault['msg'].removeprefix('Value error, ')}"
