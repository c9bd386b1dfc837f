"""The end of the tests on the way to the tested code. Runs inside the sandbox of the tests.

Everything that arrives is the word of foreign code. Standard library only.
"""

from __future__ import annotations

import builtins
import io
import math
import operator
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from types import BuiltinFunctionType, FunctionType, GeneratorType, MethodType
from typing import Any

from hrmgym.envs.sandboxes.between import copies, crossing, exports, library, proxies
from hrmgym.envs.sandboxes.between.plain import Unfit
from hrmgym.envs.sandboxes.between.questions import Aborted, NotApart, Questions

_BUILTINS = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and not name.startswith("_")
}
_BUILTIN_NAMES = {kind: name for name, kind in reversed(_BUILTINS.items())}
#: Tests take these for a wish to stop or to skip: from tested code they are failures.
_ABORTS = (KeyboardInterrupt, GeneratorExit)
#: What tested code may read of an object that was handed over, apart from the tests' own classes.
_OPEN_NAMES: dict[type, tuple[str, ...]] = {
    GeneratorType: ("send", "throw", "close"),
    memoryview: ("tobytes", "tolist", "nbytes", "itemsize", "format", "shape", "release"),
}
_NO_LIBRARY = {"unittest", "doctest", "bdb", "pdb", "test"}
_FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType, type("".__add__))
_STEPS = ("call", "attr", "iter", "next", "len", "item", "operate")
#: Special methods that Python looks for with others in their place.
_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "__int__": int,
    "__float__": float,
    "__complex__": complex,
    "__index__": operator.index,
    "__trunc__": math.trunc,
    "__floor__": math.floor,
    "__ceil__": math.ceil,
}


