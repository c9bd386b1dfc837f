"""Runs one foreign program once per case, each time in a process of its own. In the sandbox only.

The program is told what a case's standard input is, and nothing of what it should print: what it
did print is carried out and compared there. Standard library only.
"""

from __future__ import annotations

import _signal  # `signal` wraps every call in enums: a quarter of a millisecond per fork
import gc
import os
import select
import sys
from collections.abc import Mapping
from types import CodeType, ModuleType
from typing import Any, NoReturn

from hrmgym.envs.sandboxes.inside import calls, sourcecode

_ERROR_BYTES = 2048  # of standard error, the end is kept


def run(request: Mapping[str, Any], root: str, out: int) -> NoReturn:
    """Compile the program, run it for each case, write a line for each, and exit.

    A line is `["ran", status, output, error, path, line]`, where status is the exit code or minus a
    signal's number, and error, path, line say what ended the program; `["flood"]` where it printed
    more than it may; or, once, `["bad", class, message, path, line]` where it does not compile.

    Args:
        request: files, path, cases (texts of standard input) and limits.
        root: The workspace, which holds the files.
        out: File descriptor that takes the lines.
    """
    cap = request["limits"]["output_kb"] * 1024
    lines = calls.Lines(out, 8 * cap)  # JSON writes a character with up to six
    try:
        os.chdir(root)
        calls.forget(request["files"])
        source, file = calls.source_of(request), f"{root}/{request['path']}"
        code = sourcecode.compiled_program(source, file)
    except BaseException as error:
        lines.send(["bad", *calls.describe(error, root)])
        os._exit(0)
    for text in request["cases"]:
        lines.send(_one(code, text, request, root, cap))
    os._exit(0)


def _one(code: CodeType, text: str, request: Mapping[str, Any], root: str, cap: int) -> list[Any]:
    """Run the program on one input; its line."""
    given = os.memfd_create("stdin")
    with open(given, "wb", closefd=False) as file:
        file.write(text.encode("utf-8", "surrogateescape"))
    os.lseek(given, 0, os.SEEK_SET)
    printed, out = os.pipe()
    said, err = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            for fd, target in ((given, 0), (out, 1), (err, 2)):
                os.dup2(fd, target)
            os.closerange(3, 64)
            _become_program(code, request, root)
        finally:
            os._exit(70)
    for fd in (given, out, err):
        os.close(fd)
    output, error = _collect(printed, said, cap)
    for fd in (printed, said):
        os.close(fd)
    if len(output) > cap:
        os.kill(child, _signal.SIGKILL)
        os.waitpid(child, 0)
        return ["flood"]
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    last = error.decode("utf-8", "replace").rstrip("\n").rpartition("\n")[2]
    return ["ran", status, output.decode("utf-8", "backslashreplace"), last]


def _collect(printed: int, said: int, cap: int) -> tuple[bytes, bytes]:
    """What arrives at both pipes until both are closed, or `cap` bytes were printed."""
    output, error = bytearray(), bytearray()
    poll = select.poll()
    poll.register(printed, select.POLLIN)
    poll.register(said, select.POLLIN)
    is_open = 2
    while is_open and len(output) <= cap:
        for fd, _ in poll.poll():
            data = os.read(fd, 1 << 16)
            if not data:
                poll.unregister(fd)
                is_open -= 1
            elif fd == printed:
                output += data
            else:
                error += data
                del error[:-_ERROR_BYTES]
    return bytes(output), bytes(error)


def _become_program(code: CodeType, request: Mapping[str, Any], root: str) -> NoReturn:
    """Run the compiled program as `python PATH` would."""
    path = f"{root}/{request['path']}"
    _signal.setitimer(_signal.ITIMER_PROF, request["limits"]["cpu_s"])
    gc.enable()
    sys.path.insert(0, path.rpartition("/")[0])
    sys.argv = [path]
    main = ModuleType("__main__")
    main.__file__ = path
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    status = 0
    try:
        exec(code, main.__dict__)
    except SystemExit as error:
        status = exit_code(error.code)
    except BaseException as error:
        name, message, where, line = calls.describe(error, root)
        place = f" ({where}:{line})" if where else ""
        os.write(2, f"\n{name}: {message}{place}\n".encode("utf-8", "backslashreplace"))
        status = 1
    os._exit(wind_up(status))


def exit_code(code: object) -> int:
    """The exit code of `sys.exit(code)`."""
    if code is None or isinstance(code, int):
        return (code or 0) & 0xFF
    os.write(2, f"\n{code}\n".encode("utf-8", "backslashreplace"))
    return 1


def normal(text: str, compare: str) -> list[str]:
    """The parts of what is printed that have to be equal: see `StdioTests.compare`."""
    if compare == "exact":
        return [text]
    if compare == "tokens":
        return text.split()
    return [line.strip() for line in text.strip().splitlines()]


def wind_up(status: int) -> int:
    """What an interpreter does at its end: threads, exit functions, buffers."""
    try:
        if "threading" in sys.modules:
            sys.modules["threading"]._shutdown()
        if "atexit" in sys.modules:
            sys.modules["atexit"]._run_exitfuncs()
        sys.stdout.flush()
    except BaseException:
        return status or 120  # as Python does when it cannot flush
    return status
