"""Bug operators that leave out what a repair often adds: arguments, parts of expressions, lines."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from hrmgym.envs.bugs.sites import Site, drop, swap
from hrmgym.envs.edits.source import Source, is_docstring

_MOST_LINES = 3
_BRACKETED = (ast.Tuple, ast.List, ast.Set)


def _items(source: Source, spans: Sequence[tuple[int, int]]) -> Iterator[Site]:
    """Sites that drop one item of a comma-separated list, with its comma."""
    for index, (start, end) in enumerate(spans):
        if index:
            yield drop(source, spans[index - 1][1], end)
        elif len(spans) > 1:
            yield drop(source, start, spans[1][0])
        else:
            yield drop(source, start, end)


def argument_drop(source: Source) -> Iterator[Site]:
    """An argument of a call left out."""
    for node in source.nodes(ast.Call):
        assert isinstance(node, ast.Call)
        spans = [source.outer_span(argument) for argument in node.args]
        for word in node.keywords:
            end = source.outer_span(word.value)[1]
            start = source.span(word)[0]
            spans.append((start, end))
        yield from _items(source, sorted(spans))


def parameter_drop(source: Source) -> Iterator[Site]:
    """A parameter left out, or its default."""
    for node in source.nodes(ast.arguments):
        assert isinstance(node, ast.arguments)
        positional = [*node.posonlyargs, *node.args]
        defaults = [None] * (len(positional) - len(node.defaults)) + node.defaults
        ends = []
        for arguments, values in ((positional, defaults), (node.kwonlyargs, node.kw_defaults)):
            spans = []
            for argument, default in zip(arguments, values, strict=True):
                start, end = source.span(argument)
                if default is not None:
                    last = source.outer_span(default)[1]
                    yield drop(source, end, last)
                    end = last
                spans.append((start, end))
            yield from _items(source, spans)
            ends.append(spans[-1][1] if spans else None)
        low, high = ends
        if low and high and len(node.kwonlyargs) == 1 and not node.vararg:  # the star goes too
            yield drop(source, low, high)


def element_drop(source: Source) -> Iterator[Site]:
    """An element of a tuple, list, set or dict written out left out."""
    for node in source.nodes(*_BRACKETED, ast.Dict):
        if isinstance(node, ast.Dict):
            spans = []
            for key, value in zip(node.keys, node.values, strict=True):
                start = source.outer_span(key)[0] if key is not None else None
                if start is not None:
                    spans.append((start, source.outer_span(value)[1]))
        else:
            assert isinstance(node, _BRACKETED)
            spans = [source.outer_span(element) for element in node.elts]
            if len(spans) == 2 and isinstance(node, ast.Tuple):
                whole = source.outer_span(node)
                for start, end in spans:
                    yield swap(*whole, source.text[slice(*whole)], source.text[start:end])
        yield from _items(source, spans)


def shrink(source: Source) -> Iterator[Site]:
    """A part of an expression in place of the whole: `x` for `f(x)`, `x.y`, `x[i]` or `x is y`."""
    text = source.text
    for node in source.nodes(ast.expr, ast.comprehension):
        if isinstance(node, ast.comprehension):
            for test in node.ifs:
                end = source.outer_span(test)[1]
                before = source.tokens_between(0, source.outer_span(test)[0])
                yield drop(source, before[-1].start - 1, end)
            continue
        assert isinstance(node, ast.expr)
        start, end = source.span(node)
        for part in _smaller(node):
            low, high = source.outer_span(part)
            if isinstance(part, ast.GeneratorExp) and isinstance(node, ast.Call):
                continue
            yield swap(start, end, text[start:end], text[low:high])
        if isinstance(node, ast.Attribute):
            yield drop(source, start, end - len(node.attr))


def _smaller(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred, ast.Await)):
        yield node.value
    elif isinstance(node, ast.Call):
        yield node.func
        if isinstance(node.func, ast.Attribute):
            yield node.func.value
        yield from (a for a in node.args if not isinstance(a, ast.Starred))
        yield from (word.value for word in node.keywords)
    elif isinstance(node, ast.Compare):
        yield node.left
        yield from node.comparators[-1:]
    elif isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.BoolOp):
        yield from node.values
    elif isinstance(node, ast.BinOp):
        yield from (node.left, node.right)
    elif isinstance(node, (ast.List, ast.Set, ast.Tuple)) and len(node.elts) == 1:
        yield node.elts[0]


def use_drop(source: Source) -> Iterator[Site]:
    """What becomes of a value left out: `f(x)` for `y = f(x)`, `return f(x)` or `await f(x)`."""
    for node in source.nodes(ast.Assign, ast.Return, ast.Await, ast.AugAssign, ast.Yield):
        assert isinstance(node, (ast.Assign, ast.Return, ast.Await, ast.AugAssign, ast.Yield))
        if node.value is not None:
            yield drop(source, source.span(node)[0], source.outer_span(node.value)[0])
            if isinstance(node, ast.Return):
                yield drop(source, source.span(node)[0] + len("return"), source.span(node)[1])


def lines_drop(source: Source) -> Iterator[Site]:
    """Up to three neighbouring statements left out, of up to three lines together."""
    for block in source.blocks():
        for first in range(len(block)):
            for last in range(first, min(first + _MOST_LINES, len(block))):
                low, high = block[first], block[last]
                assert high.end_lineno is not None
                if high.end_lineno - low.lineno >= _MOST_LINES + (first == last) * 2:
                    break
                spans = source.line_span(low), source.line_span(high)
                if (
                    spans[0] is None
                    or spans[1] is None
                    or source.text.startswith("elif", source.span(low)[0])
                ):
                    continue
                if last - first + 1 < len(block) or _has_docstring(source, block):
                    yield drop(source, spans[0][0], spans[1][1])
                elif first != last:
                    start, end = source.span(low)[0], source.span(high)[1]
                    yield swap(start, end, source.text[start:end], "pass")


def _has_docstring(source: Source, block: list[ast.stmt]) -> bool:
    body = getattr(source.parent(block[0]), "body", [])
    return bool(body) and is_docstring(body[0])


def frame_drop(source: Source) -> Iterator[Site]:
    """A `with`, `try`, `for` or `if` around one or two lines left out; the lines stay."""
    for node in source.nodes(ast.With, ast.AsyncWith, ast.Try, ast.For, ast.If):
        assert isinstance(node, (ast.With, ast.AsyncWith, ast.Try, ast.For, ast.If))
        first, last = node.body[0], node.body[-1]
        assert last.end_lineno is not None
        if last.end_lineno - first.lineno > 2 or first.lineno == node.lineno:
            continue
        start, end = source.span(node)
        if source.text.startswith("elif", start) or (isinstance(node, ast.If) and node.orelse):
            continue
        low = source.span(first)[0]
        high = source.span(last)[1]
        inner, outer = source.indent(first), source.indent(node)
        body = source.text[low:high].replace("\n" + inner, "\n" + outer)
        yield swap(start, end, source.text[start:end], body)
