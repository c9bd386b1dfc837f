"""Runs of a program, many texts of it in one process; see `trying`. Standard library only."""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import CodeType, ModuleType
from typing import Any

from hrmgym.envs.sandboxes.inside import calls, sourcecode, stdio
from hrmgym.envs.sandboxes.screening import behaviour, chunks, harmless, order, own, trying


class Stdio:
    """A program's runs, ready to be tried on texts: see `trying.Trial`."""

    def __init__(self, request: Mapping[str, Any], root: str) -> None:
        self._root, self._path = root, request["path"]
        self._file = f"{root}/{self._path}"
        self._compare = request["compare"]
        self._told, self.said = request["told"], behaviour.NOTHING
        self._cases = [
            (case["stdin"].encode("utf-8", "surrogateescape"), self._normal(case["expected"]))
            for case in request["cases"]
        ]
        self._order = order.order(len(self._cases), request["first"])
        self._first = len(request["first"])
        self._cap = request["limits"]["output_kb"] * 1024
        self._modules = own.modules_of(request["files"])
        self.own = self._modules | own.folders_of(request["files"])
        calls.forget(request["files"])
        sys.path.insert(0, self._file.rpartition("/")[0])
        sys.argv = [self._file]
        self._text = str(request["files"][self._path])
        self._imports = harmless.imports_of(self._text)
        self._chunks = chunks.Chunks(self._text, self._file)
        for code in self._chunks.own:
            for name in harmless.imported(code) - self.own:
                with suppress(BaseException):  # the runs will say so
                    importlib.import_module(name)
        others = (name for name in request["files"] if name != self._path)
        self._alone = not any(name.endswith(".py") for name in others)
        for target in (0, 1):
            made = os.memfd_create("stream")
            os.dup2(made, target)
            os.close(made)
        self._streams = sys.stdin, sys.stdout

    def _normal(self, text: str) -> list[str]:
        return stdio.normal(text, self._compare)

    def attempt(
        self, text: str, watch: Callable[[], None], more_time: Callable[[], None]
    ) -> tuple[int, int, bool]:
        """See `trying.Trial`."""
        try:
            codes, _ = self._chunks.codes(text)
        except (SyntaxError, ValueError, RecursionError):
            return trying.FAILED, 1, True
        clean = self._alone and all(harmless.is_harmless(code, self._imports) for code in codes)
        if not clean:
            watch()
        for ran, number in enumerate(self._order, start=1):
            if ran > 1:  # each run has its time
                more_time()
            if not self._passes(codes, number, min(ran - 1, self._first)):
                return trying.FAILED, ran, clean
        return trying.PASSED, len(self._cases), clean

    def single(self, number: int) -> int:
        """See `trying.Trial`."""
        codes = [sourcecode.compiled(self._text, self._file)]
        return trying.PASSED if self._passes(codes, number, 0) else trying.FAILED

    def intact(self) -> bool:
        """Nothing of it outlives a text."""
        return True

    def _passes(self, codes: list[CodeType], number: int, turned: int) -> bool:
        """Whether the program passes a case; so many of those that run first it had passed."""
        given, expected = self._cases[number]
        os.ftruncate(0, 0)
        os.pwrite(0, given, 0)
        os.ftruncate(1, 0)
        for stream in (0, 1):
            os.lseek(stream, 0, os.SEEK_SET)
        own.forget_own(self._modules)
        stdin, stdout = self._streams
        sys.stdin = io.TextIOWrapper(
            io.BufferedReader(io.FileIO(0, closefd=False)), stdin.encoding, stdin.errors
        )
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(io.FileIO(1, "w", closefd=False)), stdout.encoding, stdout.errors
        )
        try:
            status, error = self._runs(codes)
            printed = self._printed() if status == 0 or self._told else []
            if status == 0 and printed == expected:
                return True
            if self._told and error is not None:
                self.said = behaviour.of_error(number, turned, error, self._root, self._file)
            elif self._told:
                told = "\n".join((str(status), *printed)).encode("utf-8", "surrogateescape")
                self.said = behaviour.of_result(number, turned, told)
            return False
        finally:
            with suppress(Exception):
                sys.stdin.close()
                sys.stdout.close()
            sys.stdin, sys.stdout = stdin, stdout
            sys.modules["__main__"] = ModuleType("__main__")

    def _runs(self, codes: list[CodeType]) -> tuple[int, BaseException | None]:
        """Run the program as its only module; its exit code, and what it has raised."""
        main = ModuleType("__main__")
        main.__file__ = self._file
        main.__dict__["__builtins__"] = __builtins__
        sys.modules["__main__"] = main
        status, raised = 0, None
        try:
            for code in codes:
                exec(code, main.__dict__)
        except SystemExit as error:
            status = stdio.exit_code(error.code)
        except MemoryError:
            raise
        except BaseException as error:
            status, raised = 1, error
        return stdio.wind_up(status), raised

    def _printed(self) -> list[str]:
        data = os.pread(1, self._cap + 1, 0)
        if len(data) > self._cap:
            return ["\0"]  # more than it may
        return self._normal(data.decode("utf-8", "backslashreplace"))
