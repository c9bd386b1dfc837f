"""Tests of the function that an agent is told of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hrmgym.envs.focus import fault, names_in, parts_of, span_of
from hrmgym.envs.interfaces import EditInterface
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.state import State
from hrmgym.envs.task import Outcome, Status, Task, Workspace
from hrmgym.errors import DataError
from hrmgym.tests.tiny import OneTask, double_task, state_of

BOX = '''\
import os

class Box:
    """A box."""

    @property
    def size(self):
        def inner(x):
            return x
        return inner(3)

    @size.setter
    def size(self, value):
        self.value = value

if os.name:
    async def later(): return "ü"
'''
#: Some hundred functions, so that a file takes many windows.
LONG = "".join(f"def f{n}(x):\n    return x + {n}\n\n" for n in range(200))


def long_task(focus: str) -> Task:
    return replace(
        double_task(),
        workspace=Workspace(files={"a.py": "x = 1\n", "long.py": LONG}),
        editable=("a.py", "long.py"),
        focus=focus,
    )


def shown(state: State, interface: EditInterface) -> str:
    canvas = interface.canvas(state)
    begin, end = canvas.window
    return canvas.code.data[canvas.code.offsets[begin] : canvas.code.offsets[end]].decode()


@pytest.mark.parametrize(
    ("name", "begins", "ends"),
    [
        ("Box", "class Box:", "value = value\n"),
        ("Box.size", "    @size.setter\n    def size(self, value)", "value = value\n"),
        ("Box.size.inner", "        def inner(x):", "return x\n"),
        ("later", "    async def later()", '"ü"\n'),
    ],
)
def test_a_definition_is_found_with_its_decorators(name: str, begins: str, ends: str) -> None:
    span = span_of(BOX, name)
    assert span is not None
    text = BOX[slice(*span)]
    assert text.startswith(begins)
    assert text.endswith(ends)


def test_what_is_not_there_has_no_span() -> None:
    assert span_of(BOX, "Box.open") is None
    assert span_of("", "f") is None
    assert names_in("def f(:") is None
    assert names_in(BOX) == ("Box", "Box.size", "Box.size.inner", "later")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_end_as_the_text_has_them(newline: str) -> None:
    text = f"x = 1{newline}def f():{newline}    return 2{newline}y = 2{newline}"
    span = span_of(text, "f")
    assert span is not None
    assert text[slice(*span)] == f"def f():{newline}    return 2{newline}"
    end = f"def f():{newline}    return 2"
    assert span_of(end, "f") == (0, len(end))


@pytest.mark.parametrize(
    ("language", "text", "line"),
    [
        ("go", "// Grow it\nfunc (b *Box) Grow(n int) {\n}\n", "func (b *Box) Grow(n int) {\n"),
        ("rust", "fn main() {}\npub fn grow(n: u8) {}", "pub fn grow(n: u8) {}"),
        ("java", "class Box {\n  int grow(int n) {\n", "  int grow(int n) {\n"),
        ("python", "def grow(x:\n  return (\n", "def grow(x:\n"),
    ],
)
def test_in_other_texts_a_line_stands_for_it(language: str, text: str, line: str) -> None:
    name = "Box.Grow" if language == "go" else "grow"
    span = span_of(text, name, language)
    assert span is not None
    assert text[slice(*span)] == line


@pytest.mark.parametrize(
    ("focus", "message"),
    [
        ("double", "is not of the form 'path::Qualified.name'"),
        ("double.py::", "is not of the form"),
        ("::double", "is not of the form"),
        ("double.py::a.<locals>.b", "is not of the form"),
        ("duoble.py::double", "'duoble.py' is not editable; did you mean 'double.py'?"),
    ],
)
def test_a_wrong_focus_is_an_error(focus: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        replace(double_task(), focus=focus)
    assert message in str(caught.value)
    assert "task 'double': focus" in str(caught.value)


def test_a_focus_may_lie_in_what_a_pattern_allows() -> None:
    assert not fault("src/a.py::Box.open", ("src/**",))
    assert parts_of("src/a.py::Box.open") == ("src/a.py", "Box.open")
    assert parts_of("") == ("", "")


@pytest.mark.parametrize("function", ["f0", "f5", "f77", "f142", "f199"])
def test_an_episode_begins_where_the_focus_is_whole_in_view(function: str) -> None:
    task = long_task(f"long.py::{function}")
    env = SoftwareEnv(OneTask(task), canvas=256, auto_test=False)
    env.reset(seed=0)
    assert env.state.task.focus == task.focus
    assert env.state.cursor.path == "long.py"
    assert isinstance(env.interface, EditInterface)
    assert f"def {function}(x):\n    return x + {function[1:]}\n" in shown(env.state, env.interface)
    env.close()


def test_without_a_focus_the_first_file_and_the_failing_line_are_shown() -> None:
    env = SoftwareEnv(OneTask(long_task("")), canvas=256, auto_test=False)
    env.reset(seed=0)
    assert env.state.cursor.path == "a.py"
    env.close()


@pytest.mark.parametrize(("line", "in_focus"), [(451, False), (140, True), (2, True)])
def test_a_failing_line_counts_within_the_focus_alone(line: int, in_focus: bool) -> None:
    body = "".join(f"    x = x + {n}\n" for n in range(150))
    text = f"def f(x):\n{body}    return x\n\n{LONG}"
    task = replace(
        long_task("long.py::f"), workspace=Workspace(files={"a.py": "", "long.py": text})
    )
    failed = Outcome(tests={"t": Status.FAILED}, path="long.py", line=line)
    interface = EditInterface(256)
    state = interface.start(replace(state_of(task), outcome=failed))
    seen = shown(state, interface)
    failing = text.splitlines()[line - 1]
    assert (failing in seen) is in_focus
    assert "x = x +" in seen
