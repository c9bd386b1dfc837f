"""Fields of tests in task files: what kinds of tests, and the task file itself, check them with."""

from __future__ import annotations

import posixpath
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from hrmgym.envs.sandboxes.inside import values
from hrmgym.envs.testkinds import jsonvalues
from hrmgym.envs.testspecs import TestSpec

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


def normal_files(files: dict[str, str]) -> dict[str, str]:
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


def normal_id(name: str) -> str:
    path, colons, test = name.partition("::")
    return normal_path(path) + colons + test


def _value(data: Any) -> Any:
    value = jsonvalues.decode(data)
    try:
        values.encode(value)
    except values.Unfit as error:
        raise ValueError(str(error)) from None
    return value


def _content(data: Any) -> Any:
    """What a file holds: text, or bytes in base64, which are text with surrogates here."""
    if not isinstance(data, dict):
        return data
    value = jsonvalues.decode(data)
    if not isinstance(value, bytes):
        raise ValueError('a file holds text, or {"$bytes": "..."}')
    return value.decode("utf-8", "surrogateescape")


def pattern_of(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return text


Path = Annotated[str, AfterValidator(normal_path)]
Content = Annotated[str, BeforeValidator(_content, json_schema_input_type=str | dict[str, str])]
FilesField = Annotated[dict[str, Content], AfterValidator(normal_files)]
Value = Annotated[Any, BeforeValidator(_value)]
DOTTED = r"^[^\W\d]\w*(\.[^\W\d]\w*)*$"


class Model(BaseModel):
    """One object of a line; keys that it does not know are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TestsLine(Model):
    """The tests of a line; subclasses add their fields."""

    kind: str

    def spec(self) -> TestSpec:
        """The tests.

        Raises:
            DataError: They do not go together, for example because an id stands twice.
        """
        raise NotImplementedError

    def paths(self) -> dict[str, str]:
        """Field -> a path that the task's files have to hold."""
        return {}
