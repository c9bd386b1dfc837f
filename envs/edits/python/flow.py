"""Which names may be bound where: a forward walk over the statements of every scope.

A name counts as bound at a place where some path from the start of its scope binds it. Names of
enclosing functions and of the module count as bound inside functions, wherever they are bound.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator

from hrmgym.envs.edits.source import is_docstring

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*_FUNCTIONS, ast.ClassDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_BUILTINS = tuple(
    dict.fromkeys(name for name in (*dir(builtins), "__file__") if name.isidentifier())
)
_BUILTIN_MASK = (1 << len(_BUILTINS)) - 1
#: Not names, but bound where it is legal: `yield`, `yield from`, `await`, `:=`.
YIELD, YIELD_FROM, AWAIT, WALRUS = "<yield>", "<yield from>", "<await>", "<walrus>"
#: Not a name, and bound nowhere: what stands in one kind of place alone, `*x` or `a:b`.
FIXED = "<fixed>"

Scope = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Flow:
    """The bound names of a program.

    Attributes:
        before: For each statement, the names that may be bound before it runs, as bits.
        scope: For each statement, the function, class or module that its names live in.
        local: For each scope, the names that it binds, as bits.
        bindings: For each scope, how many statements bind a name that need not be bound before.
        late: For each scope, names that it declares global or nonlocal when statements of its own
            have gone before, as bits: a use before the declaration is no program.
    """

    def __init__(self, tree: ast.Module) -> None:
        self._bits = {name: 1 << index for index, name in enumerate(_BUILTINS)}
        self.before: dict[ast.stmt, int] = {}
        self.scope: dict[ast.stmt, Scope] = {}
        self.local: dict[Scope, int] = {}
        self.parameters: dict[Scope, int] = {}
        self.bindings: dict[Scope, dict[str, int]] = {}
        self.late: dict[Scope, int] = {}
        self._loops: list[list[int]] = []
        self._stored: dict[ast.stmt, int] = {}
        star = any(
            isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
            for node in ast.walk(tree)
        )
        everything = _BUILTIN_MASK
        if star:  # nobody knows what came in: nothing that is read is unbound
            for node in ast.walk(tree):
                if isinstance(node, ast.Name):
                    everything |= self.bit(node.id)
        self._scope(tree, tree.body, everything, everything, 0)

    def bit(self, name: str) -> int:
        """The bit of a name."""
        bit = self._bits.get(name)
        if bit is None:
            bit = self._bits[name] = 1 << len(self._bits)
        return bit

    @staticmethod
    def is_builtin(name: str) -> bool:
        """Whether a builtin has that name."""
        return name in _BUILTINS

    def mask(self, names: Iterable[str]) -> int:
        """The bits of several names."""
        found = 0
        for name in names:
            found |= self.bit(name)
        return found

    # --- scopes ----------------------------------------------------------------------------------

    def _scope(
        self, node: Scope, body: list[ast.stmt], base: int, outer: int, parameters: int
    ) -> None:
        """Walks a scope.

        Args:
            node: What makes it.
            body: Its statements.
            base: Names that are bound all through it, its own aside.
            outer: What functions in it see besides its own names.
            parameters: Names that are bound at its start.
        """
        counts: dict[str, int] = {}
        for name in stored_in(body):
            counts[name] = 0
        for name in bound_in(body):
            counts[name] += 1
        free = {
            name
            for inner in _own(body)
            if isinstance(inner, (ast.Global, ast.Nonlocal))
            for name in inner.names
        }
        local = self.mask(name for name in counts if name not in free) | parameters
        self.local[node], self.bindings[node], self.parameters[node] = local, counts, parameters
        base |= self.mask(free)
        self.late[node] = self.mask(free - set(_declared_first(body)))
        if isinstance(node, _FUNCTIONS):
            base &= ~local
        outside, self._loops = self._loops, []
        later: list[ast.stmt] = []
        self._block(body, parameters, base, node, later)
        self._loops = outside
        inner = outer if isinstance(node, ast.ClassDef) else (outer | local)
        for one in later:
            if isinstance(one, ast.ClassDef):
                self._scope(one, one.body, inner, inner, 0)
            else:
                assert isinstance(one, _FUNCTIONS)
                self._scope(one, one.body, inner, inner, self.mask(parameters_of(one.args)))

    # --- statements ------------------------------------------------------------------------------

    def _block(
        self, body: list[ast.stmt], state: int, base: int, scope: Scope, later: list[ast.stmt]
    ) -> int | None:
        """The names bound after a block; None where its end is not reached."""
        reached: int | None = state
        for node in body:
            self.before[node] = state | base
            self.scope[node] = scope
            after = self._statement(node, state, base, scope, later)
            if after is None:
                reached = None
            else:
                state = after
                if reached is not None:
                    reached = after
        return reached

    def _statement(
        self, node: ast.stmt, state: int, base: int, scope: Scope, later: list[ast.stmt]
    ) -> int | None:
        def run(body: list[ast.stmt], start: int) -> int | None:
            return self._block(body, start, base, scope, later)

        stored = self._stores(node)
        if isinstance(node, (ast.Return, ast.Raise)):
            return None
        if isinstance(node, (ast.Break, ast.Continue)):
            if self._loops:
                self._loops[-1][isinstance(node, ast.Continue)] |= state
            return None
        if isinstance(node, ast.Delete):
            gone = self.mask(t.id for t in node.targets if isinstance(t, ast.Name))
            return state & ~gone
        if isinstance(node, ast.If):
            state |= stored
            return _join(run(node.body, state), run(node.orelse, state))
        if isinstance(node, (ast.While, ast.For, ast.AsyncFor)):
            return self._loop(node, state, stored, base, scope, later)
        if isinstance(node, (ast.Try, ast.TryStar)):
            return self._try(node, state, base, scope, later)
        if isinstance(node, (ast.With, ast.AsyncWith)):
            inside = run(node.body, state | stored)  # what it holds may be cut short
            return (inside or 0) | state | stored | self._all(node.body)
        if isinstance(node, ast.Match):
            out: int | None = state | stored
            for case in node.cases:
                out = _join(out, run(case.body, state | stored))
            return out
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)) and node not in later:
            later.append(node)
        return state | stored

    def _loop(
        self,
        node: ast.While | ast.For | ast.AsyncFor,
        state: int,
        stored: int,
        base: int,
        scope: Scope,
        later: list[ast.stmt],
    ) -> int | None:
        head = state if not isinstance(node, ast.While) else state | stored
        breaks = 0
        broke = any(isinstance(inner, ast.Break) for inner in of_loop(node.body))
        while True:
            self._loops.append([0, 0])
            out = self._block(node.body, head | stored, base, scope, later)
            breaks, continues = self._loops.pop()
            again = head | (out or 0) | continues
            if again == head:
                break
            head = again
        if isinstance(node, ast.While):
            self.before[node] = head | base
        endless = (
            isinstance(node, ast.While)
            and isinstance(node.test, ast.Constant)
            and bool(node.test.value)
        )
        done = self._block(node.orelse, head, base, scope, later) if not endless else None
        return _join(done, breaks | state if broke else None)

    def _try(
        self,
        node: ast.Try | ast.TryStar,
        state: int,
        base: int,
        scope: Scope,
        later: list[ast.stmt],
    ) -> int | None:
        out = self._block(node.body, state, base, scope, later)
        broken = state | self._all(node.body)
        if out is not None:
            out = self._block(node.orelse, out, base, scope, later)
        for handler in node.handlers:
            caught = self.bit(handler.name) if handler.name else 0
            one = self._block(handler.body, broken | caught, base, scope, later)
            out = _join(out, one & ~caught if one is not None and caught else one)
        if not node.finalbody:
            return out
        some = broken | self._all([*node.orelse, *(s for h in node.handlers for s in h.body)])
        last = self._block(node.finalbody, some, base, scope, later)
        return None if last is None or out is None else out | self._all(node.finalbody)

    def _stores(self, node: ast.stmt) -> int:
        """What a statement binds itself, not in its blocks."""
        known = self._stored.get(node)
        if known is None:
            known = self._stored[node] = self.mask(stored_by(node))
        return known

    def _all(self, body: list[ast.stmt]) -> int:
        return self.mask(stored_in(body))


def _join(one: int | None, two: int | None) -> int | None:
    if one is None or two is None:
        return two if one is None else one
    return one | two


def parameters_of(arguments: ast.arguments) -> list[str]:
    """Names of the parameters."""
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
    return [one.arg for one in every]


def _declared_first(body: list[ast.stmt]) -> Iterator[str]:
    """Names that a scope declares global or nonlocal before it does anything."""
    for node in body:
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            yield from node.names
        elif not is_docstring(node):
            return


def _own(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements of a scope, those of inner scopes left out."""
    for node in body:
        yield node
        if not isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            yield from _own(list(_inner(node)))