class Examiner(Questions):
    """Also answers the tested code's own questions, and keeps what went wrong between the two.

    Args:
        sock: Connection to the tested code.
        support: Module -> (path, source) of modules that are the tests' own and that tested code
            may get objects of.
        own: Modules of the tests, whose objects tested code may call and look at.
    """

    STATE = (
        *crossing.Exchange.STATE,
        *("support", "own", "named", "_sent", "_unsent", "_proxies"),
        *("_given", "_given_numbers", "_thrown"),
    )

    def __init__(
        self, sock: socket.socket, support: Mapping[str, tuple[str, str]], own: Iterable[str]
    ) -> None:
        super().__init__(sock)
        self.support, self.own = dict(support), {*own, *support}
        self._sent: set[str] = set()
        self._unsent: list[list[str]] = []
        self._proxies: dict[int, Any] = {}
        self._given: list[Any] = []
        self._given_numbers: dict[int, int] = {}
        self._thrown: list[BaseException] = []
        self.failed: BaseException | None = None
        """A check of the present test that failed while the tested code was calling back."""

    def next_test(self) -> None:
        """Forget what went wrong."""
        self.fault, self.blamed, self.failed = "", "", None
        self._thrown.clear()

    def note_named(self, value: Any) -> None:
        """Remember that the tests got this by name."""
        if isinstance(value, type) and isinstance(value.__dict__.get("_about"), proxies.About):
            self.named.add(value.__dict__["_about"].handle)

    # --- questions of the tested code ---

    def answer(self, head: list[Any]) -> list[Any]:
        op, target, *parts = head if len(head) > 1 else ["", None]
        if op not in _STEPS or not isinstance(target, list) or target[:1] != ["h"]:
            raise Unfit(f"an unknown question {str(op)[:20]!r}")
        given = self.unpack(target)
        values = [self.unpack(part) for part in parts]
        try:
            return ["ok", *self.packed(self._do(op, given, values))]
        except (crossing.Lost, Unfit):
            raise
        except StopIteration as error:
            return ["stop", self.pack(error.value)]
        except BaseException as error:
            if isinstance(error, (AssertionError, NotApart)):
                self.failed = self.failed or error
            return ["err", self._pack_error(error)]

    def _do(self, op: str, given: Any, values: list[Any]) -> Any:
        match op, values:
            case "call", [tuple(args), tuple(pairs)]:
                return given(*args, **dict(pairs))
            case "attr", [str(name)] if not name.startswith("_"):
                return self._attribute_of(given, name)
            case "iter", []:
                return iter(given)
            case "next", []:
                return next(given)
            case "len", []:
                return len(given)
            case "item", [key]:
                return given[key]
            case "operate", [str(name), tuple(args)] if name in exports.OPERATORS:
                return self._operate(given, name, args)
        raise Unfit(f"a bad question {op!r}")

    def _operate(self, given: Any, name: str, args: tuple[Any, ...]) -> Any:
        """What an operator says of something that was handed over: none of what is not open."""
        is_open = self._is_open(given)
        if is_open and not args and name in _CONVERSIONS:
            return _CONVERSIONS[name](given)
        if name == "__bool__":
            return bool(given)
        if is_open and name == "__hash__":
            return hash(given)  # an error where the class has none
        method = getattr(type(given), name, None) if is_open else None
        if method is not None:
            return method(given, *args)
        if name in exports.BINARY | exports.DEFAULTS:
            return NotImplemented
        raise TypeError(f"{type(given).__name__!r} object has no {name}")

    def _attribute_of(self, given: Any, name: str) -> Any:
        """An attribute of something that was handed over, which tested code reads.

        Raises:
            AttributeError: There is none that it may read: frames lead to expected values.
        """
        kind = type(given)
        is_own = self._is_open(given) or (kind is type and given.__module__ in self.own)
        if not is_own and name not in _OPEN_NAMES.get(kind, ()):
            held = getattr(given, "__dict__", {}) if kind is FunctionType else {}
            if name not in held:
                raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}")
        return getattr(given, name)

    def _is_open(self, value: Any) -> bool:
        kind = type(value)
        if kind.__module__ in self.own or isinstance(value, io.IOBase):
            return True
        return kind.__module__ == "random" and callable(getattr(value, "getstate", None))

    def extra(self) -> list[Any]:
        sources = self._unsent
        self._unsent = []
        return sources

    def heard(self, extra: list[Any]) -> None:
        """Print what the tested code has printed."""
        for entry in extra:
            match entry:
                case [1, str(text)]:
                    sys.stdout.write(text)
                case [2, str(text)]:
                    sys.stderr.write(text)
                case _:
                    raise Unfit("neither output nor errors")

    # --- values that are not plain ---

    def support_name(self, kind: type) -> list[str] | None:
        module = kind.__module__
        if module not in self.support or not kind.__dictoffset__:
            return None
        if type(kind) is not type or issubclass(kind, (BaseException, list, dict, set, tuple)):
            return None
        if module not in self._sent:
            self._sent.add(module)
            self._unsent.append([module, *self.support[module]])
        return [module, kind.__qualname__]

    def support_class(self, module: str, name: str) -> type:
        if module not in self._sent:
            raise Unfit("an instance of a class that was never sent")
        kind: Any = sys.modules.get(module)
        for part in name.split("."):
            kind = vars(kind).get(part) if kind is not None else None
        if not isinstance(kind, type) or self.support_name(kind) != [module, name]:
            raise Unfit("an instance of no class")
        return kind

    def check_fields(self, value: Any, fields: dict[str, Any]) -> None:
        for name, item in fields.items():
            if proxies.is_remote(item) and hasattr(type(value), name):
                raise Unfit(f"an object with another {name}")

    def pack_other(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is proxies.RemoteMethod:
            return ["M", self._handle(value.__self__), value.__name__]
        handle = self._handle(value)
        if handle is not None:
            return ["o", handle]
        if isinstance(value, type):
            return self._pack_class(value)
        if isinstance(value, BaseException):
            return self._pack_error(value)
        if copied := copies.recipe(value, kind):
            tag, *parts = copied
            return [tag, self._give(value)[1], *[self.pack(part, depth) for part in parts]]
        if callable(value) and (kind in _FUNCTIONS or kind.__module__ == "functools"):
            return self._give(value)
        if kind.__module__ in self.own and copies.is_named_tuple(kind):
            names = [kind.__name__, kind.__module__, list(kind._fields)]
            return ["n", self._give(kind)[1], *names, [self.pack(item, depth) for item in value]]
        if self._is_open(value) or hasattr(kind, "__next__") or kind in (object, memoryview):
            if isinstance(value, (int, str, float, bytes, tuple, list, dict, set, frozenset)):
                self.refuse(f"hands over an object of its own class {kind.__name__}")
            return self._give(value)
        return self.refuse(f"hands over an object of type {kind.__name__}")

    def _handle(self, value: Any) -> int | None:
        if isinstance(value, proxies.RemoteType):
            return value._about.handle
        if isinstance(value, type):
            held = vars(value).get("_hrmgym_class")
        else:
            held = getattr(value, "__dict__", {}).get("_hrmgym_handle")
        return held if type(held) is int else None

    def _give(self, value: Any) -> list[Any]:
        number = self._given_numbers.get(id(value))
        if number is None:
            number = self._given_numbers[id(value)] = len(self._given)
            self._given.append(value)
        return ["h", number, str(getattr(value, "__name__", type(value).__name__))[:100]]

    def _pack_class(self, kind: type) -> Any:
        if kind in _BUILTIN_NAMES:
            return ["T", _BUILTIN_NAMES[kind]]
        if name := self.support_name(kind):
            return ["S", *name]
        if known := copies.place(kind):
            return ["L", self._give(kind)[1], *known]
        if kind.__module__ in self.own:
            return self._give(kind)
        return self.refuse(f"hands over the class {kind.__name__}")

    def _pack_error(self, error: BaseException) -> Any:
        handle = self._handle(error)
        if handle is not None:
            return ["o", handle]
        kind = type(error)
        if (known := self._handle(kind)) is not None:
            return ["e", ["o", known], [self.pack(arg) for arg in error.args]]
        self._thrown.append(error)
        base = next(one for one in kind.__mro__ if one.__module__ == "builtins")
        args = [self.pack(arg) for arg in error.args if type(arg) in (str, int, float, bool)]
        name = [base.__name__, kind.__name__, copies.place(kind)]
        return ["X", len(self._thrown) - 1, name, args]

    def unpack_other(self, tag: str, body: list[Any], depth: int) -> Any:
        match tag, body:
            case "o" | "c", [int(handle)] if handle in self._proxies:
                return self._proxies[handle]
            case "o" | "p" | "fn" | "m" | "c", [int(handle), *rest] if type(handle) is int:
                if handle in self._proxies or handle < 0 or len(self._proxies) > 500_000:
                    raise Unfit("an object twice")
                value = self._stand_in(tag, handle, rest, depth)
                self._proxies[handle] = value
                return value
            case "h", [int(number)] if 0 <= number < len(self._given):
                return self._given[number]
            case "T", [str(name)] if name in _BUILTINS:
                return _BUILTINS[name]
            case "L", [module, name]:
                return library.shared(module, name)
            case "n", [int(number), list(values)] if 0 <= number < len(self._given):
                kind = self._given[number]
                if not copies.is_named_tuple(kind) or len(kind._fields) != len(values):
                    raise Unfit("no named tuple of the tests")
                return tuple.__new__(kind, [self.unpack(one, depth) for one in values])
            case "S", [str(module), str(name)]:
                return self.support_class(module, name)
            case "X", [int(number)] if 0 <= number < len(self._thrown):
                return self._thrown[number]
            case "x", [int(handle), kind, list(args), list(fields), text, [str(path), int(line)], cause]:  # noqa: E501  # fmt: skip
                error = self._error(self.unpack(kind, depth), [self.unpack(a, depth) for a in args])
                held = vars(error)
                for key, item in fields:
                    held[crossing.field_name(key)] = self.unpack(item, depth)
                held["_hrmgym_handle"], held["_hrmgym_text"] = handle, text
                held["_hrmgym_where"] = path, line
                if cause is not None:
                    error.__cause__ = self.unpack(cause, depth)
                return error
        raise Unfit(f"unknown tag {tag[:20]!r}")

    def _stand_in(self, tag: str, handle: int, rest: list[Any], depth: int) -> Any:
        match tag, rest:
            case "c", [{"bases": list(bases)}]:
                kinds = [self.unpack(base, depth) for base in bases]
                return self._make_class(handle, rest[0], kinds)
            case "fn", [str(name)]:
                return proxies.RemoteFunction(handle, name)
            case "m", [str(name), str(file)]:
                return proxies.RemoteModule(handle, name, file)
            case "o", [kind]:
                made = self.unpack(kind, depth)
                if isinstance(made, proxies.RemoteType) and issubclass(made, proxies.RemoteObject):
                    value = object.__new__(made)
                    object.__setattr__(value, "_hrmgym_handle", handle)
                    return value
            case "p", [kind, payload]:
                made, plain = self.unpack(kind, depth), self.unpack(payload, depth)
                if isinstance(made, proxies.RemoteType) and issubclass(made, type(plain)):
                    held: Any = type(plain).__new__(made, plain)  # type: ignore[call-overload]
                    vars(held)["_hrmgym_handle"] = handle
                    return held
        raise Unfit(f"a bad stand-in {tag}")

    def _make_class(self, handle: int, info: dict[str, Any], bases: list[Any]) -> type:
        if not all(isinstance(base, type) for base in bases):
            raise Unfit("a base that is no class")
        if any(issubclass(base, BaseException) for base in bases):
            if library := _library_error(info):
                return library
            bases = [Aborted if issubclass(base, _ABORTS) else base for base in bases]
        plain = (
            _BUILTINS.get(info.get("plain") or "") if isinstance(info.get("plain"), str) else None
        )
        if plain is not None and plain not in (int, str, float, tuple, bytes, frozenset, complex):
            raise Unfit("a bad kind of plain data")
        return proxies.make_class(handle, info, bases, plain)

    def _error(self, kind: Any, args: list[Any]) -> BaseException:
        if not isinstance(kind, type) or not issubclass(kind, BaseException):
            raise Unfit("an error that is none")
        if issubclass(kind, _ABORTS):
            return Aborted(f"{kind.__name__}: " + ", ".join(map(str, args)))
        try:
            if kind.__module__ == "builtins":
                return kind(*args)
        except Exception:  # arguments that its constructor does not take
            pass
        try:
            return kind.__new__(kind, *args)
        except Exception:
            return Aborted(kind.__name__)


def _library_error(info: dict[str, Any]) -> type | None:
    """The standard library's exception of that name, where these tests have loaded it."""
    module, name = info.get("module"), info.get("name")
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    top = module.partition(".")[0]
    if top not in sys.stdlib_module_names or top in _NO_LIBRARY or module not in sys.modules:
        return None
    kind = vars(sys.modules[module]).get(name)
    if isinstance(kind, type) and issubclass(kind, Exception) and kind.__module__ == module:
        return kind
    return None
