"""Puts edited bodies into functions that are already loaded. Standard library only.

Whoever holds such a function, under any name, runs the new body from then on; so what has been
imported from the edited module stays as it is.
"""

from __future__ import annotations

import ast
import bisect
import gc
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType, FunctionType
from typing import NamedTuple

from hrmgym.envs.sandboxes.screening import chunks

_NOTHING: CodeType = compile("", "", "exec")


class _Place(NamedTuple):
    """A function that is in no other one: where it is in the text."""

    name: str
    classes: tuple[str, ...]
    head: str
    """Lines that lead to it: of the classes and blocks that it is in."""
    start: int
    """Of the line with its `def`."""
    body: int
    end: int
    """With the blank lines that follow."""
    lines: tuple[int, int]
    """Its first line by the interpreter's count, which decorators may begin, and that of `def`."""


class Bodies:
    """The functions of a module, as it is loaded.

    Args:
        text: The module as it is.
        file: Its path, as the interpreter has it.
        run: The code that has run since: what came of it another body cannot change.
    """

    def __init__(self, text: str, file: str, run: Collection[CodeType] = ()) -> None:
        self._run = frozenset(map(id, run))
        self._text, self._file = text, file
        self._places = sorted(_places(text), key=lambda place: place.body)
        self._starts = [place.body for place in self._places]
        self._flags = chunks.features_of(text, file)
        self._outer: dict[_Place, list[object]] = {}
        self._live: dict[tuple[str, int], list[FunctionType]] = {}
        for one in gc.get_objects():
            if type(one) is FunctionType and one.__code__.co_filename == file:
                key = one.__code__.co_name, one.__code__.co_firstlineno
                self._live.setdefault(key, []).append(one)

    def edited(self, text: str) -> tuple[CodeType, list[FunctionType]] | None:
        """The new body that a text gives a function, and the functions that are to have it.

        Returns:
            None where the text differs elsewhere, or where nothing loaded can take it.

        Raises:
            SyntaxError: The body is no Python.
        """
        before = self._text
        if text == before:
            return _NOTHING, []
        first = _common(before, text)
        last = len(before) - _common_end(before, text, first)
        at = bisect.bisect_right(self._starts, first) - 1
        if at < 0 or last > self._places[at].end:
            return None
        place = self._places[at]
        piece = text[place.start : place.end + len(text) - len(before)]
        outer, code = self._compiled(place, piece)
        if place not in self._outer:
            self._outer[place] = self._compiled(place, before[place.start : place.end])[0]
        if outer != self._outer[place]:  # something more than the body
            return None
        live = [one for line in set(place.lines) for one in self._live.get((place.name, line), ())]
        if code is None or not live:
            return None
        for one in live:
            if id(one.__code__) in self._run or one.__code__.co_freevars != code.co_freevars:
                return None
        return code, live

    def _compiled(self, place: _Place, piece: str) -> tuple[list[object], CodeType | None]:
        """What is around a function's code, and that code."""
        source = place.head + piece
        found: CodeType = compile(source, self._file, "exec", flags=self._flags, dont_inherit=True)
        around: list[object] = []
        for name in (*place.classes, place.name):
            around.append((found.co_code, found.co_names))
            inner = [
                one for one in found.co_consts if isinstance(one, CodeType) and one.co_name == name
            ]
            if len(inner) != 1:
                return around, None
            found = inner[0]
        return around, found


@contextmanager
def noting(file: str, run: set[CodeType]) -> Iterator[None]:
    """Note the code of a file that runs meanwhile."""

    def call(frame: FrameType, event: str, arg: object) -> None:
        if event == "call" and frame.f_code.co_filename == file:
            run.add(frame.f_code)

    sys.setprofile(call)
    try:
        yield
    finally:
        sys.setprofile(None)


@contextmanager
def patched(code: CodeType, functions: list[FunctionType]) -> Iterator[None]:
    """Have functions run another body for a while."""
    before = [one.__code__ for one in functions]
    for one in functions:
        one.__code__ = code
    try:
        yield
    finally:
        for one, old in zip(functions, before, strict=True):
            one.__code__ = old


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_end(one: str, other: str, begun: int) -> int:
    """How many characters two texts end with, beyond those that they begin with."""
    low, high = 0, min(len(one), len(other)) - begun
    while low < high:
        middle = (low + high + 1) // 2
        if one[len(one) - middle : len(one) - low] == other[len(other) - middle : len(other) - low]:
            low = middle
        else:
            high = middle - 1
    return low


def _blank_until(text: str, end: int) -> int:
    """Where the blank rest of a text's lines ends, from a place on."""
    rest = text[end:]
    return end + len(rest) - len(rest.lstrip(" \t\n"))


def _places(text: str) -> Iterator[_Place]:
    if "\r" in text or "\f" in text:
        return
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)

    def offset(line: int, column: int) -> int:
        return starts[line - 1] + len(lines[line - 1].encode()[:column].decode(errors="ignore"))

    def walk(body: list[ast.stmt], classes: tuple[str, ...], head: str) -> Iterator[_Place]:
        for node in body:
            blanks = lines[node.lineno - 1][: node.col_offset]
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = node.body[0]
                end = node.end_lineno or node.lineno
                yield _Place(
                    node.name,
                    classes,
                    head,
                    starts[node.lineno - 1],
                    offset(first.lineno, first.col_offset),
                    _blank_until(text, offset(end, node.end_col_offset or 0)),
                    (min([node.lineno, *(d.lineno for d in node.decorator_list)]), node.lineno),
                )
            elif isinstance(node, ast.ClassDef):
                more = f"{head}{blanks}class {node.name}:\n"
                yield from walk(node.body, (*classes, node.name), more)
            elif not isinstance(node, ast.Match):
                for name in ("body", "orelse", "finalbody"):
                    yield from walk(getattr(node, name, []), classes, f"{head}{blanks}if 1:\n")
                for handler in getattr(node, "handlers", []):
                    yield from walk(handler.body, classes, f"{head}{blanks}if 1:\n")

    yield from walk(tree.body, (), "")
