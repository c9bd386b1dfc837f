"""Serves the modules of a workspace to tests that run in another process. Inside a sandbox only.

This process is told no test and no expected value: whatever it says is the word of the foreign
code that it runs. Values cross over as crossing.py has it; functions, classes and other objects
stay here, and the other side gets their numbers. Standard library only.
"""

# The guest starts faster without pathlib.
from __future__ import annotations

import _signal  # without the enums of `signal`
import _socket
import contextlib
import gc
import importlib
import os
import socket
import sys
from collections import namedtuple
from collections.abc import Mapping, Sequence
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, NoReturn

from hrmgym.envs.sandboxes.between import crossing, exports, library, sources
from hrmgym.envs.sandboxes.between.plain import Unfit
from hrmgym.envs.sandboxes.confinement import isolation
from hrmgym.envs.sandboxes.inside import calls


class Candidate(crossing.Exchange):
    """The end of foreign code. See the module's docstring.

    Args:
        sock: Connection to the tests.
        root: The workspace.
        workspace: What imports its modules.
        prints: Whether what is printed goes to the tests.
    """

    def __init__(
        self, sock: _socket.socket, root: str, workspace: sources.Sources, *, prints: bool
    ) -> None:
        super().__init__(sock, 1)
        self._root = root
        self._exports: dict[int, Any] = {}
        self._handles: dict[int, int] = {}
        self._told: set[int] = set()
        self._telling: list[int] = []
        self._callbacks: dict[int, exports.Callback] = {}
        self._raised: dict[int, BaseException] = {}
        self._copies: dict[int, Any] = {}
        """Copies of what the tests have handed over, by the number of the original."""
        self._originals: dict[int, int] = {}
        self._tuples: dict[type, int] = {}
        """Named tuples like those of the tests, and the numbers of theirs."""
        self._workspace = workspace
        self._support: dict[type, list[str]] = {}
        self._sources: dict[str, ModuleType] = {}
        self._printed: list[tuple[int, str]] = []
        if prints:
            for stream, name in ((1, "stdout"), (2, "stderr")):
                printer = exports.Printer(self._printed, stream)
                setattr(sys, name, printer)
                setattr(sys, f"__{name}__", printer)

    def serve(self) -> None:
        """Answer until the other side closes the connection."""
        with contextlib.suppress(crossing.Lost):
            while True:
                self.serve_one()

    def serve_one(self) -> None:
        """Answer one question.

        Raises:
            crossing.Lost: The other side has closed the connection.
        """
        head, gone = self.receive()
        reply = self.answer(head)
        del head
        self.forget(gone)
        self.send(reply, sweep=True)

    def extra(self) -> list[Any]:
        printed = [[stream, text] for stream, text in self._printed]
        self._printed.clear()
        return printed

    def heard(self, extra: list[Any]) -> None:
        """Load modules that the tests have brought along."""
        for name, path, source in extra:
            module = ModuleType(name)
            module.__file__ = f"{self._root}/{path}"
            module.__package__ = name.rpartition(".")[0]
            sys.modules.setdefault(name, module)
            exec(compile(source, module.__file__, "exec", dont_inherit=True), module.__dict__)
            self._sources[name] = module

    # --- answers ---

    def answer(self, head: list[Any]) -> list[Any]:
        try:
            return ["ok", *self.packed(self._do(head[0], [self.unpack(p) for p in head[1:]]))]
        except StopIteration as error:
            if head[0] == "next":
                return ["stop", self.pack(error.value)]
            return ["err", self._pack_error(error)]
        except crossing.Lost:
            raise
        except BaseException as error:
            return ["err", self._pack_error(error)]

    def _do(self, op: str, parts: list[Any]) -> Any:
        match op, parts:
            case "bind", [steps]:
                return tuple([self._bind(name, names) for name, names in steps])
            case "method", [target, name, args, kwargs]:
                return getattr(target, name)(*args, **dict(kwargs))
            case "call", [target, args, kwargs]:
                return target(*args, **dict(kwargs))
            case "attr", [target, name]:
                return getattr(target, name)
            case "next", [target]:
                return next(target)
            case "op", [target, name, args]:
                return self._operate(target, name, args)
            case "set", [target, name, value]:
                return setattr(target, name, value)
            case "del", [target, name]:
                return delattr(target, name)
            case "equal", [target, other]:
                return bool(target == other)
            case "base", [target]:
                kinds = [kind for kind in exports.OPEN_BASES if issubclass(type(target), kind)]
                return exports.base_of(target, kinds[0])
            case "names", [target]:
                return dir(target)
            case "seed", args:
                return importlib.import_module("random").seed(*args)
        raise Unfit(f"cannot {op}")

    def _bind(self, name: str, names: Sequence[str]) -> tuple[Any, ...]:
        """A module and some of its names; each as ("ok", value) or ("err", exception)."""
        try:
            module = self._workspace.load(name) or importlib.import_module(name)
        except crossing.Lost:
            raise
        except BaseException as error:
            return (("err", error),)
        return (("ok", module), *[self._name_of(module, one) for one in names])

    def _name_of(self, module: ModuleType, name: str) -> tuple[str, Any]:
        try:
            return "ok", getattr(module, name)
        except AttributeError:
            try:
                return "ok", importlib.import_module(f"{module.__name__}.{name}")
            except ModuleNotFoundError:
                where = f"({module.__file__})" if module.__file__ else "(unknown location)"
                text = f"cannot import name {name!r} from {module.__name__!r} {where}"
                return "err", ImportError(text, name=module.__name__, path=module.__file__)
            except BaseException as error:
                return "err", error

    def _operate(self, target: Any, name: str, args: Sequence[Any]) -> Any:
        kind = type(target)
        for one in kind.__mro__:
            if name in vars(one):
                return vars(one)[name].__get__(target, kind)(*args)
        raise TypeError(f"{kind.__name__!r} object has no {name}")

    # --- asking back ---

    def _ask_back(self, op: str, target: exports.Callback, *parts: Any) -> Any:
        if op == "call":
            args, kwargs = parts
            parts = (args, tuple(kwargs.items()))
        kind, value = self.ask([op, *self.packed(target, *parts)])
        if kind == "err":
            raise value
        if kind == "stop":
            raise StopIteration(value)
        return value

    # --- values that are not plain ---

    def packed(self, *values: Any) -> list[Any]:
        self._telling.clear()
        try:
            return super().packed(*values)
        except BaseException:
            self._told.difference_update(self._telling)  # the other side has never heard of them
            raise

    def support_name(self, kind: type) -> list[str] | None:
        return self._support.get(kind)

    def support_class(self, module: str, name: str) -> type:
        kind: Any = self._sources[module]
        for part in name.split("."):
            kind = getattr(kind, part)
        self._support[kind] = [module, name]
        return kind  # type: ignore[no-any-return]

    def pack_other(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is exports.Callback:
            return ["h", value._handle]
        if id(value) in self._originals:
            return ["h", self._originals[id(value)]]
        if isinstance(value, type):
            return self._pack_class(value, depth)
        if isinstance(value, BaseException):
            return self._pack_error(value, depth)
        handle = self._export(value)
        if handle in self._told:
            return ["o", handle]
        if kind is BuiltinFunctionType and (known := library.shared_name(value)):
            return ["L", *known]
        if kind in self._tuples:
            return ["n", self._tuples[kind], [self.pack(item, depth) for item in value]]
        self._tell(handle)
        if kind in (FunctionType, BuiltinFunctionType, MethodType):
            return ["fn", handle, str(getattr(value, "__name__", "function"))[:100]]
        if kind is ModuleType:
            return ["m", handle, value.__name__, str(getattr(value, "__file__", "") or "")]
        known = self._describe_class(kind, depth)
        for base in exports.PLAIN_BASES:
            if issubclass(kind, base):  # `isinstance` would ask the value
                return ["p", handle, known, self.pack(exports.base_of(value, base), depth)]
        return ["o", handle, known]

    def _tell(self, handle: int) -> None:
        self._told.add(handle)
        self._telling.append(handle)

    def _export(self, value: Any) -> int:
        handle = self._handles.get(id(value))
        if handle is None:
            handle = self._handles[id(value)] = len(self._exports)
            self._exports[handle] = value
        return handle

    def _pack_class(self, kind: type, depth: int) -> Any:
        if kind in exports.BUILTIN_NAMES:
            return ["T", exports.BUILTIN_NAMES[kind]]
        if id(kind) in self._originals:
            return ["h", self._originals[id(kind)]]
        if kind in self._support:
            return ["S", *self._support[kind]]
        if known := library.shared_name(kind):
            return ["L", *known]
        return self._describe_class(kind, depth)

    def _describe_class(self, kind: type, depth: int) -> Any:
        handle = self._export(kind)
        if handle in self._told:
            return ["c", handle]
        self._tell(handle)
        bases = [self._pack_class(base, depth - 1) for base in kind.__bases__ if base is not object]
        return ["c", handle, {"bases": bases, **exports.about(kind)}]

    def _pack_error(self, error: BaseException, depth: int = 8) -> Any:
        known = self._raised.get(id(error))
        if known is not None:
            return ["X", vars(error)["_hrmgym_number"]]
        _, text, path, line = calls.describe(error, self._root)
        error.__traceback__ = None  # its frames hold objects
        cause = error.__cause__
        fields = getattr(error, "__dict__", {})
        return [
            "x",
            self._export(error),
            self._pack_class(type(error), depth),
            [self.pack(arg, depth) for arg in error.args],
            [[key, self.pack(item, depth)] for key, item in fields.items() if key[:2] != "__"],
            text if exports.has_own(type(error), "__str__", BaseException) else None,
            [path, line],
            self._pack_error(cause, depth - 1) if cause is not None and depth > 0 else None,
        ]

    def unpack_other(self, tag: str, body: list[Any], depth: int) -> Any:
        match tag, body:
            case "o", [handle]:
                return self._exports[handle]
            case "M", [handle, name]:
                return getattr(self._exports[handle], name)
            case "h", [handle, name]:
                if handle not in self._callbacks:
                    self._callbacks[handle] = exports.Callback(self._ask_back, handle, name)
                return self._callbacks[handle]
            case "T", [name]:
                return exports.BUILTINS[name]
            case "L" | "A" | "R", [number, *recipe]:
                if number not in self._copies:
                    made = self._copied(tag, [self.unpack(part, depth) for part in recipe])
                    self._copies[number], self._originals[id(made)] = made, number
                return self._copies[number]
            case "n", [number, name, module, fields, values]:
                return self._tuple_class(number, name, module, fields)._make(
                    [self.unpack(one, depth) for one in values]
                )
            case "S", [module, name]:
                return self.support_class(module, name)
            case "e", [kind, args]:
                return self.unpack(kind)(*[self.unpack(arg) for arg in args])
            case "X", [number, kind, args]:
                return self._foreign_error(number, kind, [self.unpack(arg) for arg in args])
        raise Unfit(f"unknown tag {tag!r}")

    def _tuple_class(self, number: int, name: str, module: str, fields: list[str]) -> Any:
        kind = self._copies.get(number)
        if kind is None:
            kind = self._copies[number] = namedtuple(name, fields, module=module)
            self._tuples[kind] = self._originals[id(kind)] = number
        return kind

    @staticmethod
    def _part(value: Any, name: str) -> Any:
        for part in name.split(".") if name else ():
            value = getattr(value, part)
        return value

    @classmethod
    def _copied(cls, tag: str, recipe: list[Any]) -> Any:
        if tag == "L":
            return cls._part(importlib.import_module(recipe[0]), recipe[1])
        if tag == "A":
            return getattr(*recipe)
        function, args, keywords = recipe
        return function(*args, **dict(keywords))

    def _foreign_error(self, number: int, names: list[Any], args: list[Any]) -> BaseException:
        base, name, place = names
        kind: Any = exports.BUILTINS[base]
        if place is not None:
            kind = self._part(importlib.import_module(place[0]), place[1])
        elif name != base:
            kind = type(name, (kind,), {})
        error: BaseException = kind.__new__(kind, *args)
        vars(error)["_hrmgym_number"] = number
        self._raised[id(error)] = error
        return error


def run(request: Mapping[str, Any], root: str, connection: int) -> NoReturn:
    """Serve the files of a workspace.

    Args:
        request: files, roots (folders on the path of imports), prints and limits.
        root: The workspace, which holds the files.
        connection: Descriptor of the connection to the tests.
    """
    try:
        os.chdir(root)
        workspace = _settle(request, root)
        # without the ways of `socket.socket`, which are a hundred microseconds the first time
        sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, connection)
        Candidate(sock, root, workspace, prints=request["prints"]).serve()
    finally:
        os._exit(0)


