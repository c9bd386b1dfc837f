"""In which order calls of a program are tried: those first that fail untouched, if that may be.

Standard library only.
"""

from __future__ import annotations

import ast

_PURE_DECORATORS = frozenset(
    {"staticmethod", "classmethod", "property", "cache", "lru_cache", "wraps", "dataclass"}
)


def order(count: int, first: list[int]) -> list[int]:
    """Numbers of so many tests, some of them first; the others as they are."""
    return [*first, *(number for number in range(count) if number not in first)]


def keeps_state(text: str) -> bool:
    """Whether a call of a program's functions could depend on the calls before it, by its syntax.

    It could where a module or class holds anything but plain constants, functions and classes,
    where a default is not constant, or a variable of an outer scope is bound.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return True
    for node in ast.walk(tree):
        if isinstance(node, ast.Global | ast.Nonlocal):
            return True
        if isinstance(node, ast.Module | ast.ClassDef) and not all(map(_is_plain, node.body)):
            return True
        if not all(map(_is_pure, getattr(node, "decorator_list", ()))):
            return True
        if isinstance(node, ast.arguments):
            defaults = [*node.defaults, *(one for one in node.kw_defaults if one is not None)]
            if not all(map(_is_constant, defaults)):
                return True
    return False


def _is_plain(statement: ast.stmt) -> bool:
    """Whether a statement of a module or class leaves nothing that can change."""
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        return statement.value is None or _is_constant(statement.value)
    if isinstance(statement, ast.Expr):
        return _is_constant(statement.value)
    if isinstance(statement, ast.If):  # such as that of the main program
        return all(map(_is_plain, (*statement.body, *statement.orelse))) or _is_main(statement)
    return isinstance(
        statement,
        ast.FunctionDef
        | ast.AsyncFunctionDef
        | ast.ClassDef
        | ast.Import
        | ast.ImportFrom
        | ast.Pass,
    )


def _is_main(statement: ast.If) -> bool:
    return "__main__" in ast.dump(statement.test)


def _is_constant(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple):
        return all(map(_is_constant, node.elts))
    if isinstance(node, ast.UnaryOp):
        return _is_constant(node.operand)
    if isinstance(node, ast.BinOp):
        return _is_constant(node.left) and _is_constant(node.right)
    return isinstance(node, ast.Constant | ast.Name | ast.Attribute | ast.Lambda)


def _is_pure(decorator: ast.expr) -> bool:
    if isinstance(decorator, ast.Call):
        decorator = decorator.func
    if isinstance(decorator, ast.Attribute):
        return decorator.attr in _PURE_DECORATORS | {"setter", "getter"}
    return isinstance(decorator, ast.Name) and decorator.id in _PURE_DECORATORS
