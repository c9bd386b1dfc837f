"""Which pytest-style tests cannot run apart from the code that they test, and why.

The answer follows from the tests alone. Tests that run together with the tested code can be fooled
by it: see `PytestTests.together`.
"""

from __future__ import annotations

import ast
from functools import lru_cache

from hrmgym.envs.sandboxes.inside import sourcecode
from hrmgym.envs.task import PytestTests

#: Modules whose use reaches into the tested code's process.
_MODULES = {
    "unittest.mock": "replaces parts of the tested code",
    "mock": "replaces parts of the tested code",
    "subprocess": "starts programs",
    "multiprocessing": "starts processes",
    "threading": "uses threads",
    "concurrent": "uses threads",
    "asyncio": "uses coroutines",
    "inspect": "looks into functions",
    "importlib.abc": "imports by itself",
    "importlib.machinery": "imports by itself",
    "importlib.metadata": "looks into files",
    "importlib.resources": "looks into files",
    "importlib.util": "imports by itself",
    "runpy": "runs programs",
    "gc": "looks into the process",
    "weakref": "looks into the process",
    "ctypes": "looks into the process",
    "signal": "uses signals",
}
#: Fixtures of pytest that do so.
_FIXTURES = {
    "monkeypatch": "replaces parts of the tested code",
    "tmp_path": "shares files with the tested code",
    "tmp_path_factory": "shares files with the tested code",
    "tmpdir": "shares files with the tested code",
    "tmpdir_factory": "shares files with the tested code",
    "capfd": "looks at descriptors",
    "capfdbinary": "looks at descriptors",
    "caplog": "looks at the tested code's log",
    "recwarn": "looks at the tested code's warnings",
    "pytester": "runs pytest",
}
#: Calls by name, and what they do.
_CALLS = {
    "warns": "looks at the tested code's warnings",
    "deprecated_call": "looks at the tested code's warnings",
    "assertWarns": "looks at the tested code's warnings",
    "assertWarnsRegex": "looks at the tested code's warnings",
    "assertLogs": "looks at the tested code's log",
    "assertNoLogs": "looks at the tested code's log",
    "chdir": "shares files with the tested code",
    "mkdtemp": "shares files with the tested code",
    "mkstemp": "shares files with the tested code",
    "TemporaryDirectory": "shares files with the tested code",
    "NamedTemporaryFile": "shares files with the tested code",
    "putenv": "shares its environment with the tested code",
    "reload": "imports by itself",
    "invalidate_caches": "imports by itself",
}


def reason(tests: PytestTests) -> str:
    """Why these tests run together with the tested code; empty where they run apart."""
    if tests.together:
        return tests.together if isinstance(tests.together, str) else "the task says so"
    return _reason(tuple(tests.files.items()))


@lru_cache(512)
def _reason(files: tuple[tuple[str, str], ...]) -> str:
    for path, text in files:
        if path.endswith(".py"):
            try:
                tree = ast.parse(sourcecode.data_of(text))
            except (SyntaxError, ValueError):
                continue  # pytest will say so
            for node in ast.walk(tree):
                if why := _of_node(node):
                    return f"{path}:{getattr(node, 'lineno', 0)}: {why}"
    return ""


def _of_node(node: ast.AST) -> str:
    match node:
        case ast.Import(names=names):
            return next((why for alias in names if (why := _of_module(alias.name))), "")
        case ast.ImportFrom(module=str(module), names=names, level=0):
            inner = (_of_module(f"{module}.{alias.name}") for alias in names)
            return _of_module(module) or next((why for why in inner if why), "")
        case ast.FunctionDef(args=args):
            named = [*args.posonlyargs, *args.args, *args.kwonlyargs]
            return next((f"{_FIXTURES[a.arg]}" for a in named if a.arg in _FIXTURES), "")
        case ast.AsyncFunctionDef():
            return _MODULES["asyncio"]
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            if name == "usefixtures":
                given = [a.value for a in node.args if isinstance(a, ast.Constant)]
                return next((_FIXTURES[str(one)] for one in given if one in _FIXTURES), "")
            return _CALLS.get(name, "")
        case ast.Subscript(ctx=ast.Store(), value=ast.Attribute(attr="environ")):
            return _CALLS["putenv"]
    return ""


def _of_module(name: str) -> str:
    while name:
        if name in _MODULES:
            return _MODULES[name]
        name = name.rpartition(".")[0]
    return ""
