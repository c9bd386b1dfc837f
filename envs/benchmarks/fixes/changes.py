"""What of a function changed from one release to the next, and the newer file with the older body.

Docstrings, comments and annotations aside: they change nothing that tests could see.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import io
import re
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Function:
    """One function of a module, or of a class in it."""

    name: str
    """Qualified: `Class.method`."""
    first: int
    """Line of its body, from 1: the one behind the docstring or the header."""
    last: int
    lines: tuple[str, ...]
    """The body's lines, with their ends."""
    head: str
    """What must be the same for bodies to be exchanged: decorators, parameters, `async`."""
    body: str
    """What has to differ: the statements without docstrings, comments and annotations."""


@dataclass(frozen=True, slots=True)
class Change:
    """A function whose body the newer release changed."""

    path: str
    function: str
    old: str
    """The newer file with the older body."""
    lines: int
    """Changed lines: the larger of those added and those removed; no comments, no blank ones."""
    coupled: str
    """Why the older body cannot work in the newer file at all; empty where nothing says so."""


class _Plain(ast.NodeTransformer):
    """Drops annotations and docstrings."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt | None:
        self.generic_visit(node)
        if node.value is None:
            return None
        return ast.Assign(targets=[node.target], value=node.value, lineno=0)

    def visit_Expr(self, node: ast.Expr) -> ast.stmt | None:
        self.generic_visit(node)
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if text else node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.returns = None
        return node


def parsed(text: str) -> ast.Module | None:
    """The text's tree; None where it is not Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None


@lru_cache(maxsize=16)
def _nodes(text: str) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions of a module and of its classes by qualified name, those defined once.

    Functions within functions belong to their function's body.
    """
    tree = parsed(text)
    if tree is None or "\r" in text or "\f" in text:
        return {}
    found = list(_definitions(tree, ""))
    times = Counter(name for name, _ in found)
    return {name: node for name, node in found if times[name] == 1}


def function(text: str, name: str) -> Function | None:
    """A function of a module, or of a class in it; None where its body cannot be exchanged."""
    node = _nodes(text).get(name)
    return None if node is None else _function(name, node, text.split("\n"))


def _said(text: str) -> dict[str, str]:
    """Qualified name -> the function's own lines, as they stand there."""
    lines = text.split("\n")
    return {
        name: "\n".join(lines[node.lineno - 1 : node.end_lineno])
        for name, node in _nodes(text).items()
    }


def _definitions(
    node: ast.AST, around: str
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _FUNCTIONS):
            yield around + child.name, child
        elif isinstance(child, ast.ClassDef):
            yield from _definitions(child, f"{around}{child.name}.")
        elif not isinstance(child, ast.expr):
            yield from _definitions(child, around)


def _function(
    name: str, node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]
) -> Function | None:
    body = node.body
    documented = ast.get_docstring(node, clean=False) is not None
    if len(body) == documented:
        return None
    if documented:
        begin = body[0].end_lineno or 0
    else:
        args = [*ast.walk(node.args), *(() if node.returns is None else (node.returns,))]
        begin = max([node.lineno, *(getattr(one, "end_lineno", 0) or 0 for one in args)]) - 1
        while not re.sub(r"#.*", "", lines[begin]).rstrip().endswith(":"):
            begin += 1
            if begin >= body[0].lineno - 1:
                return None
        begin += 1
    first_statement = body[documented]
    if first_statement.lineno <= begin or lines[begin - 1].rstrip().endswith(";"):
        return None
    last = node.end_lineno or 0
    plain = [_Plain().visit(parsed_again) for parsed_again in ast.parse(ast.unparse(node)).body]
    copy = plain[0]
    assert isinstance(copy, _FUNCTIONS)
    inner = [ast.dump(one) for one in copy.body]
    head = f"{type(copy).__name__} {ast.dump(copy.args)} {list(map(ast.dump, copy.decorator_list))}"
    own = tuple(line + "\n" for line in lines[begin:last])
    return Function(name, begin + 1, last, own, head, "\n".join(inner))


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    """The functions of the same path, name and signature whose bodies differ, in a fixed order.

    Args:
        old: Path -> text of the older release's Python files.
        new: Those of the newer one.
    """
    found = []
    gone = _defined(old.values()) - _defined(new.values())
    for path in sorted(set(old) & set(new)):
        if old[path] == new[path]:
            continue
        before, after = _said(old[path]), _said(new[path])
        tree = parsed(new[path])
        around = _PYTHONS | (_bound(tree) if tree is not None else frozenset())
        for name in before.keys() & after.keys():
            if before[name] == after[name]:
                continue
            one, other = function(old[path], name), function(new[path], name)
            if one is None or other is None or one.head != other.head or one.body == other.body:
                continue
            text = _with_body(new[path], other, one)
            if text is not None:
                why = _coupled(text, name, other, gone, around)
                found.append(Change(path, name, text, _changed_lines(one, other), why))
    return sorted(found, key=lambda change: (change.path, change.function))


