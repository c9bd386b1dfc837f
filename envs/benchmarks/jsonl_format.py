"""What a line of a task file may hold: the models that check it, and the JSON Schema that ships.

`python -m hrmgym.envs.benchmarks.jsonl_format` prints the schema, which is `data/task.schema.json`.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import Field, PlainValidator, create_model, model_validator
from pydantic_core import PydanticCustomError

from hrmgym.envs.editable import may_edit, named
from hrmgym.envs.focus import fault, names_in, parts_of
from hrmgym.envs.task import Limits
from hrmgym.envs.testkinds import SHIPPED, jsonvalues, kind_named, kind_names
from hrmgym.envs.testkinds.fields import FilesField, Model, Path, TestsLine, normal_files
from hrmgym.errors import did_you_mean


def _tests(data: Any) -> TestsLine:
    """The tests that an object of any registered kind says."""
    if not isinstance(data, dict):
        raise PydanticCustomError("model_type", "Input should be an object")
    kind = data.get("kind")
    if not isinstance(kind, str) or (":" not in kind and kind not in kind_names()):
        if "kind" not in data:
            said = f"has no kind: one of {', '.join(kind_names())}"
        else:
            said = f"kind: unknown kind {kind!r}{did_you_mean(str(kind), kind_names())}"
        raise PydanticCustomError("unknown_kind", "{said}", {"said": said})
    return kind_named(kind).line.model_validate(data)


Tests = Annotated[TestsLine, PlainValidator(_tests)]


class RunLimits(Model):
    """What one run of the tests may use; see `hrmgym.envs.task.Limits`."""

    cpu_s: float = Field(default=Limits().cpu_s, gt=0)
    wall_s: float = Field(default=Limits().wall_s, gt=0)
    memory_mb: int = Field(default=Limits().memory_mb, ge=64)
    processes: int = Field(default=Limits().processes, ge=1)
    output_kb: int = Field(default=Limits().output_kb, ge=1)
    file_mb: int = Field(default=Limits().file_mb, ge=1)


class Installed(Model):
    """What a task's programs find installed; see `hrmgym.envs.task.Environment`."""

    lock: str = ""
    image: str = ""


class Mark(Model):
    """What is known to be wrong with a task; see `hrmgym.envs.task.Marked`."""

    what: Literal["untouched_passes", "reference_cannot_run"]
    reason: str = Field(pattern=r"\S")


class Line(Model):
    """One task: one line of the file."""

    id: str = Field(min_length=1)
    language: Literal["python", "cpp", "go", "java", "javascript", "rust"]
    prompt: str
    files: FilesField = Field(min_length=1)
    editable: list[Path] = Field(min_length=1)
    visible_tests: Tests
    hidden_tests: Tests
    reference: FilesField = Field(min_length=1)
    split: str = "test"
    limits: RunLimits = RunLimits()
    environment: Installed = Installed()
    focus: str = ""
    tags: list[str] = Field(default_factory=list)
    source: str = ""
    licence: str = ""
    marked: Mark | None = None

    @model_validator(mode="after")
    def _paths_agree(self) -> Line:
        files = {**self.files, **self.reference}
        for path in named(self.editable):
            self._check(path, files, f"editable {path!r} is not in files")
        for path in self.reference:
            if not may_edit(self.editable, path):
                self._check(path, self.editable, f"reference {path!r} is not editable")
        normal_files(files)
        self._focus_is_there()
        for name in ("visible_tests", "hidden_tests"):
            for field, path in getattr(self, name).paths().items():
                self._check(path, files, f"{name}.{field} {path!r} is not in files")
        return self

    def _focus_is_there(self) -> None:
        if why := fault(self.focus, self.editable):
            raise ValueError(why)
        path, name = parts_of(self.focus)
        if not path or self.language != "python":
            return
        texts = [
            one for some in (self.files, self.reference) if isinstance(one := some.get(path), str)
        ]
        names = [names_in(text) for text in texts]
        if None not in names:
            known = dict.fromkeys(name for some in names if some for name in some)
            self._check(name, known, f"focus {self.focus!r}: {path!r} defines no {name!r}")

    @staticmethod
    def _check(path: str, known: Iterable[str], fault: str) -> None:
        if path not in known:
            raise ValueError(fault + did_you_mean(path, known))


def known_fields(parts: Iterable[str | int], data: Any) -> list[str]:
    """Fields that an object of a line may have.

    Args:
        parts: Where the object is: keys and positions from the line on.
        data: The line.
    """
    model: type[Model] | None = Line
    for part in parts:
        data = data[part]
        if isinstance(part, int) or model is None:
            continue
        kind = annotation = None
        if (field := model.model_fields.get(part)) is not None:
            annotation = field.annotation
        if annotation is TestsLine and isinstance(data, dict):
            kind = data.get("kind")
        model = kind_named(str(kind)).line if kind else _model_in(annotation)
    return [] if model is None else list(model.model_fields)


def _model_in(annotation: Any) -> type[Model] | None:
    """The model in `list[...]`, `dict[str, ...]`, `... | None` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    inner = get_args(annotation)
    if get_origin(annotation) not in (list, dict, tuple, Union, types.UnionType, Annotated):
        return None
    return next((model for one in inner if (model := _model_in(one)) is not None), None)


def schema() -> dict[str, Any]:
    """JSON Schema of one line, with the kinds of tests that ship."""
    tests: Any = Union[tuple(kind_named(name).line for name in SHIPPED)]  # noqa: UP007
    tests = Annotated[tests, Field(discriminator="kind")]
    fields: Any = {"visible_tests": (tests, ...), "hidden_tests": (tests, ...)}
    made = create_model("Line", __base__=Line, __doc__=Line.__doc__, **fields).model_json_schema()
    value = {"$ref": "#/$defs/Value"}
    case = made["$defs"]["Case"]
    case["properties"]["args"]["items"] = value
    case["properties"]["expected"] = value
    case["oneOf"] = [{"required": ["expected"]}, {"required": ["raises"]}]
    made["$defs"]["Value"] = jsonvalues.schema(value["$ref"])
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "hrmgym task"}
    return made | about


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
