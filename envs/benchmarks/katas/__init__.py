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

Arguments and values are plain YAML data (null, bool, int, float, str, list, dict), so no program
takes or returns a tuple or a set. The bugs that make tasks of the katas, by hand and by operator,
are in `bugs.json`, which `hrmgym.envs.benchmarks.katas.bugs` builds and reads.
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

import yaml

from hrmgym.envs.task import Value
from hrmgym.errors import DataError, did_you_mean, first_line

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
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DataError(f"{where}: not YAML: {' '.join(str(error).split())}") from None
    except (ValueError, OverflowError, RecursionError) as error:  # a date or a number; depth
        raise DataError(f"{where}: not YAML: {first_line(error)}") from None
    fields = _mapping(data, _KEYS, where)
    for key in ("name", "split", "prompt", "code"):
        _text(fields[key], f"{where}: {key}")
    kata = Kata(
        name=fields["name"],
        split=fields["split"],
        prompt=fields["prompt"],
        code=fields["code"],
        visible=_cases(fields["visible"], f"{where}: visible"),
        hidden=_cases(fields["hidden"], f"{where}: hidden"),
        bugs=_hand_bugs(fields["bugs"], fields["code"], f"{where}: bugs"),
    )
    _check(kata, where)
    return kata


def _check(kata: Kata, where: str) -> None:
    if kata.name != PurePath(where).stem:
        raise DataError(f"{where}: name is {kata.name!r}, the file's is {PurePath(where).stem!r}")
    if kata.split not in SPLITS:
        raise DataError(
            f"{where}: split: unknown split {kata.split!r}{did_you_mean(kata.split, SPLITS)}"
        )
    for key, count, low, high in (
        ("visible", len(kata.visible), 3, 6),
        ("hidden", len(kata.hidden), 5, 10),
        ("bugs", len(kata.bugs), 2, 3),
    ):
        if not low <= count <= high:
            raise DataError(f"{where}: {key}: {count} entries, must be {low} to {high}")
    seen = [repr(case.args) for case in kata.visible + kata.hidden]
    twice = sorted({args for args in seen if seen.count(args) > 1})
    if twice:
        raise DataError(f"{where}: two cases have the arguments {twice[0]}")
    try:
        tree = ast.parse(kata.code)
    except SyntaxError as error:
        raise DataError(f"{where}: code: line {error.lineno}: {error.msg}") from None
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    if functions.count(kata.name) != 1:
        raise DataError(
            f"{where}: code: must define the function {kata.name!r} once; defines {functions}"
        )


def _mapping(data: object, keys: tuple[str, ...], where: str) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise DataError(f"{where}: must be a mapping with the keys {', '.join(keys)}")
    for key in data:
        if key not in keys:
            raise DataError(f"{where}: unknown key {key!r}{did_you_mean(str(key), keys)}")
    for key in keys:
        if key not in data:
            raise DataError(f"{where}: key {key!r} is missing")
    return data


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}: must be text that is not blank, is {value!r}")
    return value


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise DataError(f"{where}: must be a list, is {type(value).__name__}")
    return value


def _cases(value: object, where: str) -> tuple[Case, ...]:
    cases = []
    for number, entry in enumerate(_list(value, where), start=1):
        if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], list)):
            raise DataError(f"{where}: case {number}: must be [[argument, ...], expected value]")
        _plain(entry, f"{where}: case {number}")
        cases.append(Case(args=tuple(entry[0]), expected=entry[1]))
    return tuple(cases)


def _plain(value: object, where: str) -> None:
    """Dates and sets, which YAML reads from unquoted text, are refused."""
    if isinstance(value, list):
        for item in value:
            _plain(item, where)
    elif isinstance(value, dict):
        for key, item in value.items():
            _plain(key, where)
            _plain(item, where)
    elif value is not None and type(value) not in (bool, int, float, str):
        raise DataError(f"{where}: {value!r} is a {type(value).__name__}; quote it to make it text")


def _hand_bugs(value: object, code: str, where: str) -> tuple[HandBug, ...]:
    bugs = []
    for number, entry in enumerate(_list(value, where), start=1):
        here = f"{where}: bug {number}"
        fields = _mapping(entry, _BUG_KEYS, here)
        bug = HandBug(
            note=_text(fields["note"], f"{here}: note"),
            find=_text(fields["find"], f"{here}: find"),
            replace=fields["replace"],
        )
        if not isinstance(bug.replace, str):
            raise DataError(f"{here}: replace: must be text, is {bug.replace!r}")
        if code.count(bug.find) != 1:
            raise DataError(
                f"{here}: {bug.find!r} occurs {code.count(bug.find)} times in the code, not once"
            )
        bugs.append(bug)
    return tuple(bugs)
