"""Python functions to make training bugs in: those of the interpreter's own standard library.

They are read where they are installed, and nothing of them is shipped with this package. The first
call parses the library, which takes a while; later ones read a cache in the user's cache folder
(`HRMGYM_CACHE`, if set), keyed by the versions of Python and of this code.
"""

from __future__ import annotations

import ast
import json
import logging
import platform
import sysconfig
import tempfile
import tokenize
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

from hrmgym.envs.bugs.contamination import lexemes
from hrmgym.envs.bugs.meaning import compiles
from hrmgym.envs.cache import cache_dir
from hrmgym.envs.edits.source import is_docstring

CORPUS_VERSION = 2
"""Part of the cache's key: to be raised with every change of what this module yields."""

#: Modules with functions that are near-duplicates of a benchmark's programs (QuixBugs'
#: find_first_in_sorted): never trained on, whether or not the benchmark's data is here to compare.
_NEAR_BENCHMARKS = frozenset({"bisect.py"})

_SKIPPED = frozenset(
    {"test", "tests", "idlelib", "idle_test", "lib2to3", "turtledemo", "site-packages"}
    | {"dist-packages", "__pycache__", "_bundled", "pydoc_data"}
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CorpusFunction:
    """One function or method, dedented, without its decorators and docstring."""

    name: str
    code: str
    docstring: str
    """Cleaned; "" if there is none."""
    origin: str
    """Where it comes from: `stdlib <version>: <path>:<line>`."""


def stdlib_functions(min_lines: int = 3, max_lines: int = 30) -> tuple[CorpusFunction, ...]:
    """Top-level functions and methods of the standard library, each once, in a fixed order.

    Args:
        min_lines: least number of lines of the code, the `def` line included.
        max_lines: largest number of lines.
    """
    version = platform.python_version()
    name = f"stdlib-{CORPUS_VERSION}-{version}-{min_lines}-{max_lines}.json.zlib"
    path = cache_dir() / name
    cached = read_cache(path)
    if cached is not None:
        return cached
    folder = Path(sysconfig.get_path("stdlib"))
    functions = tuple(collect(folder, f"stdlib {version}", min_lines, max_lines))
    write_cache(path, functions)
    return functions


def collect(folder: Path, origin: str, min_lines: int, max_lines: int) -> Iterator[CorpusFunction]:
    """The functions of all Python files under a folder; files that do not parse are left out."""
    seen: set[tuple[str, ...]] = set()
    for path in sorted(folder.rglob("*.py")):
        place = path.relative_to(folder)
        if _SKIPPED.intersection(place.parts) or place.as_posix() in _NEAR_BENCHMARKS:
            continue
        try:
            with tokenize.open(path) as file:
                text = file.read()
            named = list(functions_of(text, f"{origin}: {place.as_posix()}"))
        except (SyntaxError, ValueError):
            continue
        for _, function in named:
            if not min_lines <= function.code.count("\n") <= max_lines:
                continue
            body = words_of(function)
            if body not in seen and compiles(function.code):
                seen.add(body)
                yield function


def words_of(function: CorpusFunction) -> tuple[str, ...]:
    """A function's lexemes after its name: the same under another name counts once."""
    words = lexemes(function.code)
    return words[words.index(function.name) + 1 :]


def functions_of(text: str, origin: str) -> Iterator[tuple[str, CorpusFunction]]:
    """Functions and methods of a module by qualified name, those that can stand alone.

    Args:
        text: The module.
        origin: What the functions' origins begin with; a line number is added.

    Raises:
        SyntaxError, ValueError: the text is not Python.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    lines = text.split("\n")
    for name, node in _functions(tree, ""):
        function = _cut(node, lines, f"{origin}:{node.lineno}")
        if function is not None:
            yield name, function


def _functions(
    tree: ast.Module | ast.ClassDef, inside: str
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield inside + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{inside}{node.name}.")


def _cut(
    node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str], origin: str
) -> CorpusFunction | None:
    """A function as text of its own; None where that would change it."""
    assert node.end_lineno is not None
    body = node.body[1:] if is_docstring(node.body[0]) else node.body
    if not body or lines[node.lineno - 1][: node.col_offset].strip():
        return None
    kept = set(range(node.lineno, node.end_lineno + 1))
    if body is not node.body:
        doc = node.body[0]
        assert doc.end_lineno is not None
        if doc.lineno == node.lineno or doc.end_lineno == body[0].lineno:
            return None
        kept -= set(range(doc.lineno, doc.end_lineno + 1))
        if not lines[doc.end_lineno].strip():
            kept.discard(doc.end_lineno + 1)
    for inner in (n for statement in body for n in ast.walk(statement)):
        if isinstance(inner, (ast.Constant, ast.JoinedStr)) and inner.lineno != inner.end_lineno:
            return None  # dedenting would change the text
    code = ""
    for number in sorted(kept):
        line = lines[number - 1]
        if line[: node.col_offset].strip():
            return None
        code += line[node.col_offset :].rstrip() + "\n"
    return CorpusFunction(node.name, code, ast.get_docstring(node) or "", origin)


def read_cache(path: Path) -> tuple[CorpusFunction, ...] | None:
    """The functions in a cache file; None if there is none or it is broken (a warning)."""
    try:
        rows = json.loads(zlib.decompress(path.read_bytes()))
        return tuple(CorpusFunction(*row) for row in rows)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (zlib.error, ValueError, TypeError) as error:
        _log.warning("%s: broken (%s); building it anew", path, error)
        return None


def write_cache(path: Path, functions: tuple[CorpusFunction, ...]) -> None:
    """Write the cache file of some functions."""
    write_whole(path, zlib.compress(json.dumps([astuple(f) for f in functions]).encode()))


def write_whole(path: Path, data: bytes) -> None:
    """Write a cache file at once; a warning if its folder cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(data)
        Path(file.name).replace(path)  # readers see the old file or the new one, never a part
    except OSError as error:
        _log.warning("%s: not written (%s); the next call works it out again", path, error)
