"""Bug operators that add what a repair often takes away: arguments, calls, fallbacks, lines."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import islice

from hrmgym.envs.bugs.sites import Site, insert, is_callee, is_test, swap
from hrmgym.envs.edits.names import common
from hrmgym.envs.edits.source import Source

_CONSTANTS = ("None", "True", "False", "0", "1", '""', '"utf-8"', "self")
_PREFIXES = 60
_ARGUMENTS = 60
_FALLBACKS = (" or None", ' or ""', " or []", " or {}", " or 0", " or ()")
_WRAPPERS = ("list", "str", "tuple", "set", "int", "sorted", "dict", "float", "bool", "bytes")
_METHODS = ("keys()", "values()", "items()", "copy()", "strip()", "lower()", "encode()", "decode()")
_TESTED = (ast.Name, ast.Attribute, ast.Call, ast.Subscript)
_NAMES_TRIED = 6
_LINES_TRIED = 12


def argument_add(source: Source) -> Iterator[Site]:
    """An argument too many: a variable, a constant, or a keyword that another call gets."""
    words: dict[str, None] = {}
    for call in source.nodes(ast.Call):
        assert isinstance(call, ast.Call)
        for word in call.keywords:
            if word.arg:
                words[source.text[slice(*source.span(word))]] = None
    for call in source.nodes(ast.Call):
        assert isinstance(call, ast.Call)
        start, end = source.span(call)
        used = {source.segment(argument) for argument in call.args}
        names = [name for name in source.visible_names(start) if name not in used]
        after = [source.outer_span(argument)[1] for argument in call.args]
        opening = source.tokens_between(source.outer_span(call.func)[1], end)[0].end
        for text in (*names[:_NAMES_TRIED], *_CONSTANTS):
            lone = not (call.args or call.keywords)
            yield insert(opening, text if lone else f"{text}, ")
            if after:
                yield insert(after[-1], f", {text}")
        last = max(
            [*after, *(source.outer_span(word.value)[1] for word in call.keywords)], default=0
        )
        for text in (*words, *common("argument", _ARGUMENTS)):
            if last and not any(w.arg and text.startswith(w.arg + "=") for w in call.keywords):
                yield insert(last, f", {text}")


def element_add(source: Source) -> Iterator[Site]:
    """An element or a parameter too many."""
    for node in source.nodes(ast.Tuple, ast.List, ast.arguments):
        if isinstance(node, ast.arguments):
            for argument in node.args[:1]:
                for text in (
                    "self",
                    "cls",
                    *source.visible_names(len(source.text) - 1)[:_NAMES_TRIED],
                ):
                    if text != argument.arg:
                        yield insert(source.span(argument)[0], f"{text}, ")
            for argument in node.args[-1:]:
                place = source.span(argument)[1]
                for default in node.defaults[-1:]:
                    place = source.outer_span(default)[1]
                yield insert(place, ", **kwargs")
                yield insert(place, ", *args")
                for text in common("argument", _ARGUMENTS):
                    yield insert(place, f", {text}")
        elif isinstance(node, (ast.Tuple, ast.List)) and node.elts:
            first, last = source.outer_span(node.elts[0])[0], source.outer_span(node.elts[-1])[1]
            names = source.visible_names(first)[-_NAMES_TRIED:]
            for text in (*names, "_", "0", "1", "None"):
                yield insert(first, f"{text}, ")
                yield insert(last, f", {text}")


def call_add(source: Source) -> Iterator[Site]:
    """A conversion or a method call too many: `list(x)`, `x.keys()` or `x()` for `x`."""
    for node in source.nodes(*_TESTED):
        assert isinstance(node, _TESTED)
        if is_callee(source, node) or (
            not isinstance(node, ast.Call) and not isinstance(node.ctx, ast.Load)
        ):
            continue
        parent = source.parent(node)
        if isinstance(parent, ast.Expr) or (isinstance(node, ast.Name) and node.id == "self"):
            continue
        start, end = source.span(node)
        old = source.text[start:end]
        if not isinstance(parent, ast.Attribute):
            for wrapper in _WRAPPERS:
                yield swap(start, end, old, f"{wrapper}({old})")
        for method in _METHODS:
            yield insert(end, f".{method}")
        if isinstance(node, (ast.Name, ast.Attribute)):
            yield insert(end, "()")


def fallback_add(source: Source) -> Iterator[Site]:
    """A fallback or a comparison too many: `x or []` for `x`, `x is not None` for `x`."""
    for node in source.nodes(ast.expr):
        assert isinstance(node, ast.expr)
        parent = source.parent(node)
        if isinstance(parent, (ast.Assign, ast.Return, ast.keyword)):
            if parent.value is node and not isinstance(node, ast.Constant):
                for text in _FALLBACKS:
                    yield insert(source.outer_span(node)[1], text)
        elif isinstance(node, _TESTED) and is_test(source, node):
            place = source.span(node)[1]
            for text in (" is not None", " is None", " is True"):
                yield insert(place, text)
            for name in source.visible_names(place)[-_NAMES_TRIED:]:
                yield insert(place, f" and {name}")
                yield insert(place, f" or {name}")


def prefix_add(source: Source) -> Iterator[Site]:
    """A name looked up in the wrong place: `self.x` or `module.x` for `x`."""
    prefixes: dict[str, None] = {"self": None, "cls": None}
    for node in source.nodes(ast.Attribute):
        assert isinstance(node, ast.Attribute)
        if isinstance(node.value, (ast.Name, ast.Attribute)):
            text = source.segment(node.value)
            if len(text) < 24:
                prefixes[text] = None
    for node in source.nodes(ast.Name, ast.Attribute):
        assert isinstance(node, (ast.Name, ast.Attribute))
        start, end = source.span(node)
        if isinstance(node, ast.Attribute):  # `x.more.y` for `x.y`
            seen = {p.rpartition(".")[2] for p in prefixes if "." in p}
            dot = end - len(node.attr)
            for middle in seen:
                yield insert(dot, f"{middle}.")
        elif isinstance(node.ctx, ast.Load) and node.id not in ("self", "cls"):
            for prefix in dict.fromkeys((*prefixes, *common("prefix", _PREFIXES))):
                yield insert(start, f"{prefix}.")


def line_add(source: Source) -> Iterator[Site]:
    """A statement too many: one of another place, a variable set to None, an early return; or a
    value put into a variable that nobody asked for."""
    lines: dict[str, None] = {}
    for block in source.blocks():
        for node in block:
            text = source.segment(node)
            if "\n" not in text and len(text) < 60:
                lines[text] = None
    targets = dict.fromkeys(
        source.segment(target)
        for node in source.nodes(ast.Assign)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, (ast.Name, ast.Attribute))
    )
    empty = [f"{name} = {value}" for name in targets for value in ("None", "[]", "0", "{}")]
    fixed = ["return", "return None", "return False", "return True", "return self", "continue"]
    for block in source.blocks():
        for node in block:
            if source.line_span(node) is None:
                continue
            start, indent = source.span(node)[0], source.indent(node)
            if source.text.startswith("elif", start):
                continue
            if isinstance(node, ast.Expr):
                for name in source.visible_names(start)[-_NAMES_TRIED:]:
                    yield insert(start, f"{name} = ")
                yield insert(start, "return ")
            for text in (*islice(lines, _LINES_TRIED), *empty, *fixed):
                yield insert(start, f"{text}\n{indent}")