def with_old_body(old: str, new: str, name: str) -> str | None:
    """The newer file with a function's older body; None where it has not both."""
    one, other = function(old, name), function(new, name)
    return None if one is None or other is None else _with_body(new, other, one)


def _with_body(text: str, known: Function, body: Function) -> str | None:
    """A text with another body for one of its functions; None where that is not the same body."""
    if _indent(known.lines) != _indent(body.lines):
        return None
    lines = text.split("\n")
    inner = "".join(body.lines).removesuffix("\n").split("\n")
    made = "\n".join([*lines[: known.first - 1], *inner, *lines[known.last :]])
    again = function(made, known.name)
    return made if again is not None and again.body == body.body else None


def _indent(lines: Iterable[str]) -> str:
    """The blanks before the first line that is no comment."""
    first = next(line for line in lines if line.strip() and not line.lstrip().startswith("#"))
    return first[: len(first) - len(first.lstrip())]


def _changed_lines(old: Function, new: Function) -> int:
    one, other = _code_lines(old.lines), _code_lines(new.lines)
    blocks = difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    changed = [block for block in blocks if block[0] != "equal"]
    return max(sum(b - a for _, a, b, _, _ in changed), sum(d - c for *_, c, d in changed))


def _code_lines(lines: Iterable[str]) -> list[str]:
    text = "".join(lines)
    try:
        comments = {
            token.start[0]: token.start[1]
            for token in tokenize.generate_tokens(io.StringIO("if 1:\n" + text).readline)
            if token.type == tokenize.COMMENT
        }
    except (tokenize.TokenError, SyntaxError):
        comments = {}
    cut = [line[: comments.get(at)] for at, line in enumerate(text.split("\n"), start=2)]
    return [line.rstrip() for line in cut if line.strip()]


# --- whether the older body can work in the newer file ------------------------------------------


def _coupled(
    text: str, name: str, new: Function, gone: frozenset[str], around: frozenset[str]
) -> str:
    """Why the older body depends on what only the older release has; empty where it does not."""
    node = _nodes(text)[name]
    bound = around | _bound(node)
    used = set(re.findall(r"\w+", "".join(new.lines)))
    for inner in ast.walk(node):
        match inner:
            case ast.Name(id=one, ctx=ast.Load()) if one not in bound:
                return f"the name {one!r} is not defined any more"
            case ast.Attribute(attr=one) if one in gone and one not in used:
                return f"the attribute {one!r} is not there any more"
            case ast.keyword(arg=str(one)) if one in gone and one not in used:
                return f"the parameter {one!r} is not there any more"
    return ""


_PYTHONS = frozenset(dir(builtins)) | {"__file__", "__name__", "__doc__", "__class__", "__path__"}


def _bound(tree: ast.AST) -> frozenset[str]:
    """All names that some code binds somewhere."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.ClassDef(name=name) | ast.arg(arg=name):
                found.add(name)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                found.add(name)
            case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                found.add(name)
            case ast.alias(name=name, asname=other):
                found.add(other or name.partition(".")[0])
            case ast.Global(names=names):
                found.update(names)
    return frozenset(found)


def _defined(texts: Iterable[str]) -> frozenset[str]:
    """Names that some texts give to functions, classes, attributes and parameters."""
    found: set[str] = set()
    for text in texts:
        tree = parsed(text)
        for node in ast.walk(tree) if tree is not None else ():
            match node:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    found.add(name)
                case ast.ClassDef(name=name) | ast.arg(arg=name):
                    found.add(name)
                case ast.Attribute(attr=name, ctx=ast.Store()):
                    found.add(name)
                case ast.Name(id=name, ctx=ast.Store()):
                    found.add(name)
                case ast.Constant(value=str(name)) if name.isidentifier():
                    found.add(name)  # __slots__, setattr and the like
    return frozenset(found)
