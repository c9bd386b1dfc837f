"""What tests may hand over that tested code gets a copy of: parts of the standard library.

The other way there are no such copies: a copy would run, or answer, in the process of the tests.
Inside the sandbox of the tests only. Standard library only.
"""

from __future__ import annotations

import copyreg
import enum
import operator
import sys
from functools import partial
from types import BuiltinFunctionType, FunctionType, GenericAlias, ModuleType, UnionType
from typing import Any

_CALLABLES = (operator.itemgetter, operator.attrgetter, operator.methodcaller, partial)
#: Of a class, by its name: `str.upper`, `int.__add__`, `dict.fromkeys`.
_DESCRIPTORS = (type(str.upper), type(int.__add__), type(vars(dict)["fromkeys"]))
_FIRM = (type, str, bytes, int, float, tuple, frozenset)
_CONSTANTS = {type(None): "NoneType", type(...): "EllipsisType"}


def place(value: Any) -> tuple[str, str] | None:
    """Module and name of a function, class or module of the standard library."""
    if type(value) is ModuleType:
        return (value.__name__, "") if _is_library(value.__name__) else None
    for known, name in _CONSTANTS.items():
        if value is known:
            return "types", name
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if not isinstance(module, str) or not _is_library(module):
        return None
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    if isinstance(found, (staticmethod, classmethod)) or found is not value:
        return None
    return module, name


def _is_library(module: str) -> bool:
    held = sys.modules.get(module)
    return module.partition(".")[0] in sys.stdlib_module_names and held is not None


def recipe(value: Any, kind: type) -> list[Any] | None:
    """How to make a copy of a value that cannot change.

    Returns:
        `["L", module, name]`, `["A", owner, name]` for an attribute, or `["R", function, arguments,
        keywords]`; None for any other value.
    """
    if kind in (FunctionType, BuiltinFunctionType, ModuleType):
        known = place(value)
        if known is not None:
            return ["L", *known]
    if kind in _DESCRIPTORS:
        return ["A", value.__objclass__, value.__name__]
    if kind is BuiltinFunctionType and type(value.__self__) in _FIRM:
        return ["A", value.__self__, value.__name__]
    if isinstance(value, enum.Enum) and place(kind) and value.name in type(value).__members__:
        return ["A", kind, value.name]
    if kind is partial:
        return ["R", partial, (value.func, *value.args), tuple(value.keywords.items())]
    if kind.__module__ == "string" and kind.__name__ == "Template":
        return ["R", kind, (value.template,), ()]
    if kind in (*_CALLABLES, GenericAlias, UnionType) or kind.__module__ == "typing":
        reduce: Any = copyreg.dispatch_table.get(kind, kind.__reduce__)
        made = reduce(value)
        if isinstance(made, str):
            return ["L", "typing", made]
        return ["R", made[0], made[1], ()]
    return None


def is_named_tuple(kind: Any) -> bool:
    """Whether a class is as `namedtuple` makes them, with nothing added that computes."""
    return (
        isinstance(kind, type)
        and kind.__bases__ == (tuple,)
        and hasattr(kind, "_make")
        and not {"__eq__", "__hash__", "__init__"} & vars(kind).keys()
    )