def _inner(node: ast.stmt) -> Iterator[ast.stmt]:
    for name in ("body", "orelse", "finalbody"):
        yield from getattr(node, name, ())
    for handler in getattr(node, "handlers", ()):
        yield from handler.body
    for case in getattr(node, "cases", ()):
        yield from case.body


def is_async_generator(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function is asynchronous and yields: it may return no value."""
    if not isinstance(node, ast.AsyncFunctionDef):
        return False
    waiting: list[ast.AST] = list(node.body)
    while waiting:
        one = waiting.pop()
        if isinstance(one, ast.Yield):
            return True
        if not isinstance(one, _SCOPES):  # what an inner function yields is its own
            waiting.extend(ast.iter_child_nodes(one))
    return False


def of_loop(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements of a loop's body, those of inner loops and scopes left out."""
    for node in body:
        yield node
        if isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            yield from of_loop(node.orelse)
        elif not isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            yield from of_loop(list(_inner(node)))


def stored_in(body: list[ast.stmt]) -> Iterator[str]:
    """Names that the statements of a scope bind, each as often as it is bound."""
    for node in _own(body):
        yield from stored_by(node)
        for handler in getattr(node, "handlers", ()):
            if handler.name:
                yield handler.name


def bound_in(body: list[ast.stmt]) -> Iterator[str]:
    """Like `stored_in`, without what an augmented assignment changes: it has to be bound before."""
    for node in _own(body):
        if not isinstance(node, ast.AugAssign):
            yield from stored_by(node)
            for handler in getattr(node, "handlers", ()):
                if handler.name:
                    yield handler.name


def stored_by(node: ast.stmt) -> Iterator[str]:
    """Names that a statement binds itself, not in its blocks."""
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            yield alias.asname or alias.name.partition(".")[0]
    else:
        blocks = set(_inner(node))
        waiting: list[ast.AST] = [
            child for child in ast.iter_child_nodes(node) if child not in blocks
        ]
        while waiting:
            inner = waiting.pop()
            if isinstance(inner, ast.Name):
                if isinstance(inner.ctx, ast.Store):
                    yield inner.id
            elif isinstance(inner, (ast.MatchAs, ast.MatchStar)) and inner.name:
                yield inner.name
                waiting.extend(ast.iter_child_nodes(inner))
            elif isinstance(inner, ast.MatchMapping) and inner.rest:
                yield inner.rest
                waiting.extend(ast.iter_child_nodes(inner))
            elif isinstance(inner, _COMPREHENSIONS):
                for one in ast.walk(inner):
                    if isinstance(one, ast.NamedExpr) and isinstance(one.target, ast.Name):
                        yield one.target.id
            elif isinstance(inner, (ast.ExceptHandler, *_SCOPES)):
                continue
            elif isinstance(inner, ast.match_case):
                waiting.extend([inner.pattern])
            else:
                waiting.extend(ast.iter_child_nodes(inner))
