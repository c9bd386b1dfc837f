"""How many arguments functions take: those of the file, and the common builtins."""

from __future__ import annotations

import ast
from typing import Any

from hrmgym.envs.edits.python.flow import parameters_of
from hrmgym.envs.edits.source import Source

_ANY = (0, 1 << 16)
_BUILTINS = {
    **dict.fromkeys(
        (
            "len",
            "abs",
            "any",
            "all",
            "ord",
            "chr",
            "reversed",
            "repr",
            "callable",
            "id",
            "hash",
            "bin",
            "hex",
            "oct",
        ),
        (1, 1),
    ),
    **dict.fromkeys(("list", "set", "tuple", "frozenset", "bool", "float", "dict"), (0, 1)),
    **dict.fromkeys(("isinstance", "issubclass", "hasattr", "filter", "divmod"), (2, 2)),
    **dict.fromkeys(("sum", "enumerate", "iter", "next", "round"), (1, 2)),
    **dict.fromkeys(("min", "max"), (1, 1 << 16)),
    **{"range": (1, 3), "sorted": (1, 1), "int": (0, 2), "str": (0, 3), "getattr": (2, 3)},
    **{"setattr": (3, 3), "pow": (2, 3), "map": (2, 1 << 16)},
}
#: Methods of lists and sets; of other types' methods of these names nothing is known.
_METHODS = {
    **dict.fromkeys(("append", "extend", "add", "discard", "remove", "count"), (1, 1)),
    **dict.fromkeys(("sort", "reverse", "copy", "clear"), (0, 0)),
    **{"pop": (0, 1), "insert": (2, 2), "index": (1, 3)},
}

Arity = tuple[int, int]


class Arities:
    """The functions of a file, by how many positional arguments they take.

    What is defined twice, decorated, or takes `*args` says nothing.

    Attributes:
        defined: Functions that are no methods.
        parameters: For each function and method, what its parameters are called.
    """

    def __init__(self, source: Source) -> None:
        self._functions: dict[str, Arity] = {}
        self._methods: dict[str, Arity] = {}
        self.parameters: dict[str, list[str]] = {}
        self.defined: set[str] = set()
        for node in source.nodes(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef):
            if isinstance(node, ast.ClassDef):
                self._add(self._functions, node.name, _ANY)
                continue
            assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            least, most = arity_of(node) if not node.decorator_list else _ANY
            names = [one for one in parameters_of(node.args) if one not in ("self", "cls")]
            self.parameters[node.name] = names if node.name not in self.parameters else []
            if isinstance(source.parent(node), ast.ClassDef):
                self._add(self._methods, node.name, (max(0, least - 1), max(0, most - 1)))
            else:
                self.defined.add(node.name)
                self._add(self._functions, node.name, (least, most))
        for name in source.visible_names(len(source.text)):  # assigned, too
            self._functions[name] = _ANY

    @staticmethod
    def _add(table: dict[str, Arity], name: str, arity: Arity) -> None:
        table[name] = arity if name not in table else _ANY

    def accept(self, function: Any, given: int, keywords: int, *, local: bool, held: str) -> bool:
        """Whether a function may be called so.

        Args:
            function: What is called.
            given: How many positional arguments.
            keywords: How many keyword arguments.
            local: Whether its name is not the builtin's.
            held: For a method, the type of what it is called on.
        """
        least, most = _ANY
        if isinstance(function, ast.Name):
            if function.id in self._functions:
                least, most = self._functions[function.id]
            elif not local:
                least, most = _BUILTINS.get(function.id, _ANY)
                if function.id == "dict":
                    keywords = 0
        elif isinstance(function, ast.Attribute):
            if isinstance(function.value, ast.Name) and function.value.id == "self":
                least, most = self._methods.get(function.attr, _ANY)
            elif held in ("list", "set"):
                least, most = _METHODS.get(function.attr, _ANY)
        return given <= most and given + keywords >= least


def arity_of(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> Arity:
    """The least and the most positional arguments that a function takes."""
    arguments = node.args
    positional = len(arguments.posonlyargs) + len(arguments.args)
    least = positional - len(arguments.defaults)
    least += sum(default is None for default in arguments.kw_defaults)
    return least, (1 << 16 if arguments.vararg is not None else positional)
