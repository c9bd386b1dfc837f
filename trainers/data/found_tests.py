"""Tests for functions that have none: calls of them, and what they returned.

Only functions that stand alone are tried: no method, no name from outside but builtins and a few
modules of the standard library. Each is called in a sandbox with values drawn by chance; calls that
returned plain values, the same twice, become tests of a task whose bugs fail them.
"""

from __future__ import annotations

import ast
import builtins
import json
import logging
import platform
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hrmgym.envs.cache import cache_dir
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.inside import values
from hrmgym.envs.sandboxes.inside.values import Opaque
from hrmgym.envs.sandboxes.verdicts.hearing import Heard
from hrmgym.envs.task import CallCase, CallTests, Limits, Status
from hrmgym.trainers.data.corpus import (
    CORPUS_VERSION,
    CorpusFunction,
    stdlib_functions,
    write_whole,
)
from hrmgym.trainers.data.drawn_values import KINDS, draw_kinds
from hrmgym.trainers.data.heldout import is_held_out
from hrmgym.trainers.data.packages import package_functions, packages_version

VERSION = 1
"""Part of the cache's key: to be raised with every change of what this module yields."""
MOST_CASES = 5
_MOST_PARAMETERS = 4
_DRAWN = 32  # calls of one round
_LIMITS = Limits(cpu_s=0.1, wall_s=2.0, memory_mb=256)
_WIDEST = 60  # characters of arguments and of a result, as repr
# fmt: off
MODULES = frozenset((
    "base64", "binascii", "bisect", "calendar", "collections", "copy", "datetime", "decimal",
    "fractions", "functools", "heapq", "html", "itertools", "math", "ntpath", "operator", "os",
    "posixpath", "re", "string", "struct", "textwrap", "urllib",
))
"""What a function may use besides builtins."""
_BARRED = frozenset((
    "breakpoint", "exit", "globals", "hash", "id", "input", "locals", "open", "print", "quit",
    "vars",
))
"""Builtins whose results are not the function's own, or differ from run to run."""
# fmt: on
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CheckedFunction:
    """A function with calls that pin it down."""

    name: str
    code: str
    """The function alone."""
    imports: str
    """What must stand above it; "" if nothing."""
    docstring: str
    cases: tuple[CallCase, ...]

    @property
    def tests(self) -> CallTests:
        """The calls as tests of the file `<name>.py`."""
        return CallTests(path=f"{self.name}.py", function=self.name, cases=self.cases)


def functions_with_tests(packages: bool, max_lines: int = 30) -> tuple[CheckedFunction, ...]:
    """Functions to train on that have tests now; looked for once, then read from a cache.

    Args:
        packages: Whether those of the training packages are among them.
        max_lines: Largest number of lines of a function.

    Raises:
        DataError: a package is not cached and cannot be downloaded.
        SandboxError: no sandbox can be started.
    """
    version = f"{VERSION}-{CORPUS_VERSION}-{platform.python_version()}"
    version += f"-{packages_version()}" if packages else ""
    path = cache_dir() / f"tested-{version}.json.zlib"
    found = _read(path)
    if found is None:
        functions = stdlib_functions() + (package_functions("train") if packages else ())
        with Sandbox() as sandbox:
            known = [one for one in functions if not is_held_out(one.code)]
            found = tuple(find_tests(known, sandbox))
        write_whole(path, zlib.compress(json.dumps([_row(one) for one in found]).encode()))
    return tuple(one for one in found if one.code.count("\n") <= max_lines)


def _row(one: CheckedFunction) -> list[Any]:
    cases = [[values.encode(case.args), values.encode(case.expected)] for case in one.cases]
    lazy = any(case.consume for case in one.cases)
    return [one.name, one.code, one.imports, one.docstring, lazy, cases]


