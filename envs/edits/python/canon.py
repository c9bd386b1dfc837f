"""A syntax tree as text: equal texts, equal programs; a changed node, a changed piece of the text.

The form is that of `ast.dump`, without positions, contexts, annotations and docstrings, so that a
node's text does not depend on where it stands. An edit of the tree is then an edit of this text.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import Any

from hrmgym.envs.edits.source import is_docstring

_LEFT_OUT = frozenset(
    {"ctx", "annotation", "simple", "returns", "type_comment", "kind", "type_params"}
)
_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Canon:
    """The text of one tree, and where each node stands in it.

    Attributes:
        text: The whole tree.
        spans: Start and end in `text` of each node; not of what is inside f-strings.
        blocks: For each statement list, by the node that holds it and the field's name, where
            its items begin.
    """

    def __init__(self, node: ast.AST) -> None:
        self.spans: dict[ast.AST, tuple[int, int]] = {}
        self.blocks: dict[tuple[ast.AST, str], int] = {}
        self._parts: list[str] = []
        self._at = 0
        self._node(node)
        self.text = "".join(self._parts)

    def _add(self, text: str) -> None:
        self._parts.append(text)
        self._at += len(text)

    def _node(self, node: ast.AST) -> None:
        start = self._at
        if isinstance(node, ast.Name):
            self._add(node.id)
        elif isinstance(node, ast.Constant):
            self._add(ascii(node.value))
        elif isinstance(node, ast.JoinedStr):
            self._add(ast.dump(node))
        else:
            self._add(type(node).__name__ + "(")
            for name in _fields(type(node)):
                value = getattr(node, name, None)
                if isinstance(value, list):
                    self._list(node, name, value)
                elif isinstance(value, ast.AST):
                    self._node(value)
                    self._add(";")
                else:
                    self._add("-;" if value is None else f"{value!r};")
            self._add(")")
        self.spans[node] = start, self._at

    def _list(self, node: ast.AST, name: str, items: Iterable[object]) -> None:
        self._add("[")
        self.blocks[node, name] = self._at
        for item in items:
            if isinstance(item, ast.AST):
                if is_docstring(item):
                    continue
                self._node(item)
                self._add(",")
            else:
                self._add("-," if item is None else f"{item!r},")
        self._add("];")


class Canons(Sequence[Canon]):
    """The texts of several trees, each made when it is first asked for."""

    def __init__(self, nodes: Sequence[ast.AST]) -> None:
        self._nodes = nodes
        self._made: dict[int, Canon] = {}

    def __getitem__(self, index: Any) -> Any:
        known = self._made.get(index)
        if known is None:
            known = self._made[index] = Canon(self._nodes[index])
        return known

    def __len__(self) -> int:
        return len(self._nodes)


def _fields(kind: type[ast.AST]) -> tuple[str, ...]:
    known = _FIELDS.get(kind)
    if known is None:
        known = _FIELDS[kind] = tuple(name for name in kind._fields if name not in _LEFT_OUT)
    return known


def regions(tree: ast.Module) -> list[ast.AST]:
    """The parts of a program that are compared as a whole: outermost functions, other statements.

    A program without functions is one part.
    """
    found = list(_regions(tree.body))
    return found if any(isinstance(node, _FUNCTIONS) for node in found) else [tree]


def _regions(body: list[ast.stmt]) -> Iterable[ast.AST]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _regions(node.body)
        elif not is_docstring(node):
            yield node


#: The largest prime below 2**60, which Python holds in two of its digits.
PRIME = (1 << 60) - 93


class Keys:
    """Numbers that tell changed texts apart, each made in the time that the change takes.

    The number of a text is the text, read as one number, modulo a prime: two different ones are
    the same with a chance of 1 in 1e18. What comes before and after a change is computed once.

    Attributes:
        before: For each place, the number of the text up to there.
        behind: For each place, what the number of the text up to there counts in the whole.
        powers: 256 ** n modulo the prime.
    """

    def __init__(self, text: str) -> None:
        self.powers = [1]
        self.before, sizes = [0], [0]
        number = size = 0
        for letter in text:
            for byte in letter.encode():
                number = ((number << 8) + byte) % PRIME
                size += 1
            self.before.append(number)
            sizes.append(size)
        self.grow(size + 256)
        self.behind = [self.powers[size - one] for one in sizes]

    def grow(self, size: int) -> None:
        """Has `powers` up to that one."""
        powers = self.powers
        while len(powers) <= size:
            powers.append((powers[-1] << 8) % PRIME)

    def digest(self, new: str) -> tuple[int, int]:
        """The number of a text, and 256 to the power of its length."""
        data = new.encode()
        if len(data) >= len(self.powers):
            self.grow(len(data))
        return int.from_bytes(data, "big") % PRIME, self.powers[len(data)]

    def of(self, start: int, end: int, new: str) -> int:
        """The number of the text with `new` in place of `start:end`."""
        number, power = self.digest(new)
        before = self.before
        middle = before[start] * power + number
        return ((middle - before[end]) * self.behind[end] + before[-1]) % PRIME
