"""Values that JSON cannot say, expected exceptions and the other kinds of tests, in task files."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from hrmgym.envs.benchmarks import jsonl_format
from hrmgym.envs.benchmarks.jsonl import JsonlTasks, read_tasks
from hrmgym.envs.sandboxes.inside import values
from hrmgym.envs.sandboxes.inside.values import Named
from hrmgym.envs.sandboxes.pool import Pool
from hrmgym.envs.sandboxes.verdicts import calltests
from hrmgym.envs.task import CallCase, CallTests, Limits, PytestTests, StdioTests
from hrmgym.envs.testkinds import jsonvalues
from hrmgym.errors import DataError, SandboxError

DATA = files("hrmgym.envs").joinpath("data")
SCHEMA = json.loads(DATA.joinpath("task.schema.json").read_text("utf-8"))

check = fastjsonschema.compile(SCHEMA, use_default=False)


def task(code: str, cases: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A line whose reference is `code`; its untouched file has nothing that works."""
    tests = {"kind": "calls", "path": "a.py", "function": "f", "cases": cases}
    return {
        "id": "one",
        "language": "python",
        "prompt": "f",
        "files": {"a.py": "def f(*args):\n    return ...\n"},
        "editable": ["a.py"],
        "visible_tests": tests,
        "hidden_tests": tests,
        "reference": {"a.py": code},
    } | more


def write(folder: Path, *lines: Any) -> Path:
    path = folder / "tasks.jsonl"
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text("".join(text + "\n" for text in texts))
    return path


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ({"$tuple": [1, [2], {"$tuple": []}]}, (1, [2], ())),
        ({"$set": [1, {"$tuple": [2]}]}, {1, (2,)}),
        ({"$set": []}, set()),
        ({"$frozenset": ["a"]}, frozenset("a")),
        ({"$bytes": "/wBoaQ=="}, b"\xff\x00hi"),
        ({"$float": "inf"}, math.inf),
        ({"$float": "-inf"}, -math.inf),
        ({"$dict": [[1, "a"], [{"$tuple": [1]}, "b"]]}, {1: "a", (1,): "b"}),
        ({"$dict": [["$tuple", [1]]]}, {"$tuple": [1]}),
        ({"tuple": [1], "a$": 2, "": 3}, {"tuple": [1], "a$": 2, "": 3}),
        ({"$import": "builtins:int"}, int),
        ({"$import": "a.b:C.d"}, Named("a.b", "C.d")),
        (10**400, 10**400),
        ("\ud800", "\ud800"),
        (None, None),
    ],
)
def test_tagged_values(data: Any, value: Any) -> None:
    found = jsonvalues.decode(data)
    assert found == value
    assert type(found) is (Named if isinstance(value, type) else type(value))
    fastjsonschema.compile({**SCHEMA["$defs"]["Value"], "$defs": SCHEMA["$defs"]})(data)


def test_a_nan() -> None:
    assert math.isnan(jsonvalues.decode({"$float": "nan"}))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"$tupel": []}, "unknown tag '$tupel'; did you mean '$tuple'?"),
        ({"$tuple": [], "a": 1}, "no other key"),
        ({"$tuple": 3}, "$tuple takes a list"),
        ({"$set": [[1]]}, "$set: unhashable"),
        ({"$set": [1, 1]}, "$set: a member or key stands twice"),
        ({"$dict": [[1, 2, 3]]}, "[key, value] pairs"),
        ({"$dict": [[1, 2], [1, 3]]}, "$dict: a member or key stands twice"),
        ({"$bytes": "?"}, "$bytes takes base64"),
        ({"$bytes": "é"}, "$bytes takes base64"),
        ({"$bytes": 3}, "$bytes takes a text"),
        ({"$float": "NaN"}, "$float takes one of nan, inf, -inf"),
        ({"$import": "int"}, "$import takes module:name"),
        ({"$import": "os; x:y"}, "$import takes module:name"),
    ],
)
def test_tags_that_do_not_fit(tmp_path: Path, data: Any, message: str) -> None:
    line = task("", [{"args": [1], "expected": [data]}])
    with pytest.raises(DataError) as caught:
        read_tasks(write(tmp_path, line))
    assert "tasks.jsonl:1: visible_tests.cases.0.expected: " in str(caught.value)
    assert message in str(caught.value)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