def _read(path: Path) -> tuple[CheckedFunction, ...] | None:
    try:
        rows = json.loads(zlib.decompress(path.read_bytes()))
        return tuple(
            CheckedFunction(name, code, imports, docstring, _decoded(cases, lazy))
            for name, code, imports, docstring, lazy, cases in rows
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (zlib.error, ValueError, TypeError) as error:
        _log.warning("%s: broken (%s); building it anew", path, error)
        return None


def _decoded(cases: Sequence[Sequence[Any]], lazy: bool) -> tuple[CallCase, ...]:
    return tuple(
        CallCase(
            id=f"call-{number}",
            args=values.decode(args),
            expected=values.decode(expected),
            consume=lazy,
        )
        for number, (args, expected) in enumerate(cases)
    )


def find_tests(functions: Sequence[CorpusFunction], sandbox: Sandbox) -> Iterator[CheckedFunction]:
    """The functions that stand alone and return something that can be told apart, with tests.

    What is drawn for a function depends on its text alone.
    """
    for function in functions:
        shape = _shape(function.code)
        if shape is None:
            continue
        parameters, lazy, modules = shape
        head = "".join(f"import {name}\n" for name in modules) + "\n\n" * bool(modules)
        code = head + function.code
        rng = np.random.default_rng(zlib.crc32(function.code.encode()))
        cases = _cases(function.name, code, parameters, lazy, rng, sandbox)
        if cases:
            yield CheckedFunction(function.name, function.code, head, function.docstring, cases)


def _cases(
    name: str, code: str, parameters: int, lazy: bool, rng: np.random.Generator, sandbox: Sandbox
) -> tuple[CallCase, ...]:
    kinds = [draw_kinds(rng, parameters) for _ in range(_DRAWN)]
    first = _returned(name, code, kinds, lazy, rng, sandbox)
    good = sorted({shape for shape, _, _ in first})
    if not good:
        return ()
    kinds = [good[int(at)] for at in rng.integers(len(good), size=_DRAWN)]
    found = first + _returned(name, code, kinds, lazy, rng, sandbox)
    chosen: dict[str, CallCase] = {}  # one for each result: these tell most
    for _, args, value in found:
        number = len(chosen)
        chosen.setdefault(
            repr(value), CallCase(id=f"call-{number}", args=args, expected=value, consume=lazy)
        )
    if len(chosen) < 2:
        return ()
    cases = tuple(chosen.values())[:MOST_CASES]
    again = sandbox.run_tests({f"{name}.py": code}, _tests(name, cases), _LIMITS, fresh=True)
    steady = [case for case in cases if again.tests[case.id] is Status.PASSED]
    return tuple(steady) if len(steady) >= 2 else ()


def _returned(
    name: str,
    code: str,
    kinds: Sequence[tuple[str, ...]],
    lazy: bool,
    rng: np.random.Generator,
    sandbox: Sandbox,
) -> list[tuple[tuple[str, ...], tuple[Any, ...], Any]]:
    """(kinds, arguments, result) of the calls that returned a short plain value."""
    drawn = [tuple(KINDS[kind](rng) for kind in shape) for shape in kinds]
    heard = [Heard() for _ in drawn]
    cases = tuple(
        CallCase(id=str(at), args=args, expected=ear, consume=lazy)
        for at, (args, ear) in enumerate(zip(drawn, heard, strict=True))
    )
    outcome = sandbox.run_tests({f"{name}.py": code}, _tests(name, cases), _LIMITS)
    found = []
    for case, shape, ear in zip(cases, kinds, heard, strict=True):
        if outcome.tests[case.id] is not Status.PASSED or not _is_plain(ear.value):
            continue
        if max(len(repr(case.args)), len(repr(ear.value))) <= _WIDEST:
            found.append((shape, case.args, ear.value))
    return found


def _tests(name: str, cases: tuple[CallCase, ...]) -> CallTests:
    return CallTests(path=f"{name}.py", function=name, cases=cases)


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(_is_plain(key) and _is_plain(item) for key, item in value.items())
    return not isinstance(value, Opaque) and value == value  # no nan either


def _shape(code: str) -> tuple[int, bool, list[str]] | None:
    """Parameters to give, whether it yields, modules to import; None: it cannot stand alone."""
    function = ast.parse(code).body[0]
    if not isinstance(function, ast.FunctionDef):
        return None
    arguments = function.args
    names = [one.arg for one in arguments.posonlyargs + arguments.args]
    needed = len(names) - len(arguments.defaults)
    given = max(needed, min(len(names), 1))
    if not 1 <= given <= _MOST_PARAMETERS or names[0] in ("self", "cls") or arguments.vararg:
        return None
    if any(default is None for default in arguments.kw_defaults):
        return None
    bound, used = set(names), set[str]()
    lazy = False
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.ExceptHandler)):
            bound.add(node.name or "")
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            bound.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, (ast.Yield, ast.YieldFrom)):
            lazy = True
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            return None
    free = {name for name in used - bound if name in _BARRED or not hasattr(builtins, name)}
    return (given, lazy, sorted(free)) if free <= MODULES else None
