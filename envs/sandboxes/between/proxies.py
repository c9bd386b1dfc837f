"""Stand-ins, in the process of the tests, for what lives in the process of the tested code.

A stand-in never decides whether it equals plain data: that is decided here, on plain data alone,
and a class that no test has named has no say in comparisons at all. Runs inside the sandbox of the
tests. Standard library only.
"""

from __future__ import annotations

from collections.abc import Collection
from types import ModuleType
from typing import Any

from hrmgym.envs.sandboxes.between import exports
from hrmgym.envs.sandboxes.between.questions import Questions

#: The connection to the tested code, in a process that has one.
_link: list[Questions] = []
#: Special methods of two operands. `abs(result - 1.5) < 0.1` must not ask the result.
_ARITHMETIC = frozenset(
    f"__{mode}{name}__"
    for name in (
        *("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "divmod", "pow"),
        *("lshift", "rshift", "and", "or", "xor"),
    )
    for mode in ("", "r", "i")
)
_ORDER = ("__lt__", "__le__", "__gt__", "__ge__")


def connect(link: Questions) -> None:
    """Use this connection from now on."""
    _link[:] = [link]


def connection() -> Questions:
    """The connection to the tested code."""
    return _link[0]


def _special(name: str) -> Any:
    """A method that has the other side do it."""

    def method(self: Any, *args: Any) -> Any:
        if name in _ARITHMETIC and not is_remote(args[0]) and not type(self)._about.named():
            connection().refuse(
                f"calculates with an object of {_kind_of(self)} and plain data", "code"
            )
        return connection().operate(self, name, args)

    method.__name__ = name
    return method


def _ordering(name: str) -> Any:
    def method(self: Any, other: Any) -> Any:
        if not is_remote(other):
            connection().refuse(f"orders an object of {_kind_of(self)} and plain data", "code")
        return connection().operate(self, name, (other,))

    return method


def _contains(self: Any, item: Any) -> bool:
    about = type(self)._about
    if is_remote(item) or about.named():
        if "__contains__" in about.special:
            return connection().operate(self, "__contains__", (item,)) is True
    elif "__iter__" not in about.special:
        connection().refuse(f"asks an object of {_kind_of(self)} what it contains", "code")
    return any(one is item or one == item for one in self)


def _plain_contains(plain: type) -> Any:
    """`in` of plain data whose class has its own: that of the data, unless tests know the class."""

    def method(self: Any, item: Any) -> bool:
        if type(self)._about.named():
            return connection().operate(self, "__contains__", (item,)) is True
        of_data: Any = getattr(plain, "__contains__", None)
        if of_data is None:
            connection().refuse(f"asks an object of {_kind_of(self)} what it contains", "code")
        return bool(of_data(self, item))

    return method


def _truth(self: Any) -> bool:
    return connection().operate(self, "__bool__", ()) is True


def _next(self: Any) -> Any:
    return connection().following(self)


def _call(self: Any, *args: Any, **kwargs: Any) -> Any:
    return connection().call(self, args, kwargs)


def _exit(self: Any, kind: Any, error: Any, trace: Any) -> Any:
    return connection().operate(self, "__exit__", (kind, error, None))


_METHODS: dict[str, Any] = {
    **{name: _ordering(name) for name in _ORDER},
    "__contains__": _contains,
    "__bool__": _truth,
    "__next__": _next,
    "__call__": _call,
    "__exit__": _exit,
}


class About:
    """What the other side says of one of its classes."""

    __slots__ = ("classes", "equal", "handle", "methods", "opened", "special", "test")

    def __init__(self, handle: int, info: dict[str, Any]) -> None:
        self.handle = handle
        self.special = frozenset(_texts(info.get("special")))
        self.methods = frozenset(_texts(info.get("methods")))
        self.equal = info.get("equal")
        self.opened = info.get("open")
        self.test = info.get("test")
        self.classes: set[int] = {handle}  # with those that it derives from

    def named(self) -> bool:
        """Whether the tests know the class, or one that it derives from."""
        return not self.classes.isdisjoint(connection().named)


def _texts(items: Any) -> list[str]:
    return [item for item in items if isinstance(item, str)] if isinstance(items, list) else []


class RemoteType(type):
    """The class of stand-in classes."""

    _about: About

    def __new__(meta, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> Any:
        if bases and "_about" not in space:
            connection().refuse("derives a class from one of the tested code")
        return super().__new__(meta, name, bases, space)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return connection().call(cls, args, kwargs)

    def __getattr__(cls, name: str) -> Any:
        if name[:2] == "__" or "_about" not in vars(cls):
            raise AttributeError(name)
        return connection().attribute(cls, name)

    def __setattr__(cls, name: str, value: Any) -> None:
        connection().ask_for("set", cls, name, value)


class RemoteObject(metaclass=RemoteType):
    """Stands for an object."""

    _hrmgym_handle: int

    def __getattr__(self, name: str) -> Any:
        return _attribute(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        connection().ask_for("set", self, name, value)

    def __delattr__(self, name: str) -> None:
        connection().ask_for("del", self, name)

    def __eq__(self, other: object) -> Any:
        return _equal(self, other)

    def __ne__(self, other: object) -> Any:
        equal = _equal(self, other)
        return equal if equal is NotImplemented else not equal

    def __hash__(self) -> int:
        if "__hash__" in type(self)._about.special:
            return int(connection().operate(self, "__hash__", ()))
        if type(self)._about.equal:
            raise TypeError(f"unhashable type: {type(self).__name__!r}")
        return object.__hash__(self)

    def __repr__(self) -> str:
        return str(connection().operate(self, "__repr__", ()))

    def __str__(self) -> str:
        return str(connection().operate(self, "__str__", ()))

    def __dir__(self) -> list[str]:
        return [str(name) for name in connection().ask_for("names", self)]


def _attribute(self: Any, name: str) -> Any:
    if name.startswith("_hrmgym"):
        raise AttributeError(name)
    if name[:2] == "__" and name[-2:] == "__" and name not in ("__name__", "__wrapped__"):
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
    if name in type(self)._about.methods:
        return RemoteMethod(self, name)
    return connection().attribute(self, name)


def _equal(self: Any, other: object) -> Any:
    about = type(self)._about
    if self is other:
        return True
    if is_remote(other):
        theirs = about.equal or getattr(getattr(type(other), "_about", None), "equal", 0)
        return connection().compare(self, other) if theirs else False
    if about.opened:
        return bool(connection().ask_for("base", self) == other)
    if about.equal == 1 and other is not None:
        connection().refuse(f"compares an object of {_kind_of(self)} with plain data", "code")
    return NotImplemented  # it is the other's turn, whose classes are the tests' own or Python's


def _own_equal(self: Any, other: object) -> Any:
    """Equality of an exception whose class has its own."""
    if self is other:
        return True
    about = type(self)._about
    if is_remote(other) or hasattr(type(other), "_about"):
        return connection().compare(self, other)
    if about.equal == 1 and other is not None:
        connection().refuse(f"compares an object of {_kind_of(self)} with plain data", "code")
    return NotImplemented


def _own_unequal(self: Any, other: object) -> Any:
    equal = _own_equal(self, other)
    return equal if equal is NotImplemented else not equal


def _own_hash(self: Any) -> int:
    if "__hash__" not in type(self)._about.special:
        raise TypeError(f"unhashable type: {type(self).__name__!r}")
    return int(connection().operate(self, "__hash__", ()))


def _kind_of(value: Any) -> str:
    return f"the tested code's class {type(value).__name__}"


class RemoteMethod:
    """A method of an object, not yet called."""

    __slots__ = ("__name__", "__self__")

    def __init__(self, target: Any, name: str) -> None:
        self.__self__, self.__name__ = target, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return connection().call_method(self.__self__, self.__name__, args, kwargs)

    def __eq__(self, other: object) -> bool:
        return (
            type(other) is RemoteMethod
            and self.__self__ is other.__self__
            and self.__name__ == other.__name__
        )

    def __hash__(self) -> int:
        return hash((id(self.__self__), self.__name__))

    def __getattr__(self, name: str) -> Any:
        return connection().attribute(self, name)


class RemoteFunction:
    """Stands for a function."""

    def __init__(self, handle: int, name: str) -> None:
        self._hrmgym_handle, self.__name__ = handle, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return connection().call(self, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_hrmgym"):
            raise AttributeError(name)
        return connection().attribute(self, name)

    def __repr__(self) -> str:
        return f"<function {self.__name__}>"


class RemoteModule(ModuleType):
    """Stands for a module."""

    def __init__(self, handle: int, name: str, file: str) -> None:
        super().__init__(name)
        self.__dict__["__file__"] = file
        self.__dict__["_hrmgym_handle"] = handle

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":  # for `import *`
            public = [one for one in dir(self) if not one.startswith("_")]
            return connection().ask_for("attr", self, name) if "__all__" in dir(self) else public
        if name[:2] == "__" and name != "__version__":
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return connection().named_attribute(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name[:2] == "__" or isinstance(value, ModuleType):
            self.__dict__[name] = value  # the import system's doing
        else:
            connection().ask_for("set", self, name, value)

    def __delattr__(self, name: str) -> None:
        connection().ask_for("del", self, name)

    def __dir__(self) -> list[str]:
        return [str(name) for name in connection().ask_for("names", self)]


def is_remote(value: object) -> bool:
    """Whether it stands for something of the other side, and holds no plain data."""
    kind = type(value)
    return (
        kind is RemoteFunction
        or kind is RemoteMethod
        or (isinstance(kind, RemoteType) and issubclass(kind, RemoteObject))
        or isinstance(value, RemoteType)
    )


def make_class(handle: int, info: dict[str, Any], bases: list[type], plain: type | None) -> type:
    """A stand-in class."""
    about = About(handle, info)
    name, module = _identifier(info.get("name")), _identifier(info.get("module"))
    space: dict[str, Any] = {"__module__": module, "__qualname__": name, "_about": about}
    short = name.rpartition(".")[2]
    for base in bases:
        if isinstance(theirs := getattr(base, "_about", None), About):
            about.classes |= theirs.classes
    if any(issubclass(base, BaseException) for base in bases):
        return _make_error_class(handle, short, bases, space)
    parents: tuple[type, ...] = tuple(base for base in bases if isinstance(base, RemoteType))
    special = about.special
    if plain is not None:
        space["__getattr__"] = _attribute
        parents = tuple(base for base in parents if issubclass(base, plain)) or (plain,)
        space |= _forwarded(special - {"__eq__", "__ne__", "__hash__", *_ORDER})
        if "__contains__" in special:
            space["__contains__"] = _plain_contains(plain)
    else:
        parents = parents or (RemoteObject,)
        space |= _forwarded(special - _OF_OBJECTS)
    meta: Any = RemoteType
    if extra := exports.META.intersection(_texts(info.get("meta"))):
        metas = {one: _special(one) for one in extra}
        meta = type("RemoteType", (RemoteType,), metas)
    for chosen in (parents, parents[:1], (plain or RemoteObject,)):
        try:
            made: type = type.__call__(meta, short, chosen, space)
            return made
        except TypeError:  # no consistent order of bases
            continue
    raise AssertionError("a class with one base can be made")


def _make_error_class(
    handle: int, name: str, bases: list[type], space: dict[str, Any]
) -> type[BaseException]:
    """A stand-in class whose objects can be raised."""
    special = space["_about"].special - {"__str__"}
    space |= {"_hrmgym_class": handle, "__init_subclass__": _no_heirs}
    space |= {"__str__": _error_text, "__getattr__": _attribute, **_forwarded(special)}
    errors = [base for base in bases if issubclass(base, BaseException)]
    for chosen in (tuple(errors), (errors[0],), (Exception,)):
        try:
            return type(name, chosen, space)
        except TypeError:  # no common layout
            continue
    raise AssertionError("an exception with one base can be made")


#: What every stand-in for an object has, whatever its class says.
_OF_OBJECTS = frozenset(("__eq__", "__ne__", "__hash__", "__repr__", "__str__"))


def _forwarded(special: Collection[str]) -> dict[str, Any]:
    """Special methods that have the other side do it, by name."""
    methods = {name: _METHODS.get(name) or _special(name) for name in special}
    if "__eq__" in special or "__hash__" in special:
        methods["__hash__"] = _own_hash
    if "__eq__" in special:
        methods |= {"__eq__": _own_equal, "__ne__": _own_unequal}
    return methods


@classmethod  # type: ignore[misc]
def _no_heirs(cls: type) -> None:
    if "_hrmgym_class" not in vars(cls):
        connection().refuse("derives a class from one of the tested code")


def _error_text(self: BaseException) -> str:
    text = vars(self).get("_hrmgym_text")
    if isinstance(text, str):
        return text
    base: Any = next(one for one in type(self).__mro__ if one.__module__ == "builtins")
    return str(base.__str__(self))


def _identifier(text: Any) -> str:
    if isinstance(text, str) and all(part.isidentifier() for part in text.split(".")):
        return text[:100]
    return "object"
