"""Small programs written for this project, and their bugs.

Each file `programs/<name>.yaml` holds one kata: a correct Python program of one top-level function
of the same name, and the cases that pin it down. The keys, all required:

    name      file name = kata name = function name
    split     train, valid or test
    prompt    1 to 3 sentences that state exactly what the function does
    code      the program: plain Python, standard library only, pure, deterministic
    visible   3 to 6 cases [[argument, ...], expected value]; the agent may see their failures
    hidden    5 to 10 further cases; none of them is also visible
    bugs      2 or 3 mistakes by hand {note, find, replace}; `find` occurs exactly once in `code`,
              and `replace` takes its place

Arguments and values are plain data of YAML 1.2 (null, bool, int, float, str, list, dict with text
as keys), so no program takes or returns a tuple or a set. The bugs that make tasks of the katas, by
hand and by operator, are in `bugs.json`; `hrmgym.envs.benchmarks.katas.bugs` builds and reads it.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import PurePath
from typing import Any, NamedTuple

from hrmgym.config import Path as KeyPath
from hrmgym.envs.task import Value
from hrmgym.errors import DataError, did_you_mean, first_line
from hrmgym.jsonfile import shown
from hrmgym.yaml12 import dotted, parse

PACKAGE = "hrmgym.envs.benchmarks.katas"
SPLITS = ("train", "valid", "test")

_KEYS = ("name", "split", "prompt", "code", "visible", "hidden", "bugs")
_BUG_KEYS = ("note", "find", "replace")


class Case(NamedTuple):
    """One call and what it must return; a caller copies both before it hands them to a program."""

    args: tuple[Value, ...]
    expected: Value


@dataclass(frozen=True, slots=True)
class HandBug:
    """A mistake written by hand: `find` occurs once in the code, and `replace` takes its place."""

    note: str
    find: str
    replace: str


@dataclass(frozen=True, slots=True)
class Kata:
    """A correct program of one function, and the cases that pin it down."""

    name: str
    """Name of the kata and of its function."""
    split: str
    prompt: str
    code: str
    visible: tuple[Case, ...]
    hidden: tuple[Case, ...]
    bugs: tuple[HandBug, ...]


@cache
def load_katas() -> tuple[Kata, ...]:
    """All katas, sorted by name.

    Raises:
        DataError: a file is missing a key, holds an unknown one, or breaks a rule of the schema.
    """
    folder = resources.files(PACKAGE) / "programs"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name)
    if not files:
        raise DataError(f"{folder}: no katas (*.yaml); the package is not installed completely")
    return tuple(read_kata(file) for file in files)


def read_kata(file: Traversable) -> Kata:
    """One kata from its file.

    Raises:
        DataError: the file cannot be read, or breaks a rule of the schema.
    """
    try:
        return parse_kata(file.read_text(encoding="utf-8"), file.name)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise DataError(f"{file.name}: cannot be read: {reason}") from None


def parse_kata(text: str, where: str) -> Kata:
    """One kata from the text of its file, whose name is `where`.

    Raises:
        DataError: the text breaks a rule of the schema.
    """
    data, lines = parse(text, where, error=DataError)
    source = _Source(where, lines)
    fields = source.mapping(data, _KEYS, ())
    kata = Kata(
        name=source.text(fields["name"], ("name",)),
        split=source.text(fields["split"], ("split",)),
        prompt=source.text(fields["prompt"], ("prompt",)),
        code=source.text(fields["code"], ("code",)),
        visible=_cases(fields["visible"], source, ("visible",)),
        hidden=_cases(fields["hidden"], source, ("hidden",)),
        bugs=_hand_bugs(fields["bugs"], fields["code"], source),
    )
    _check(kata, source)
    return kata


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a kata's values stand."""

    file: str
    lines: Mapping[KeyPath, int]

    def wrong(self, path: KeyPath, what: str) -> DataError:
        line = self.lines.get(path, 1)
        return DataError(f"{self.file}:{line}: {f'{dotted(path)}: ' if path else ''}{what}")

    def mapping(self, data: object, keys: tuple[str, ...], path: KeyPath) -> Mapping[str, Any]:
        if not isinstance(data, dict):
            raise self.wrong(path, f"must be a mapping with the keys {', '.join(keys)}")
        for key in data:
            if key not in keys:
                raise self.wrong((*path, key), f"unknown key{did_you_mean(key, keys)}")
        for key in keys:
            if key not in data:
                raise self.wrong(path, f"key {key!r} is missing")
        return data

    def text(self, value: object, path: KeyPath) -> str:
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(path, f"must be text that is not blank, is {shown(value)}")
        return value

    def items(self, value: object, path: KeyPath) -> list[Any]:
        if not isinstance(value, list):
            raise self.wrong(path, f"must be a list, is {type(value).__name__}")
        return value


def _check(kata: Kata, source: _Source) -> None:
    if kata.name != PurePath(source.file).stem:
        own = PurePath(source.file).stem
        raise source.wrong(("name",), f"is {shown(kata.name)}, the file's is {own!r}")
    if kata.split not in SPLITS:
        near = did_you_mean(kata.split, SPLITS)
        raise source.wrong(("split",), f"unknown split {shown(kata.split)}{near}")
    for key, count, low, high in (
        ("visible", len(kata.visible), 3, 6),
        ("hidden", len(kata.hidden), 5, 10),
        ("bugs", len(kata.bugs), 2, 3),
    ):
        if not low <= count <= high:
            raise source.wrong((key,), f"{count} entries, must be {low} to {high}")
    seen: set[str] = set()
    for key, cases in (("visible", kata.visible), ("hidden", kata.hidden)):
        for number, case in enumerate(cases):
            arguments = repr(case.args)
            if arguments in seen:
                raise source.wrong((key, number), f"a case above has the arguments {arguments}")
            seen.add(arguments)
    try:
        tree = ast.parse(kata.code)
    except SyntaxError as error:
        at = f"line {error.lineno}: " if error.lineno else ""
        raise source.wrong(("code",), f"{at}{error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:  # of what lies in itself too deep
        raise source.wrong(("code",), f"Python cannot parse it: {first_line(error)}") from None
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    if functions.count(kata.name) != 1:
        what = f"must define the function {kata.name!r} once; defines {functions}"
        raise source.wrong(("code",), what)


def _cases(value: object, source: _Source, path: KeyPath) -> tuple[Case, ...]:
    cases = []
    for number, entry in enumerate(source.items(value, path)):
        if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], list)):
            raise source.wrong((*path, number), "must be [[argument, ...], expected value]")
        cases.append(Case(args=tuple(entry[0]), expected=entry[1]))
    return tuple(cases)


def _hand_bugs(value: object, code: str, source: _Source) -> tuple[HandBug, ...]:
    bugs = []
    for number, entry in enumerate(source.items(value, ("bugs",))):
        here: KeyPath = ("bugs", number)
        fields = source.mapping(entry, _BUG_KEYS, here)
        bug = HandBug(
            note=source.text(fields["note"], (*here, "note")),
            find=source.text(fields["find"], (*here, "find")),
            replace=fields["replace"],
        )
        if not isinstance(bug.replace, str):
            raise source.wrong((*here, "replace"), f"must be text, is {shown(bug.replace)}")
        if (times := code.count(bug.find)) != 1:
            what = f"{shown(bug.find)} occurs {times} times in the code, not once"
            raise source.wrong((*here, "find"), what)
        bugs.append(bug)
    return tuple(bugs)
