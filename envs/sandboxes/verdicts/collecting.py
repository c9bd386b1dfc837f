"""Whether test files can be collected before the code that they test is there.

Where that is so, names of the tested code are placeholders at first, and every use of one is
noticed (see between/modules.py). Some uses cannot be noticed: what they would decide is decided
here, from the text of the tests.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

#: Functions that look at a value, not through it, so that a placeholder cannot notice.
_ONLOOKERS = {
    *("type", "id", "callable", "isinstance", "issubclass", "hasattr", "getattr", "vars", "dir"),
    *("globals", "locals", "eval", "exec", "importorskip", "seed"),
}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_BRANCHES = (ast.Try, ast.TryStar, ast.With, ast.Match, ast.For, ast.While)


def needs_code(tree: ast.Module) -> bool:
    """Whether what a test file defines may depend on the tested code."""
    return any(_depends(node) for node in _run_at_import(tree))


def _run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a module that run when it is imported: not the bodies of functions."""
    yield node
    if isinstance(node, _FUNCTIONS):
        decorators = getattr(node, "decorator_list", [])
        defaults = [one for one in (*node.args.defaults, *node.args.kw_defaults) if one is not None]
        inner: list[ast.AST] = [*decorators, *defaults]
    else:
        inner = list(ast.iter_child_nodes(node))
    for child in inner:
        yield from _run_at_import(child)


def _depends(node: ast.AST) -> bool:
    match node:
        case ast.ImportFrom(names=names):
            return any(alias.name == "*" for alias in names)
        case ast.If(test=ast.Compare(left=ast.Name(id="__name__"))):
            return False
        case ast.Compare(ops=ops):
            return any(isinstance(op, (ast.Is, ast.IsNot)) for op in ops)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in _ONLOOKERS
    return isinstance(node, _BRANCHES)


def imported(tree: ast.Module) -> set[str]:
    """Top-level names of the modules that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                names |= {alias.name.partition(".")[0] for alias in aliases}
            case ast.ImportFrom(module=str(module), level=0):
                names.add(module.partition(".")[0])
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__")
                | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                names.add(module.partition(".")[0])
    return names
