"""What of a module has to go along with instances of its classes. In the sandbox of the tests only.

A module next to the tests may hold expected values beside its classes; these must not reach the
tested code. Standard library only.
"""

from __future__ import annotations

import ast

from hrmgym.envs.sandboxes.inside import sourcecode


def classes(source: str) -> str:
    """The module's classes and what they refer to, directly or not; every line at its place.

    The text is decoded: what it says in characters, whatever the file's encoding was.

    Imports, functions, assignments and other statements of the module that no class refers to by
    name are left out.
    """
    text = sourcecode.decoded(source)
    body = ast.parse(text).body
    makers: dict[str, list[ast.stmt]] = {}
    for statement in body:
        for name in _made_by(statement):
            makers.setdefault(name, []).append(statement)
    pending = [one for one in body if isinstance(one, ast.ClassDef) or _is_future(one)]
    kept: set[ast.stmt] = set()
    while pending:
        statement = pending.pop()
        if statement in kept:
            continue
        kept.add(statement)
        for node in ast.walk(statement):
            if isinstance(node, ast.Name):
                pending += makers.get(node.id, ())
    lines = text.split("\n")  # `splitlines` would cut at form feeds as well, the parser does not
    found = [""] * len(lines)
    for statement in kept:
        decorators = getattr(statement, "decorator_list", [])
        first = min([statement.lineno, *(one.lineno for one in decorators)])
        assert statement.end_lineno is not None
        found[first - 1 : statement.end_lineno] = lines[first - 1 : statement.end_lineno]
    return "\n".join(found)


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _made_by(statement: ast.stmt) -> set[str]:
    """Names that a statement of the module binds or changes."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    names: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
    return names
