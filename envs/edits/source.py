"""Python source text with its syntax tree, its tokens and character offsets of both.

Offsets count characters of the text, not bytes, so that they can be used as `Edit` spans.
Annotations, decorators, docstrings and the insides of f-strings are not walked: the first three do
not compute, and the positions of the last differ between Python versions.
"""

from __future__ import annotations

import ast
import bisect
import io
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from hrmgym.errors import DataError

_BLOCKS = ("body", "orelse", "finalbody")
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
# operators and contexts are shared objects: they have no parent of their own
_SHARED = (ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context)
_UNWALKED = frozenset({"annotation", "returns", "decorator_list", "type_params"})
_SPELLING = str.maketrans("", "", " \n\t\f\\(),;\"'")
_LAYOUT = frozenset(
    {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT}
)


@dataclass(frozen=True, slots=True)
class Token:
    """One token that is not layout, with its span in characters."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Binding:
    """A variable, and where it may be read: from `after` up to `end`."""

    name: str
    after: int
    end: int


class Source:
    """A parsed Python text.

    Raises:
        DataError: the text is not Python, or has carriage returns.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        if "\r" in text:
            raise DataError("Python source with carriage returns; lines must end with \\n alone")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.tree = ast.parse(text)
        except (SyntaxError, ValueError) as error:
            raise DataError(f"not Python source: {error}") from None
        self._lines = [line + "\n" for line in text.split("\n")]  # as ast counts them
        self._line_starts = [0]
        for line in self._lines:
            self._line_starts.append(self._line_starts[-1] + len(line))
        self.memo: dict[str, frozenset[str]] = {}  # what is asked about the source more than once
        self._parents: dict[ast.AST, ast.AST] = {}
        self._nodes: list[ast.AST] = []
        self._walk(self.tree)

    def _walk(self, node: ast.AST) -> None:
        self._nodes.append(node)
        if isinstance(node, ast.JoinedStr):
            return
        for name, value in ast.iter_fields(node):
            if name in _UNWALKED:
                continue
            for child in value if isinstance(value, list) else (value,):
                if not isinstance(child, ast.AST) or isinstance(child, _SHARED):
                    continue
                if not is_docstring(child):
                    self._parents[child] = node
                    self._walk(child)

    def offset(self, line: int, column: int) -> int:
        """Character offset of a place that ast gives as line (from 1) and UTF-8 column."""
        text = self._lines[line - 1] if line <= len(self._lines) else ""
        if not text.isascii():
            column = len(text.encode()[:column].decode(errors="ignore"))
        return self._line_starts[line - 1] + column

    def span(self, node: ast.expr | ast.stmt | ast.arg | ast.keyword) -> tuple[int, int]:
        """Start and end of a node in characters, parentheses around it not included."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            self.offset(node.lineno, node.col_offset),
            self.offset(node.end_lineno, node.end_col_offset),
        )

    def segment(self, node: ast.expr | ast.stmt) -> str:
        """The node's text."""
        start, end = self.span(node)
        return self.text[start:end]

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The node that holds this one; None for the module."""
        return self._parents.get(node)

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """The parent, its parent, and so on up to the module."""
        above = self._parents.get(node)
        while above is not None:
            yield above
            above = self._parents.get(above)

    def nodes(self, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        """All nodes of the given kinds, a parent before its children, in source order."""
        for node in self._nodes:
            if isinstance(node, kinds):
                yield node

    @cached_property
    def dump(self) -> str:
        """The syntax tree as text, without positions."""
        return ast.dump(self.tree)

    @cached_property
    def signs(self) -> str:
        """`signs_of` the text."""
        return signs_of(self.text)

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        """All tokens but layout and comments."""
        found = []
        lines = self._line_starts
        for token in tokenize.generate_tokens(io.StringIO(self.text, newline="\n").readline):
            if token.type not in _LAYOUT and token.string:
                start = lines[token.start[0] - 1] + token.start[1]
                found.append(Token(token.string, start, lines[token.end[0] - 1] + token.end[1]))
        return tuple(found)

    @cached_property
    def _token_starts(self) -> list[int]:
        return [token.start for token in self.tokens]

    def tokens_between(self, start: int, end: int) -> tuple[Token, ...]:
        """The tokens that start at or after `start` and before `end`."""
        low = bisect.bisect_left(self._token_starts, start)
        return self.tokens[low : bisect.bisect_left(self._token_starts, end)]

    def operator_between(self, left: ast.expr, right: ast.expr) -> tuple[int, int]:
        """Span of the operator between two operands, which may be in parentheses."""
        tokens = [
            token
            for token in self.tokens_between(self.span(left)[1], self.span(right)[0])
            if token.text not in ("(", ")", ",")
        ]
        assert tokens, "two operands have an operator between them"
        return tokens[0].start, tokens[-1].end

    def outer_span(self, node: ast.expr) -> tuple[int, int]:
        """The node's span with the parentheses that are directly around it."""
        start, end = self.span(node)
        parent = self._parents.get(node)
        if isinstance(parent, (ast.expr, ast.stmt)):
            low, high = self.span(parent)
        else:
            low, high = 0, len(self.text)
        if isinstance(parent, ast.Call):  # the brackets of the call itself do not count
            low, high = self.span(parent.func)[1] + 1, high - 1
        while True:
            before = self.tokens_between(low, start)
            after = self.tokens_between(end, high)
            if not (before and after and before[-1].text == "(" and after[0].text == ")"):
                return start, end
            start, end = before[-1].start, after[0].end

    def blocks(self) -> Iterator[list[ast.stmt]]:
        """All statement lists inside functions (of the whole module when it has no function)."""
        functions = any(isinstance(node, _FUNCTIONS[:2]) for node in self._nodes)
        for node in self._nodes:
            if isinstance(node, (ast.Module, ast.ClassDef)) and functions:
                continue
            for name in _BLOCKS:
                block = getattr(node, name, None)
                if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                    yield [statement for statement in block if not is_docstring(statement)]

    def line_span(self, node: ast.stmt) -> tuple[int, int] | None:
        """Span of the whole lines of a statement, line ends included; None if others share them."""
        assert node.end_lineno is not None
        start = self._line_starts[node.lineno - 1]
        end = min(self._line_starts[node.end_lineno], len(self.text))
        first, last = self.span(node)
        if self.text[start:first].strip() or self.tokens_between(last, end):
            return None
        return start, end

    def indent(self, node: ast.stmt) -> str:
        """The blanks before a statement."""
        start = self._line_starts[node.lineno - 1]
        return self.text[start : self.span(node)[0]]

    @cached_property
    def bindings(self) -> tuple[Binding, ...]:
        """Parameters and assigned variables, in source order; no functions, classes or imports."""
        found: dict[Binding, None] = {}
        for node in self._nodes:
            if isinstance(node, ast.arg):
                function = next(a for a in self.ancestors(node) if isinstance(a, _FUNCTIONS))
                body = function.body
                first = body[0] if isinstance(body, list) else body
                found[Binding(node.arg, self.span(first)[0], self.span(function)[1])] = None
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                start, end = self._scope(node)
                found[Binding(node.id, start, end)] = None
        return tuple(found)

    def _scope(self, name: ast.Name) -> tuple[int, int]:
        """Where an assigned name may be read."""
        after = -1
        for above in self.ancestors(name):
            if isinstance(above, _COMPREHENSIONS):
                return self.span(above)
            if isinstance(above, _FUNCTIONS):
                return after, self.span(above)[1]
            if after < 0 and isinstance(above, ast.stmt):  # the statement that binds it
                body = getattr(above, "body", None)
                after = self.span(body[0])[0] if body else self.span(above)[1]
        return after, len(self.text)

    def visible_names(self, place: int) -> tuple[str, ...]:
        """Variables that may be read at a place, in the order in which they are bound."""
        names = (b.name for b in self.bindings if b.after <= place < b.end and b.name != "_")
        return tuple(dict.fromkeys(names))


def signs_of(text: str) -> str:
    """The text without what may stand in two spellings of one tree; different ones, other trees.

    Numbers are taken to be spelt in one way.
    """
    return text.translate(_SPELLING)


def is_docstring(node: ast.AST) -> bool:
    """Whether a node is a statement that is nothing but a text."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


@lru_cache(maxsize=256)
def parse(text: str) -> Source:
    """`Source(text)`, kept for the next call."""
    return Source(text)