def _settle(request: Mapping[str, Any], root: str) -> sources.Sources:
    """Make this the process of a workspace's files."""
    calls.forget(request["files"])
    _signal.setitimer(_signal.ITIMER_PROF, request["limits"]["cpu_s"])
    gc.enable()
    sys.path[:0] = [f"{root}/{folder}".rstrip("/") for folder in request["roots"]]
    workspace = sources.Sources(root, request["roots"], request["files"])
    workspace.install()
    sys.argv = ["pytest"]
    sys.modules["__main__"] = ModuleType("__main__")
    return workspace


_EXAMPLE = """
class Wrong(ValueError):
    pass

class Thing:
    def __init__(self, n):
        self.n = n

    def twice(self):
        return 2 * self.n

def total(xs, key=None):
    if not xs:
        raise Wrong("nothing")
    found = {x: i for i, x in enumerate(xs)}
    while found:
        found.popitem()
    xs.append(Thing(len(xs)).twice())
    return [str(x) for x in xs], (1, 2.5), {"a": xs}
"""


def warm_up(rounds: int = 12) -> None:
    """Serve an example, before any fork: every later run is spared what is slow at first.

    The interpreter adapts code to what it meets only after some rounds, and a fork that had to do
    that would copy a page of memory for nearly every line. Nothing but that is left behind.
    """
    name = "example_of_tested_code"
    files = {f"{name}.py": _EXAMPLE}
    request = {"files": files, "roots": ["", "tests"], "limits": {"cpu_s": 0}}
    loaded, path, finders, argv = dict(sys.modules), sys.path[:], sys.meta_path[:], sys.argv
    collects = gc.isenabled()
    for _ in range(rounds):
        isolation.rehearse()
        calls.write_files("/dev", {"null": _EXAMPLE})
        workspace = _settle(request, "/workspace")
        ours, theirs = socket.socketpair()
        with ours, theirs:
            served = Candidate(ours, "/", workspace, prints=False)
            asking = crossing.Exchange(theirs, 0)
            function, kind = ["o", 1], ["o", 2]  # as the first answer numbers them
            asking.send(["bind", *asking.packed(((name, ("total", "Thing")),))])
            served.serve_one()
            for target, args in ((function, ([1, "a"],)), (function, ([],)), (kind, (2,))):
                asking.receive()
                asking.send(["call", target, *asking.packed(args, ())])
                served.serve_one()
        sys.path[:], sys.meta_path[:], sys.argv = path, finders, argv
        for extra in sys.modules.keys() - loaded:
            del sys.modules[extra]
        sys.modules.update(loaded)
        if not collects:
            gc.disable()
