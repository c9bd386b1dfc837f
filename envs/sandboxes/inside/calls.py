"""Calls one function of foreign code, case by case. Runs inside the sandbox only.

Whatever this process says is the word of the foreign code that it runs: it is told no expected
value, so all that a forged reply can claim is another return value. Standard library only.
"""

# The guest starts faster without pathlib.
# ruff: noqa: PTH103
from __future__ import annotations

import _signal  # `signal` wraps every call in enums: a quarter of a millisecond per fork
import builtins
import gc
import importlib
import itertools
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, NoReturn

from hrmgym.envs.sandboxes.inside import sourcecode, values
from hrmgym.envs.sandboxes.inside.files import is_own_fault

MESSAGE_WIDTH = 200
MATCHED_WIDTH = 4000  # of a message that a pattern is looked for in
#: Modules that any interpreter has loaded before it looks at a workspace.
_STARTUP = {
    *sys.builtin_module_names,
    *("abc", "codecs", "encodings", "io", "os", "stat", "posixpath", "genericpath"),
    *("_collections_abc", "site", "_sitebuiltins"),
}
_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


def warm_up() -> None:
    """Do once, before any fork, what is slow the first time: worth 1 to 10 ms in every run.

    The modules are those that small programs import most; `random` is not among them, because
    every fork would pay for its libraries.
    """
    for name in ("bisect", "copy", "dataclasses", "heapq", "math", "string", "typing"):
        importlib.import_module(name)
    source = "def f(a, b):\n    while a:\n        a, b = b % a, a\n    return [b for _ in (1,)]\n"
    space: dict[str, Any] = {}
    exec(compile(source, "warm", "exec", dont_inherit=True), space)
    try:
        values.encode(values.decode([{"t": [1, 2.5]}]))
        json.dumps(["ok", space["f"](1, 2)], separators=(",", ":"))
        raise ValueError("0x0")
    except ValueError as error:
        describe(error, "/")


def lay_out(root: str, request: Mapping[str, Any]) -> list[Any] | None:
    """Write the files of a run, before anything foreign runs.

    Args:
        root: The workspace, empty.
        request: files and limits.

    Returns:
        None; or, where the files themselves are to blame, what `describe` says of the error.

    Raises:
        OSError: They could not be written, through no fault of theirs.
    """
    files = request["files"]
    try:
        write_files(root, files)
    except OSError as error:
        sizes = [len(sourcecode.data_of(text)) for text in files.values()]
        if not is_own_fault(error, sizes, request["limits"]["file_mb"]):
            raise
        return describe(error, root)
    except ValueError as error:  # a name that is none
        return describe(error, root)
    return None


