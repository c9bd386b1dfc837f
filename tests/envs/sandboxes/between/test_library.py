"""Parts of values that foreign code sends: only what makes data is made of them."""

from __future__ import annotations

import builtins
import collections
import datetime
import http
import math
import operator
import os
import pathlib
import types
import uuid
from typing import Any

import pytest

from hrmgym.envs.sandboxes.between import library
from hrmgym.envs.sandboxes.between.plain import Unfit


class Lying(str):
    """A text that is none."""


@pytest.mark.parametrize(
    ("tag", "parts"),
    [
        ("nosuch", []),
        ("os.system", ["true"]),
        ("subprocess.Popen", ["true"]),
        ("unittest.mock", []),
        ("pathlib.PosixPath", [Lying("a")]),
        ("pathlib.PosixPath", [1]),
        ("uuid.UUID", [None]),
        ("re.Pattern", [("a",), 0]),
        ("re.Pattern", ["a", "x"]),
        ("re.Pattern", ["(", 0]),
        ("uuid.UUID", ["x"]),
        ("zoneinfo.ZoneInfo", ["../../etc/passwd"]),
        ("ipaddress.IPv4Address", ["1.2.3"]),
        ("datetime.timezone", ["x"]),
        ("datetime.datetime", ["2020-01-01", 0, "UTC"]),
        ("time.struct_time", [[1] * 9]),
        ("time.struct_time", [(object(),) * 9]),
        ("enum", ["os", "name", 1]),
        ("enum", ["http", "client", 1]),
        ("enum", ["http", "HTTPStatus", (200,)]),
        ("enum", ["unittest.mock", "FilterCallable", 1]),
        ("keys", [[1]]),
        ("proxy", [collections.UserDict()]),
    ],
)
def test_what_makes_no_data_is_refused(tag: str, parts: list[Any]) -> None:
    with pytest.raises(Unfit):
        library.make(tag, parts)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("builtins", "print"),
        ("builtins", "type"),
        ("operator", "attrgetter"),
        ("operator", "methodcaller"),
        ("operator", "setitem"),
        ("math", "__loader__"),
        ("math", "__name__"),
        ("unittest.mock", "ANY"),
        ("unittest.mock", "MagicMock"),
        ("types", "FunctionType"),
        ("collections", "UserDict"),
        (1, 2),
    ],
)
def test_foreign_code_cannot_name_it(module: Any, name: Any) -> None:
    with pytest.raises(Unfit):
        library.shared(module, name)


@pytest.mark.parametrize(
    "value",
    [math.sqrt, operator.add, len, datetime.date, collections.Counter, uuid.UUID, type(None)],
)
def test_both_sides_have_it(value: Any) -> None:
    known = library.shared_name(value)
    assert known is not None
    assert library.shared(*known) is value


@pytest.mark.parametrize("value", [os.system, builtins.eval, operator.itemgetter(1), types, print])
def test_only_one_side_has_it(value: Any) -> None:
    assert library.shared_name(value) is None


@pytest.mark.parametrize(
    "kind",
    [
        type("PosixPath", (), {"__module__": "pathlib"}),
        type("UUID", (), {"__module__": "uuid"}),
        type("HTTPStatus", (), {"__module__": "http", "_member_map_": {}}),
        type("Own", (type(pathlib.PurePath()),), {}),
    ],
)
def test_a_name_alone_makes_no_class_of_the_library(kind: Any) -> None:
    assert library.parts(object.__new__(kind), kind) is None


def test_a_member_of_an_enumeration() -> None:
    assert library.make(*_split(http.HTTPStatus.OK)) is http.HTTPStatus.OK


def _split(value: Any) -> tuple[str, list[Any]]:
    found = library.parts(value, type(value))
    assert found is not None
    return found[0], found[1:]
