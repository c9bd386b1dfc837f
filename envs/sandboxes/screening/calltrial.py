"""Calls of a function, made on many texts of its module; see `trying`. Standard library only."""

from __future__ import annotations

import importlib
import itertools
import json
import marshal
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import CodeType
from typing import Any

from hrmgym.envs.sandboxes.inside import calls, sourcecode, values
from hrmgym.envs.sandboxes.screening import behaviour, chunks, harmless, order, own, trying

_SCALARS = frozenset({int, str, bool, float, bytes, type(None)})
_MORE_FRAMES = 4  # between the process's first function and the tested one, than `calls.run` has


class _Case:
    """One call, and what it has to come to."""

    def __init__(self, case: Mapping[str, Any], cap: int) -> None:
        self._encoded = case["args"]
        self._cap = cap
        self.consume: bool = case["consume"]
        self._expected = case["expected"]
        self.value = values.decode(self._expected)
        self._tolerance: float | None = case["tolerance"]
        self.raises: str = case["raises"]
        self._match: str = case["match"]
        self._packed: bytes | None = None
        arguments = [values.decode(arg) for arg in self._encoded]
        with suppress(ValueError):  # a class among them
            self._packed = marshal.dumps(arguments)
        # Only these can be unequal to what they are to be, and right.
        self._odd = self._tolerance is not None or "nan" in repr(self.value)

    def args(self) -> list[Any]:
        """The arguments, made anew."""
        if self._packed is not None:
            arguments: list[Any] = marshal.loads(self._packed)
            return arguments
        return [values.decode(arg, find=calls.find) for arg in self._encoded]

    def returned(self, value: Any) -> bool:
        """Whether a call that returned this passes: as `verdicts.calltests` judges it."""
        if self.raises:
            return False
        if not self._odd:
            if type(value) in _SCALARS:
                return bool(value == self.value)
            try:
                if (value == self.value) is False:
                    return False
            except Exception:  # what foreign code says of equality does not count
                pass
        try:
            encoded = values.encode(value, self._cap)
        except values.Unfit:
            return False
        if encoded == self._expected and not self._odd:
            return True
        return values.same(values.decode(encoded), self.value, self._tolerance)

    def raised(self, error: BaseException, root: str) -> bool:
        """Whether a call that raised this passes."""
        if not self.raises:
            return False
        wanted = self.raises if ":" in self.raises else f"builtins:{self.raises}"
        if wanted not in values.lineage(type(error)):
            return False
        return (
            re.search(self._match, calls.describe(error, root, calls.MATCHED_WIDTH)[1]) is not None
        )


class Calls:
    """Call tests, ready to be tried on texts: see `trying.Trial`."""

    def __init__(self, request: Mapping[str, Any], root: str) -> None:
        self._root, self._path = root, request["path"]
        self._told, self.said = request["told"], behaviour.NOTHING
        self._names = request["function"].split(".")
        self._cap = request["limits"]["output_kb"] * 1024
        self._cases = [_Case(case, self._cap) for case in request["cases"]]
        self._modules = own.modules_of(request["files"])
        self.own = self._modules | own.folders_of(request["files"])
        calls.forget(request["files"])
        calls.put_on_path(root, self._path)
        self._text = text = str(request["files"][self._path])
        self._file = f"{root}/{self._path}"
        self._chunks = chunks.Chunks(text, self._file)
        self._imports = harmless.imports_of(text)
        self._known: dict[CodeType, bool] = {}
        for code in self._chunks.own:
            self._known[code] = harmless.is_harmless(code, self._imports)
            for name in harmless.imported(code) - self.own:
                with suppress(BaseException):  # the runs will say so
                    importlib.import_module(name)
        self._alone = not any(n for n in request["files"] if n.endswith(".py") and n != self._path)
        first = request["first"] if self._alone and not order.keeps_state(text) else []
        self._order, self._first = order.order(len(self._cases), first), len(first)
        self._base_harmless = bool(self._known) and all(self._known.values()) and self._alone
        sys.setrecursionlimit(sys.getrecursionlimit() + _MORE_FRAMES)

    def attempt(
        self, text: str, watch: Callable[[], None], more_time: Callable[[], None]
    ) -> tuple[int, int, bool]:
        """See `trying.Trial`."""
        try:
            codes, new = self._chunks.codes(text)
        except (SyntaxError, ValueError, RecursionError):
            return trying.FAILED, 1, True
        clean = self._base_harmless and all(
            harmless.is_harmless(code, self._imports) for code in new
        )
        if not clean:
            watch()
        own.forget_own(self._modules)
        try:
            function = self._loaded(codes)
        except MemoryError:
            raise
        except BaseException:
            return trying.FAILED, 1, clean
        status, ran = self._run(function, self._order)
        return status, ran, clean

    def _loaded(self, codes: list[CodeType]) -> Any:
        """The function, of a module made anew."""
        space = calls.fresh_module(self._root, self._path).__dict__
        for code in codes:
            exec(code, space)
        function: Any = space[self._names[0]]
        for name in self._names[1:]:
            function = getattr(function, name)
        return function

    def single(self, number: int) -> int:
        """See `trying.Trial`."""
        own.forget_own(self._modules)
        try:
            function = self._loaded([sourcecode.compiled(self._text, self._file)])
        except BaseException:
            return trying.FAILED
        return self._run(function, [number])[0]

    def intact(self) -> bool:
        """Nothing of it outlives a text."""
        return True

    def _run(self, function: Callable[..., Any], numbers: list[int]) -> tuple[int, int]:
        for ran, number in enumerate(numbers, start=1):
            case, turned = self._cases[number], min(ran - 1, self._first)
            try:
                result = function(*case.args())
                if case.consume:
                    result = list(itertools.islice(result, self._cap))
            except MemoryError:
                raise
            except BaseException as error:
                right = case.raised(error, self._root)
                if not right and self._told:
                    self.said = behaviour.of_error(number, turned, error, self._root, self._file)
            else:
                right = case.returned(result)
                if not right and self._told:
                    self.said = behaviour.of_result(number, turned, self._packed(result))
            if not right:
                return trying.FAILED, ran
        return trying.PASSED, len(numbers)

    def _packed(self, result: Any) -> bytes:
        """A result, short of what no plain value can tell."""
        try:
            return json.dumps(values.encode(result, self._cap)).encode("utf-8", "surrogatepass")
        except values.Unfit:
            return b""