def write_files(root: str, files: Mapping[str, str]) -> None:
    """Write texts below `root`, which is empty."""
    for name, text in files.items():
        path = f"{root}/{name}"
        if "/" in name:
            os.makedirs(path.rpartition("/")[0], exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        data = sourcecode.data_of(text)
        while data:
            data = data[os.write(fd, data) :]
        os.close(fd)


def run(request: Mapping[str, Any], root: str, out: int) -> NoReturn:
    """Import the module, make the calls, write a line for each, and exit.

    Args:
        request: files, path, function, cases and limits, as `LocalRuntime.run_calls` sends them.
        root: The workspace, which holds the files.
        out: File descriptor that takes the lines.
    """
    cap = request["limits"]["output_kb"] * 1024
    lines = Lines(out, cap)
    try:
        os.chdir(root)
        forget(request["files"])
        _signal.setitimer(_signal.ITIMER_PROF, request["limits"]["cpu_s"])
        gc.enable()
        module = _load(root, request["path"], source_of(request))
        function: Any = module
        for name in request["function"].split("."):
            function = getattr(function, name)
    except BaseException as error:
        lines.send(["bad", *describe(error, root)])
        os._exit(0)
    for case in request["cases"]:
        try:
            result = function(*[values.decode(arg, find=find) for arg in case["args"]])
            if case["consume"]:
                result = list(itertools.islice(result, cap))
            encoded = values.encode(result, cap)
        except values.Unfit as error:
            encoded = {"o": str(error)}
        except BaseException as error:
            lineage = values.lineage(type(error)) if case["raises"] else []
            width = MATCHED_WIDTH if case["raises"] else MESSAGE_WIDTH
            lines.send(["raised", *describe(error, root, width), lineage])
            continue
        lines.send(["ok", encoded])
    os._exit(0)


def find(module: str, name: str) -> Any:
    """The class or function of that name, for an argument."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def line(*parts: Any) -> bytes:
    """One line of a run."""
    return json.dumps(parts, separators=(",", ":")).encode() + b"\n"


class Lines:
    """Writes one JSON line per case."""

    def __init__(self, fd: int, cap: int) -> None:
        self._fd, self._cap = fd, cap

    def send(self, parts: Sequence[Any]) -> None:
        data = line(*parts)
        if len(data) > self._cap + 1:
            data = b'["ok",{"o":"too large"}]\n'
        while data:
            data = data[os.write(self._fd, data) :]


def forget(files: Mapping[str, str]) -> None:
    """Let a file of the workspace win over a module that is loaded only to save time."""
    for name in files:
        top = name.split("/", 1)[0].removesuffix(".py")
        if top not in _STARTUP and top in sys.modules:
            for loaded in [n for n in sys.modules if n == top or n.startswith(top + ".")]:
                del sys.modules[loaded]


def source_of(request: Mapping[str, Any]) -> str:
    """The text of the file that is to run."""
    try:
        return str(request["files"][request["path"]])
    except KeyError:
        raise FileNotFoundError(f"the workspace has no {request['path']}") from None


def _load(root: str, path: str, source: str) -> ModuleType:
    """Execute one file as a fresh module under its dotted name."""
    put_on_path(root, path)
    module = fresh_module(root, path)
    exec(sourcecode.compiled(source, module.__dict__["__file__"]), module.__dict__)
    return module


def put_on_path(root: str, path: str) -> None:
    """Let imports and `sys.argv` be as for a file of the workspace that is to run."""
    parent = path.rpartition("/")[0]
    sys.path[:0] = [root, f"{root}/{parent}"] if parent else [root]
    sys.argv = [path]
    sys.modules["__main__"] = ModuleType("__main__")


def fresh_module(root: str, path: str) -> ModuleType:
    """An empty module that stands for a file, under its dotted name, in its package."""
    parent, _, stem = path.removesuffix(".py").rpartition("/")
    package = parent.replace("/", ".")
    name = f"{package}.{stem}" if package else stem
    module = ModuleType(name)
    module.__file__ = f"{root}/{path}"
    module.__package__ = package
    module.__dict__["__builtins__"] = builtins
    if package:
        setattr(importlib.import_module(package), stem, module)
    sys.modules[name] = module
    return module


def describe(error: BaseException, root: str, width: int = MESSAGE_WIDTH) -> list[Any]:
    """Class, short message, and innermost file and line below `root`, of an exception."""
    message, path, line = "", "", 0
    trace = error.__traceback__
    prefix = root + "/"
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file.startswith(prefix):
            path, line = file, trace.tb_lineno
        trace = trace.tb_next
    try:  # foreign code again: its own __str__, or what it has put into a SyntaxError
        if isinstance(error, SyntaxError) and str(error.filename).startswith(prefix):
            path, line = values.plain(str(error.filename)), values.line_number(error.lineno)
            message = values.plain(str(error.msg), 2 * width)
        else:
            message = values.plain(str(error), 2 * width)
    except BaseException:
        pass
    message = _ADDRESS.sub("0x...", message)[:width]
    return [values.name_of(type(error)), message, path.removeprefix(prefix), line]
