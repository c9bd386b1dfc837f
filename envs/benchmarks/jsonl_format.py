"""What a line of a task file may hold: the models that check it, and the JSON Schema that ships.

`python -m hrmgym.envs.benchmarks.jsonl_format` prints the schema, which is `data/task.schema.json`.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from hrmgym.envs.benchmarks import jsonl_values
from hrmgym.envs.sandboxes.inside import values
from hrmgym.envs.task import (
    CallCase,
    CallTests,
    CommandTests,
    Limits,
    PytestTests,
    StdioCase,
    StdioTests,
    TestSpec,
)
from hrmgym.errors import did_you_mean

_MOST_NAME, _MOST_PATH = 255, 3000  # bytes


def normal_path(path: str) -> str:
    """A path of a workspace without `./` and doubled slashes.

    Raises:
        ValueError: It leaves the workspace, names a folder, or is too long for a file system.
    """
    parts = path.split("/")
    if not path or path.startswith("/") or ".." in parts or "\0" in path:
        raise ValueError(f"path {path!r} does not stay inside the workspace")
    normal = posixpath.normpath(path)
    if parts[-1] in ("", "."):
        raise ValueError(f"path {path!r} names a folder, not a file")
    sizes = [len(part.encode()) for part in normal.split("/")]
    if max(sizes) > _MOST_NAME or sum(sizes) + len(sizes) > _MOST_PATH:
        raise ValueError(f"path {path[:40]!r}... is too long for a file system")
    return normal


def _normal_files(files: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path, text in files.items():
        normal = normal_path(path)
        if normal in found:
            raise ValueError(f"path {normal!r} stands twice")
        found[normal] = text
    for path in found:
        above = posixpath.dirname(path)
        while above:
            if above in found:
                raise ValueError(f"{above!r} is a file, so {path!r} cannot be")
            above = posixpath.dirname(above)
    return found


def _normal_id(name: str) -> str:
    path, colons, test = name.partition("::")
    return normal_path(path) + colons + test


def _value(data: Any) -> Any:
    value = jsonl_values.decode(data)
    try:
        values.encode(value)
    except values.Unfit as error:
        raise ValueError(str(error)) from None
    return value


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return text


_Path = Annotated[str, AfterValidator(normal_path)]
_Files = Annotated[dict[str, str], AfterValidator(_normal_files)]
_Value = Annotated[Any, BeforeValidator(_value)]
_DOTTED = r"^[^\W\d]\w*(\.[^\W\d]\w*)*$"


class Model(BaseModel):
    """One object of a line; keys that it does not know are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Case(Model):
    """One call of the function under test, and what it must return or raise."""

    args: list[_Value]
    expected: _Value = None
    raises: str = Field(default="", pattern=rf"^$|^([\w.]+:)?{_DOTTED[1:]}")
    match: Annotated[str, AfterValidator(_pattern)] = ""
    id: str | None = Field(default=None, min_length=1)
    compare: Literal["equal", "approx"] = "equal"
    tolerance: float = Field(default=0.0, ge=0)
    consume: bool = False

    @model_validator(mode="after")
    def _returns_or_raises(self) -> Case:
        if ("expected" in self.model_fields_set) == bool(self.raises):
            raise ValueError("give either expected or raises")
        if self.match and not self.raises:
            raise ValueError("match goes with raises")
        return self


class Calls(Model):
    """Calls of one function."""

    kind: Literal["calls"]
    path: _Path
    function: str = Field(pattern=_DOTTED)
    cases: list[Case] = Field(min_length=1)

    def spec(self) -> TestSpec:
        """The tests."""
        cases = [
            CallCase(
                id=case.id or f"case-{number}",
                args=tuple(case.args),
                **case.model_dump(exclude={"id", "args", "expected"}),
                expected=case.expected,
            )
            for number, case in enumerate(self.cases, start=1)
        ]
        return CallTests(path=self.path, function=self.function, cases=tuple(cases))


class Run(Model):
    """One run of a program: what it reads, and what it must print."""

    stdin: str
    expected: str
    id: str | None = Field(default=None, min_length=1)


