"""A Python program prepared for editing: its expressions with all that an edit there has to fit."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from hrmgym.envs.edits.python import pieces as pc
from hrmgym.envs.edits.python.arity import Arities
from hrmgym.envs.edits.python.canon import Canon, Canons, regions
from hrmgym.envs.edits.python.contexts import MODULE, rejected
from hrmgym.envs.edits.python.flow import (
    AWAIT,
    FIXED,
    WALRUS,
    YIELD,
    YIELD_FROM,
    Flow,
    Scope,
    is_async_generator,
    parameters_of,
)
from hrmgym.envs.edits.python.layout import Layout
from hrmgym.envs.edits.python.parts import BINDS, SPECIAL, of_expression, of_statement
from hrmgym.envs.edits.python.pieces import Piece
from hrmgym.envs.edits.python.places import FUNCTION, LOOP, Block, Change, Place
from hrmgym.envs.edits.python.valuetypes import Types
from hrmgym.envs.edits.source import Source, is_docstring
from hrmgym.envs.edits.syntax import numeric_names

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_NO_BRACKETS = (
    *(ast.BinOp, ast.BoolOp, ast.Compare, ast.UnaryOp, ast.IfExp, ast.Lambda, ast.Await),
    *(ast.Attribute, ast.Call, ast.Subscript, ast.Tuple, ast.Constant, ast.JoinedStr),
)


class Program(Layout):
    """A prepared program.

    Attributes:
        text: The program.
        source: Its syntax.
        flow: Its bound names.
        types: Its obvious types.
        canons: The trees of its regions.
        places: All expressions, a parent before its children, in source order.
        blocks: All statement lists inside functions (of the module where there is no function).
    """

    def __init__(self, source: Source, span: tuple[int, int]) -> None:
        self.source, self.text, self.span = source, source.text, span
        tree = source.tree
        assert isinstance(tree, ast.Module)
        self.flow = Flow(tree)
        self.types = Types(tree, self.flow)
        self.regions = regions(tree)
        self.canons = Canons(self.regions)
        self.places: list[Place] = []
        self.at: dict[ast.AST, Place] = {}
        self.blocks: list[Block] = []
        self._nowhere = self.flow.mask((YIELD, YIELD_FROM, AWAIT, WALRUS))
        self._bound_inside: dict[ast.stmt, int] = {}
        self._bound_by: dict[ast.stmt, list[str]] = {}
        self._lines: dict[ast.stmt, tuple[int, int] | None] = {}
        self.memo: dict[object, object] = {}
        self.counted: dict[Place, bool] = {}
        for index, node in enumerate(self.regions):
            if isinstance(node, ast.Module):
                self._block(node, "body", node.body, index, 0)
            else:
                assert isinstance(node, ast.stmt)
                first, last = source.span(node)
                if first < span[1] and last > span[0]:
                    self._statement(node, index, 0)
        self.places.sort(key=lambda place: (place.start, -place.end))

    # --- what kinds ask --------------------------------------------------------------------------

    def accepts(self, place: Place, given: int) -> bool:
        """Whether a call may have so many positional arguments."""
        return self._accepts(place.node, place.node.func, place.scope, given)

    def takes(self, name: str, scope: Scope, given: int, call: Any) -> bool:
        """Whether a function may be called with so many arguments, or as another one is."""
        return self._accepts(call, ast.Name(name), scope, given)

    def _accepts(self, call: Any, function: Any, scope: Scope, given: int) -> bool:
        keywords = call.keywords if call is not None else []
        arguments = call.args if call is not None else []
        if any(word.arg is None for word in keywords):
            return True
        if any(isinstance(one, ast.Starred) for one in arguments):
            return True
        local = isinstance(function, ast.Name) and not self.is_builtin(function.id)
        held = self.types.of(function.value, scope) if isinstance(function, ast.Attribute) else ""
        return self.arities.accept(function, given, len(keywords), local=local, held=held)

    @cached_property
    def arities(self) -> Arities:
        """How many arguments functions take."""
        return Arities(self.source)

    def is_builtin(self, name: str) -> bool:
        """Whether a name is a builtin's all over the file."""
        return self.flow.is_builtin(name) and not self.flow.bit(name) & self._local

    @cached_property
    def _local(self) -> int:
        """Names that some scope of the file binds, as bits."""
        found = 0
        for local in self.flow.local.values():
            found |= local
        return found

    def is_defined(self, name: str) -> bool:
        """Whether a function of that name is in the file."""
        return name in self.arities.defined

    def after(self, place: int, text: str) -> int:
        """The end of the next token of that text."""
        return next(
            t.end for t in self.source.tokens_between(place, place + 4096) if t.text == text
        )

    def canon_of(self, node: ast.AST, region: int) -> str:
        """The tree of a node."""
        canon: Canon = self.canons[region]
        return canon.text[slice(*canon.spans[node])]

    @cached_property
    def free(self) -> dict[str, int]:
        """Names that are read, and that nothing in the file binds -> where the first one is."""
        found: dict[str, int] = {}
        bound = self.flow.mask(
            name
            for node in self.source.nodes(ast.Global, ast.Nonlocal)
            for name in node.names  # type: ignore[attr-defined]
        )
        bound |= self._local
        for place in self.places:
            if isinstance(place.node, ast.Name) and not place.store:
                bit = self.flow.bit(place.node.id)
                if place.unbound & bit & ~bound:
                    found.setdefault(place.node.id, place.start)
        return found

    @cached_property
    def numeric(self) -> frozenset[str]:
        """Variables that the program counts with somewhere."""
        found = set(numeric_names(self.source))
        for _ in range(2):
            for node in self.source.nodes(ast.Assign, ast.Compare):
                if isinstance(node, ast.Compare):
                    names = [
                        s.id for s in (node.left, *node.comparators) if isinstance(s, ast.Name)
                    ]
                    ordered = isinstance(node.ops[0], (ast.Lt, ast.LtE, ast.Gt, ast.GtE))
                    if ordered and found & set(names):
                        found |= set(names)
                elif (
                    isinstance(node, ast.Assign)
                    and isinstance(node.value, ast.BinOp)
                    and _counted(node.value, found)
                ):
                    found |= {one.id for one in node.targets if isinstance(one, ast.Name)}
        return frozenset(found)

    def names_in(self, region: int) -> Iterator[ast.Name]:
        """The names in a region, as they come."""
        for place in self.places:
            if place.region == region and isinstance(place.node, ast.Name):
                yield place.node

    def of_kind(self, *kinds: type[ast.AST]) -> Iterator[Place]:
        """The places of expressions of the given kinds whose values are read."""
        for place in self.places:
            if isinstance(place.node, kinds) and not place.store:
                yield place

    # --- statements ------------------------------------------------------------------------------

    def _block(
        self, owner: ast.AST, field: str, body: list[ast.stmt], region: int, legal: int
    ) -> None:
        statements = [node for node in body if not is_docstring(node)]
        if statements:
            begin = self.canons[region].blocks[owner, field]
            scope = self.flow.scope[statements[0]]
            if not isinstance(owner, ast.ClassDef):
                block = Block(owner, field, statements, region, begin, scope, legal)
                self.blocks.append(block)
        for node in statements:
            self._statement(node, region, legal)

    def _statement(self, node: ast.stmt, region: int, legal: int) -> None:
        unbound = self.unbound(node)
        for child, field, need in of_statement(node):
            self._expression(child, node, field, need, node, unbound, region)
        inner = legal
        if isinstance(node, _FUNCTIONS):
            inner = 0 if is_async_generator(node) else FUNCTION
        elif isinstance(node, ast.ClassDef):
            inner = 0
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            inner |= LOOP
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            if body:
                self._block(node, name, body, region, inner if name == "body" else legal)
        caught = 0 if isinstance(node, ast.TryStar) else legal  # no jump leaves `except*`
        for handler in getattr(node, "handlers", ()):
            self._block(handler, "body", handler.body, region, caught)
        for case in getattr(node, "cases", ()):
            self._block(case, "body", case.body, region, legal)

    def unbound(self, node: ast.stmt) -> int:
        """What no expression of a statement may read, as bits."""
        scope = self.flow.scope[node]
        return ~(self.flow.before[node] | self.special(scope)) | self.flow.late[scope]

    def special(self, scope: Scope) -> int:
        """What is legal in a scope's statements besides names, as bits."""
        legal = self.flow.bit(WALRUS)
        if isinstance(scope, ast.FunctionDef):
            legal |= self.flow.mask((YIELD, YIELD_FROM))
        elif isinstance(scope, ast.AsyncFunctionDef):
            legal |= self.flow.bit(AWAIT)
            if is_async_generator(scope):  # others may return values
                legal |= self.flow.bit(YIELD)
        return legal

    # --- expressions -----------------------------------------------------------------------------

    def _expression(
        self,
        node: ast.expr,
        parent: ast.AST,
        field: str,
        need: int,
        statement: ast.stmt,
        unbound: int,
        region: int,
    ) -> Place:
        place = Place()
        scope = self.flow.scope[statement]
        place.node, place.parent, place.field, place.statement = node, parent, field, statement
        place.scope, place.region, place.need, place.unbound = scope, region, need, unbound
        place.start, place.end = self.source.span(node)
        place.low, place.high = self.source.outer_span(node)
        place.canon_start, place.canon_end = self.canons[region].spans[node]
        place.store = isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del))
        self.places.append(place)
        self.at[node] = place
        inner, reads, unread, fixed = [], 0, 0, self.flow.bit(FIXED)
        if isinstance(node, (*_COMPREHENSIONS, ast.Lambda)):
            unbound |= self._nowhere
        for child, name, least, bound, holder in self._inside(node):
            one = self._expression(child, holder, name, least, statement, unbound & ~bound, region)
            inner.append(one)
            reads |= one.piece.reads
            unread |= bound
        if not isinstance(node, ast.Tuple):
            reads &= ~fixed
        if type(node) in SPECIAL:
            reads |= self.flow.bit(SPECIAL[type(node)])
        if isinstance(node, _COMPREHENSIONS) and any(one.is_async for one in node.generators):
            reads |= self.flow.bit(AWAIT)
        if isinstance(node, ast.JoinedStr):
            names = (one.id for one in ast.walk(node) if isinstance(one, ast.Name))
            reads = self.flow.mask(names)
        if isinstance(node, ast.Name) and not place.store:
            reads = self.flow.bit(node.id)
        place.inner = tuple(inner)
        text = self.text[place.start : place.end]
        if self._sole(node, parent):  # its span has the call's own parentheses
            place.start, place.end = place.start + 1, place.end - 1
            place.low, place.high = place.start, place.end
        place.glued = self._glued(place.low, place.high)
        binds = self._binds(node)
        if binds < 0 or ("\n" in text and isinstance(node, _NO_BRACKETS) and self._open(place)):
            text, binds = f"({text})", pc.ATOM
        canon = self.canons[region].text[place.canon_start : place.canon_end]
        kind = self.types.of(node, scope)
        place.piece = Piece(text, canon, binds, kind, reads & ~unread)
        place.rejects = (
            MODULE
            if place.store
            else rejected(node, parent, field, lambda one: self.types.of(one, scope))
        )
        return place

    def _inside(self, node: ast.expr) -> Iterator[tuple[ast.expr, str, int, int, ast.AST]]:
        """The expressions directly in one: node, field, what it needs, names bound, its parent."""
        if isinstance(node, _COMPREHENSIONS):
            bound = 0
            for one in node.generators:
                yield one.iter, "iter", pc.OR, bound, one
                bound |= self.flow.mask(
                    name.id for name in ast.walk(one.target) if isinstance(name, ast.Name)
                )
                yield one.target, "target", pc.TUPLE, bound, one
                for test in one.ifs:
                    yield test, "ifs", pc.OR, bound, one
            if isinstance(node, ast.DictComp):
                yield node.key, "key", pc.CONDITIONAL, bound, node
                yield node.value, "value", pc.CONDITIONAL, bound, node
            else:
                yield node.elt, "elt", pc.CONDITIONAL, bound, node
        elif isinstance(node, ast.Lambda):
            yield node.body, "body", pc.CONDITIONAL, self.flow.mask(parameters_of(node.args)), node
        elif isinstance(node, ast.Call):
            yield node.func, "func", pc.ATOM, 0, node
            for argument in node.args:
                yield argument, "args", pc.NAMED, 0, node
            for word in node.keywords:
                yield word.value, "value", pc.CONDITIONAL, 0, word
        else:
            yield from ((child, name, need, 0, node) for child, name, need in of_expression(node))

    def is_bare(self, place: Place) -> bool:
        """Whether a place is a generator that shares its parentheses with a call."""
        return self._sole(place.node, place.parent)

    def _sole(self, node: ast.expr, parent: ast.AST) -> bool:
        return (
            isinstance(node, ast.GeneratorExp)
            and isinstance(parent, ast.Call)
            and self.source.span(node)[1] == self.source.span(parent)[1]
        )

    def _binds(self, node: ast.expr) -> int:
        if isinstance(node, ast.BinOp):
            return pc.BINARY[pc.SIGNS[type(node.op).__name__]][1]
        if isinstance(node, ast.UnaryOp):
            return pc.NOT if isinstance(node.op, ast.Not) else pc.SIGN
        if isinstance(node, ast.BoolOp):
            return pc.AND if isinstance(node.op, ast.And) else pc.OR
        if isinstance(node, ast.Constant):
            return pc.NUMBER if isinstance(node.value, (int, float, complex)) else pc.ATOM
        if isinstance(node, ast.Tuple) and node.elts:
            bare = self.source.outer_span(node.elts[0])[0] == self.source.span(node)[0]
            return pc.TUPLE if bare else pc.ATOM
        if isinstance(node, (ast.Yield, ast.YieldFrom, ast.NamedExpr)):
            return -1
        return BINDS.get(type(node), pc.ATOM)

    def _open(self, place: Place) -> bool:
        """Whether an expression has a line end outside its own brackets."""
        depth, last = 0, place.start
        for token in self.source.tokens_between(place.start, place.end):
            if depth == 0 and "\n" in self.text[last : token.start]:
                return True
            depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
            last = token.end
        return False

    def _glued(self, start: int, end: int) -> int:
        before, after = self.text[start - 1 : start], self.text[end : end + 1]
        return _in_word(before) + 2 * _in_word(after)

    def apart(self, text: str, start: int, end: int) -> str:
        """A text to stand at a span, with the blanks that keep it apart from words beside it."""
        return _apart(text, self._glued(start, end))

    # --- changes ---------------------------------------------------------------------------------

    def put(self, place: Place, piece: Piece) -> Change | None:
        """The change that puts an expression in place of another; None where it does not fit."""
        if piece.reads & place.unbound or piece.type in place.rejects:
            return None
        return self.replace(place, piece)

    def replace(self, place: Place, piece: Piece) -> Change:
        """Like `put`, without asking whether it fits."""
        text, start, end, glued = piece.text, place.start, place.end, place.glued
        source = self.text
        if place.low < start:
            if piece.binds >= place.need and "\n" not in source[place.low : place.high]:
                start, end = place.low, place.high
            else:
                glued = 0
        elif piece.binds < place.need:
            text = f"({text})"
        if glued:
            text = _apart(text, glued)
        old = source[start:end]
        if text.startswith(old):
            start, text = end, text[len(old) :]
        elif text.endswith(old):
            end, text = start, text[: len(text) - len(old)]
        return pc.make(
            Change,
            (start, end, text, place.region, place.canon_start, place.canon_end, piece.canon),
        )


def _in_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def _apart(text: str, glued: int) -> str:
    """A text with the blanks that keep it apart from the words beside it, as `Place.glued`."""
    if not text:
        return " " if glued == 3 else ""
    before = " " if glued & 1 and _in_word(text[:1]) else ""
    return f"{before}{text} " if glued & 2 and _in_word(text[-1:]) else before + text


def _counted(node: ast.expr, names: set[str]) -> bool:
    """Whether a computation has whole numbers in it."""
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, (ast.Div, ast.Mod)):
            return False
        return _counted(node.left, names) or _counted(node.right, names)
    if isinstance(node, ast.Name):
        return node.id in names
    return isinstance(node, ast.Constant) and type(node.value) is int
