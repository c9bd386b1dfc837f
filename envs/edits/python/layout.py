"""Statements as kinds see them: their lines, what they bind, where they may go."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from hrmgym.envs.edits.python.flow import Flow, bound_in, of_loop
from hrmgym.envs.edits.python.places import LOOP, Block, Place
from hrmgym.envs.edits.source import Source


class Layout:
    """What is asked about the statements of a prepared program."""

    text: str
    source: Source
    flow: Flow
    places: list[Place]
    blocks: list[Block]
    _bound_inside: dict[ast.stmt, int]
    _bound_by: dict[ast.stmt, list[str]]
    _lines: dict[ast.stmt, tuple[int, int] | None]

    def first(self, node: ast.stmt) -> int:
        """Where a statement begins."""
        return self.source.span(node)[0]

    def lines(self, node: ast.stmt) -> tuple[int, int] | None:
        """The whole lines of a statement; None where others share them, or decorators go before."""
        if node not in self._lines:
            decorated = getattr(node, "decorator_list", None)
            self._lines[node] = None if decorated else self.source.line_span(node)
        return self._lines[node]

    def is_elif(self, node: ast.stmt) -> bool:
        """Whether a statement is written `elif`."""
        return isinstance(node, ast.If) and self.text.startswith("elif", self.source.span(node)[0])

    def step(self, owner: ast.stmt, node: ast.stmt) -> str:
        """The blanks by which a statement is deeper than what holds it; "" on one line."""
        outer, inner = self.source.indent(owner), self.source.indent(node)
        if node.lineno == owner.lineno or not inner.startswith(outer) or inner.strip():
            return ""
        return inner[len(outer) :]

    @cached_property
    def unit(self) -> str:
        """The blanks of one level of indentation."""
        for block in self.blocks:
            if isinstance(block.owner, ast.stmt):
                step = self.step(block.owner, block.statements[0])
                if step:
                    return step
        return "    "

    def may_shift(self, node: ast.stmt) -> bool:
        """Whether a statement may be indented otherwise: texts of several lines would change."""
        tokens = self.source.tokens_between(*self.source.span(node))
        return not any("\n" in token.text for token in tokens)

    def shifted(self, lines: tuple[int, int], *, more: str = "", less: str = "") -> str:
        """Whole lines, deeper or less deep."""
        found = []
        for line in self.text[slice(*lines)].splitlines(keepends=True):
            if line.strip():
                line = more + line.removeprefix(less) if not line.startswith("\\") else line
            found.append(line)
        return "".join(found)

    def allows(self, block: Block, node: ast.stmt) -> bool:
        """Whether a statement's jumps are legal in a block."""
        jumps = any(isinstance(one, (ast.Break, ast.Continue)) for one in of_loop([node]))
        return not jumps or bool(block.legal & LOOP)

    def allows_body(self, block: Block, node: ast.While) -> bool:
        """Whether a loop's own jumps are legal in the block that holds the loop."""
        jumps = any(isinstance(one, (ast.Break, ast.Continue)) for one in of_loop(node.body))
        return not jumps or bool(block.legal & LOOP)

    def sole_binding(
        self, names: Iterable[str], spans: Sequence[tuple[int, int]], block: Block
    ) -> bool:
        """Whether nothing but these spans bind one of the names that is read outside them.

        Args:
            names: What the spans bind, each as often as they do.
            spans: Starts and ends in characters.
            block: A block of the scope that the names live in.
        """
        counts = self.flow.bindings[block.scope]
        inside: dict[str, int] = {}
        for name in names:
            inside[name] = inside.get(name, 0) + 1
        for name, count in inside.items():
            if counts.get(name, 0) > count or name not in counts:
                continue
            if self.flow.parameters[block.scope] & self.flow.bit(name):
                continue
            if name in self._nonlocal:
                return True
            for at in self._read_at.get(name, ()):
                if not any(start <= at < end for start, end in spans):
                    return True
        return False

    @cached_property
    def _nonlocal(self) -> frozenset[str]:
        """Names that a function declares nonlocal: an outer one has to bind them."""
        declared = (node.names for node in self.source.nodes(ast.Nonlocal))  # type: ignore[attr-defined]
        return frozenset(name for names in declared for name in names)

    def may_drop(self, node: ast.stmt, block: Block) -> bool:
        """Whether what a statement binds is bound elsewhere, too, or read nowhere else."""
        return not self.sole_binding(self.bound_by(node), [self.source.span(node)], block)

    def bound_by(self, node: ast.stmt) -> list[str]:
        """The names that a statement binds, as `bound_in` says."""
        known = self._bound_by.get(node)
        if known is None:
            known = self._bound_by[node] = list(bound_in([node]))
        return known

    def may_swap(self, first: ast.stmt, second: ast.stmt, block: Block) -> bool:
        """Whether a statement may come before another that binds nothing it needs."""
        names = set(self.bound_by(first))
        if not names or not self.sole_binding(names, [self.source.span(first)], block):
            return True
        start, end = self.source.span(second)
        return not any(start <= at < end for name in names for at in self._read_at.get(name, ()))

    @cached_property
    def _read_at(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for place in self.places:
            if isinstance(place.node, ast.Name) and not place.store:
                found.setdefault(place.node.id, []).append(place.start)
            elif isinstance(place.node, ast.JoinedStr):
                for name in _names(place.node):
                    found.setdefault(name, []).append(place.start)
        for node in self.source.nodes(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef):
            at = self.source.span(node)[0]  # type: ignore[arg-type]
            for name in _beside_body(node):
                found.setdefault(name, []).append(at)
        return found

    @cached_property
    def _names_of(self) -> dict[ast.stmt, list[Place]]:
        found: dict[ast.stmt, list[Place]] = {}
        for place in self.places:
            if isinstance(place.node, ast.Name):
                found.setdefault(place.statement, []).append(place)
        return found

    def names_of(self, node: ast.stmt) -> list[Place]:
        """The names in a statement, as they come."""
        return self._names_of.get(node, [])

    def bound_inside(self, node: ast.stmt) -> int:
        """The names that a statement's comprehensions bind, as bits."""
        known = self._bound_inside.get(node)
        if known is None:
            known = self._bound_inside[node] = self._comprehended(node)
        return known

    def _comprehended(self, node: ast.stmt) -> int:
        return self.flow.mask(
            name.id
            for one in ast.walk(node)
            if isinstance(one, ast.comprehension)
            for name in ast.walk(one.target)
            if isinstance(name, ast.Name)
        )

    @cached_property
    def method_calls(self) -> frozenset[tuple[str, str]]:
        """Variables and the methods that are called on them."""
        return frozenset(
            (place.node.value.id, place.node.attr)
            for place in self.places
            if isinstance(place.node, ast.Attribute) and isinstance(place.node.value, ast.Name)
        )

    def may_lose(self, place: Place) -> bool:
        """Whether a variable may be read no more, or is still bound, once this binds it no more."""
        name = place.node.id
        if isinstance(place.parent, ast.AugAssign):
            return True
        if self.flow.bindings[place.scope].get(name, 2) != 1:
            return True
        if self.flow.parameters[place.scope] & self.flow.bit(name):
            return True
        return name not in self._nonlocal and name not in self._read_at


def _names(node: ast.AST) -> Iterator[str]:
    return (one.id for one in ast.walk(node) if isinstance(one, ast.Name))


def _beside_body(node: ast.AST) -> Iterator[str]:
    """The names in decorators, annotations and bases."""
    for field in ("decorator_list", "bases", "keywords"):
        for one in getattr(node, field, ()):
            yield from _names(one)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        if node.returns is not None:
            yield from _names(node.returns)
        for inner in ast.walk(node.args):
            if isinstance(inner, ast.arg) and inner.annotation is not None:
                yield from _names(inner.annotation)