class Stdio(Model):
    """Runs of a program that reads standard input."""

    kind: Literal["stdio"]
    path: _Path
    cases: list[Run] = Field(min_length=1)
    compare: Literal["lines", "tokens", "exact"] = "lines"

    def spec(self) -> TestSpec:
        """The tests."""
        cases = [
            StdioCase(id=case.id or f"case-{number}", stdin=case.stdin, expected=case.expected)
            for number, case in enumerate(self.cases, start=1)
        ]
        return StdioTests(path=self.path, cases=tuple(cases), compare=self.compare)


class Pytest(Model):
    """Test files for pytest, laid over the workspace only while they run."""

    kind: Literal["pytest"]
    files: _Files = Field(min_length=1)
    ids: list[Annotated[str, AfterValidator(_normal_id)]] = Field(min_length=1)
    together: bool = False

    def spec(self) -> TestSpec:
        """The tests."""
        return PytestTests(files=self.files, ids=tuple(self.ids), together=self.together)


class Command(Model):
    """One command, which passes when it exits with 0."""

    kind: Literal["command"]
    command: list[str] = Field(min_length=1)
    files: _Files = Field(default_factory=dict)

    def spec(self) -> TestSpec:
        """The tests."""
        return CommandTests(command=tuple(self.command), files=self.files)


KINDS: dict[str, type[Model]] = {
    "calls": Calls,
    "stdio": Stdio,
    "pytest": Pytest,
    "command": Command,
}
Tests = Annotated[Calls | Stdio | Pytest | Command, Field(discriminator="kind")]


class RunLimits(Model):
    """What one run of the tests may use; see `hrmgym.envs.task.Limits`."""

    cpu_s: float = Field(default=Limits().cpu_s, gt=0)
    wall_s: float = Field(default=Limits().wall_s, gt=0)
    memory_mb: int = Field(default=Limits().memory_mb, ge=64)
    processes: int = Field(default=Limits().processes, ge=1)
    output_kb: int = Field(default=Limits().output_kb, ge=1)
    file_mb: int = Field(default=Limits().file_mb, ge=1)


class Mark(Model):
    """What is known to be wrong with a task; see `hrmgym.envs.task.Marked`."""

    what: Literal["untouched_passes", "reference_cannot_run"]
    reason: str = Field(pattern=r"\S")


class Line(Model):
    """One task: one line of the file."""

    id: str = Field(min_length=1)
    language: Literal["python", "cpp", "go", "java", "javascript", "rust"]
    prompt: str
    files: _Files = Field(min_length=1)
    editable: list[_Path] = Field(min_length=1)
    visible_tests: Tests
    hidden_tests: Tests
    reference: _Files = Field(min_length=1)
    split: str = "test"
    limits: RunLimits = RunLimits()
    tags: list[str] = Field(default_factory=list)
    source: str = ""
    licence: str = ""
    marked: Mark | None = None

    @model_validator(mode="after")
    def _paths_agree(self) -> Line:
        files = {**self.files, **self.reference}
        for path in self.editable:
            self._check(path, files, f"editable {path!r} is not in files")
        for path in self.reference:
            self._check(path, self.editable, f"reference {path!r} is not editable")
        _normal_files(files)
        for name in ("visible_tests", "hidden_tests"):
            tests = getattr(self, name)
            if isinstance(tests, Calls | Stdio):
                self._check(tests.path, files, f"{name}.path {tests.path!r} is not in files")
        return self

    @staticmethod
    def _check(path: str, known: Iterable[str], fault: str) -> None:
        if path not in known:
            raise ValueError(fault + did_you_mean(path, known))


def schema() -> dict[str, Any]:
    """JSON Schema of one line."""
    made = Line.model_json_schema()
    value = {"$ref": "#/$defs/Value"}
    case = made["$defs"]["Case"]
    case["properties"]["args"]["items"] = value
    case["properties"]["expected"] = value
    case["oneOf"] = [{"required": ["expected"]}, {"required": ["raises"]}]
    made["$defs"]["Value"] = jsonl_values.schema(value["$ref"])
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "hrmgym task"}
    return made | about


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