CASE = {"args": [1], "expected": 1}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (task("", [{"args": [1]}]), "cases.0: give either expected or raises"),
        (task("", [CASE | {"raises": "E"}]), "cases.0: give either expected or raises"),
        (task("", [CASE | {"match": "E"}]), "cases.0: match goes with raises"),
        (
            task("", [{"args": [], "raises": "E", "match": "("}]),
            "0.match: not a regular expression",
        ),
        (task("", [{"args": [], "raises": "not a name"}]), "cases.0.raises: "),
        (task("", [{"args": [nested(99)], "expected": 1}]), "cases.0.args.0: values lie in each"),
        (
            task("", [CASE, CASE | {"id": "case-1"}]),
            "visible_tests: test id 'case-1'",
        ),
        (task("", [CASE], files={"a.py": "", "./a.py": ""}), "files: path 'a.py' stands twice"),
        (task("", [CASE], files={"a.py": "", "a.py/b": ""}), "'a.py' is a file, so 'a.py/b'"),
        (task("", [CASE], files={"a.py": "", "b/": ""}), "path 'b/' names a folder"),
        (task("", [CASE], files={"a.py": "", "x" * 256: ""}), "too long for a file system"),
        (task("", [CASE], files={"a.py": "", "a\0": ""}), "does not stay inside"),
        (task("", [CASE], files={"a.py": "", "b/../c": ""}), "does not stay inside"),
        (task("", [CASE], files={"a.py": "\ud800"}), "files.a.py: holds a lone surrogate"),
        (task("", [CASE], prompt="\udcff"), "prompt: holds a lone surrogate"),
        (
            task("", [CASE], visible_tests={"kind": "cals"}),
            "visible_tests: kind: unknown kind 'cals'; did you mean 'calls'?",
        ),
        (
            task("", [CASE], visible_tests={"kind": "stdio", "path": "b.py", "cases": []}),
            "visible_tests.cases: ",
        ),
        (
            task("", [CASE], hidden_tests={"kind": "calls", "path": "b.py", "function": "f"}),
            "hidden_tests.cases: ",
        ),
        (
            task("", [CASE], hidden_tests=task("", [CASE])["hidden_tests"] | {"path": "b.py"}),
            "hidden_tests.path 'b.py' is not in files; did you mean 'a.py'?",
        ),
        ('{"id": "a", "id": "b"}', "not JSON: key 'id' stands twice in one object"),
        ('{"id": NaN}', 'not JSON: NaN; write {"$float": "nan"}'),
        ('{"id": 1e999}', 'not JSON: 1e999 is larger than any float; write {"$float": "inf"}'),
        ("[" * 100_000, "not JSON: "),
    ],
)
def test_faults_are_named(tmp_path: Path, line: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_tasks(write(tmp_path, line))
    assert str(caught.value).startswith(f"{tmp_path}/tasks.jsonl:1: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


ECHO = "def f(*args):\n    return args[0] if len(args) == 1 else args\n"
SHAPES = """\
class Square:
    pass

class Odd(ValueError):
    pass

def f(value):
    if value == 1:
        raise Odd("no odd 1 here")
    if value == 2:
        return {}["two"]
    if value == 3:
        raise SystemExit(3)
    return Square
"""
RAISES = [
    {"args": [1], "raises": "ValueError"},  # a base of it
    {"args": [1], "raises": "a:Odd", "match": "odd [0-9]"},
    {"args": [2], "raises": "LookupError"},
    {"args": [2], "raises": "KeyError", "match": "two"},
    {"args": [3], "raises": "SystemExit"},
    {"args": [4], "expected": {"$import": "a:Square"}},
]


def given(data: Any) -> dict[str, Any]:
    return {"args": [data], "expected": data}


@pytest.mark.parametrize(
    ("line", "bad"),
    [
        (
            task(
                ECHO,
                [
                    given({"$tuple": [1, {"$set": [2]}]}),
                    given({"$bytes": "/wA="}),
                    given({"$float": "nan"}),
                    given([{"$float": "-inf"}, {"$dict": [[1, {"$float": "nan"}]]}]),
                    given({"$import": "builtins:int"}),
                    given("\ud800"),
                    given(10**400),
                ],
            ),
            "def f(x):\n    return None\n",
        ),
        (
            task(
                "def f(kind, text):\n    return kind(text)\n",
                [{"args": [{"$import": "builtins:str.upper"}, "a"], "expected": "A"}],
            ),
            "def f(kind, text):\n    return text\n",
        ),
        (task(SHAPES, RAISES), SHAPES.replace("Odd(ValueError)", "Odd(TypeError)")),
        (task(SHAPES, RAISES[:2]), SHAPES.replace("odd 1", "odd one")),
        (task(SHAPES, RAISES[:1]), "def f(x):\n    return ValueError\n"),
    ],
)
def test_such_values_decide(tmp_path: Path, line: dict[str, Any], bad: str) -> None:
    """The reference passes; the untouched file and a wrong solution do not."""
    path = write(tmp_path, line)
    check(line)
    benchmark = JsonlTasks(str(path))
    (one,) = benchmark.tasks("test")
    with Pool() as pool:
        assert benchmark.grade(one, one.solution(), pool).resolved
        assert not benchmark.grade(one, one.workspace.start, pool).resolved
        assert not benchmark.grade(one, {"a.py": bad}, pool).resolved


def test_the_other_kinds_and_paths(tmp_path: Path) -> None:
    stdio = {
        "kind": "stdio",
        "path": "./lib//main.py",
        "compare": "tokens",
        "cases": [{"stdin": "2", "expected": " 4 "}, {"id": "x", "stdin": "3", "expected": "6"}],
    }
    together = {
        "kind": "pytest",
        "files": {"./test_a.py": "import main\ndef test_a():\n    assert main.f(1) == 2\n"},
        "ids": ["./test_a.py::test_a"],
        "together": True,
    }
    line = task("", [CASE]) | {
        "files": {"./test_helper.py": "", "lib/note": ""},
        "editable": ["./lib/main.py", "main.py"],
        "reference": {
            "lib/./main.py": "print(int(input()) * 2)\n",
            "./main.py": "f = lambda x: x + x\n",
        },
        "visible_tests": stdio,
        "hidden_tests": together,
    }
    check(line)
    benchmark = JsonlTasks(str(write(tmp_path, line)))
    (one,) = benchmark.tasks("test")
    assert set(one.workspace.files) == {"test_helper.py", "lib/note"}
    assert one.editable == ("lib/main.py", "main.py")
    assert isinstance(one.visible_tests, StdioTests)
    assert one.visible_tests.path == "lib/main.py"
    assert one.visible_tests.test_ids == ("case-1", "x")
    assert isinstance(one.hidden_tests, PytestTests)
    assert one.hidden_tests.together
    assert one.hidden_tests.ids == ("test_a.py::test_a",)
    with Pool() as pool:
        graded = benchmark.grade(one, one.solution(), pool)
        assert graded.resolved, graded
        assert not benchmark.grade(one, one.workspace.start, pool).resolved


def test_the_schema_that_ships_is_that_of_the_models() -> None:
    assert jsonl_format.schema() == SCHEMA


def test_the_example_fits_the_schema_and_faults_do_not() -> None:
    lines = DATA.joinpath("example-tasks.jsonl").read_text("utf-8").splitlines()
    for line in lines:
        check(json.loads(line))
    good = json.loads(lines[0])
    for bad in (
        good | {"promt": ""},
        {key: value for key, value in good.items() if key != "reference"},
        good | {"hidden_tests": {"kind": "cals"}},
        task("", [{"args": [1]}]),
        task("", [CASE | {"raises": "E"}]),
        task("", [{"args": [{"$tupel": []}], "expected": 1}]),
        task("", [{"args": [{"$tuple": [], "a": 1}], "expected": 1}]),
        task("", [{"args": [], "expected": {"$float": "NaN"}}]),
    ):
        with pytest.raises(fastjsonschema.JsonSchemaException):
            check(bad)


def test_an_argument_that_is_not_plain_is_no_zero() -> None:
    for arg in (Decimal(1), [object()], nested(99), {1: (Decimal(1),)}):
        case = CallCase(id="a", args=(arg,), expected=1)
        tests = CallTests(path="a.py", function="f", cases=(case,))
        with pytest.raises(SandboxError, match="cannot go into a sandbox") as caught:
            calltests.request({}, tests, Limits())
        assert caught.value.code == "cannot_cross"
    assert values.is_plain(values.encode([1, {"a": {b"x", (1.5, None)}}]))
