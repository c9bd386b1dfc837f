"""Bug operators that put one thing in place of another: names, constants, exceptions, idioms."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hrmgym.envs.bugs.sites import Site, swap
from hrmgym.envs.edits.names import alike, common
from hrmgym.envs.edits.source import Source

_EXCEPTIONS = (
    *("Exception", "ValueError", "TypeError", "KeyError", "AttributeError", "RuntimeError"),
    *("OSError", "ImportError", "IndexError", "NotImplementedError", "LookupError"),
    *("AssertionError", "BaseException", "ModuleNotFoundError", "UnicodeError"),
)
_CONSTANTS = ("None", "True", "False", "0", "1", '""', "()", "[]", "{}")
_COMMON = 250
_MOST_EXPRESSIONS = 60
_MOST_LENGTH = 60


def similar_name(source: Source) -> Iterator[Site]:
    """A name, attribute or keyword that shares a word with the right one."""
    kinds: tuple[str, ...]
    for node in source.nodes(ast.Name, ast.Attribute, ast.keyword):
        if isinstance(node, ast.Name):
            start, end = source.span(node)
            old, kinds = node.id, ("name", "attribute")
        elif isinstance(node, ast.Attribute):
            end = source.span(node)[1]
            old, kinds = node.attr, ("attribute",)
            start = end - len(old)
        else:
            assert isinstance(node, ast.keyword)
            if node.arg is None:
                continue
            start = source.span(node)[0]
            old, kinds = node.arg, ("keyword",)
            end = start + len(old)
        if source.text[start:end] != old:
            continue
        others = [other for kind in kinds for other in alike(old, kind)]
        others += [old[1:]] if old.startswith("_") and len(old) > 2 else [f"_{old}"]
        for other in dict.fromkeys(others):
            if other not in ("self", "cls"):
                yield swap(start, end, old, other)


def nearby_name(source: Source) -> Iterator[Site]:
    """A name or attribute that the source uses elsewhere, for one of any kind."""
    names = dict.fromkeys(n.id for n in source.nodes(ast.Name) if isinstance(n, ast.Name))
    attributes = dict.fromkeys(
        n.attr for n in source.nodes(ast.Attribute) if isinstance(n, ast.Attribute)
    )
    for node in source.nodes(ast.Name, ast.Attribute):
        if isinstance(node, ast.Name):
            start, end = source.span(node)
            old, pool = node.id, {**names, "self": None, "cls": None, "super()": None}
        else:
            assert isinstance(node, ast.Attribute)
            end = source.span(node)[1]
            old, pool = node.attr, {**attributes, **names}
            start = end - len(old)
        for other in pool:
            if other != old:
                yield swap(start, end, old, other)


def common_name(source: Source) -> Iterator[Site]:
    """One of the most used names or attributes, for one of the same kind."""
    for node in source.nodes(ast.Name, ast.Attribute):
        if isinstance(node, ast.Name):
            start, end = source.span(node)
            old, pool = node.id, common("name", _COMMON)
            if not isinstance(node.ctx, ast.Load):
                continue
        else:
            assert isinstance(node, ast.Attribute)
            end = source.span(node)[1]
            old, pool = node.attr, common("attribute", _COMMON)
            start = end - len(old)
        for other in pool:
            if other != old:
                yield swap(start, end, old, other)


def value(source: Source) -> Iterator[Site]:
    """Another common value for a constant or a default; a text in another case."""
    for node in source.nodes(ast.Constant):
        assert isinstance(node, ast.Constant)
        start, end = source.span(node)
        old = source.text[start:end]
        new: list[str] = list(_CONSTANTS)
        if isinstance(node.value, str) and old[-1:] in "\"'" and node.value:
            new = [old.lower(), old.upper(), old.title(), old.replace("-", "_")]
            new += [old.replace("_", "-"), f"b{old}", "None"]
        elif isinstance(node.value, bytes):
            new = [old[1:], old.lower()]
        elif isinstance(node.value, int):
            new += [str(node.value * 2), str(node.value + 1), str(node.value - 1), f"{old}.0"]
        for text in dict.fromkeys(new):
            if text != old:
                yield swap(start, end, old, text)
    for node in source.nodes(ast.Name, ast.Attribute, ast.Call):
        parent = source.parent(node)
        assert isinstance(node, ast.expr)
        if isinstance(parent, (ast.Call, ast.keyword, ast.Return, ast.Assign, ast.arguments)):
            if getattr(parent, "func", None) is node or not isinstance(
                getattr(node, "ctx", None) or ast.Load(), ast.Load
            ):
                continue
            start, end = source.span(node)
            for text in _CONSTANTS:
                yield swap(start, end, source.text[start:end], text)


def exception(source: Source) -> Iterator[Site]:
    """Another exception class raised or caught."""
    for node in source.nodes(ast.ExceptHandler, ast.Raise):
        top = node.type if isinstance(node, ast.ExceptHandler) else getattr(node, "exc", None)
        if isinstance(top, ast.Call):
            top = top.func
        for name in top.elts if isinstance(top, ast.Tuple) else [top]:
            if isinstance(name, (ast.Name, ast.Attribute)):
                start, end = source.span(name)
                old = source.text[start:end]
                for other in _EXCEPTIONS:
                    if other != old:
                        yield swap(start, end, old, other)


def idiom(source: Source) -> Iterator[Site]:
    """Nearly the same test or access: `not x` for `x is None`, `x[k]` for `x.get(k)`, and so on."""
    text = source.text
    for node in source.nodes(ast.Compare, ast.Subscript, ast.Call, ast.UnaryOp, ast.Name):
        assert isinstance(node, ast.expr)
        start, end = source.span(node)
        for new in _idioms(source, node):
            yield swap(start, end, text[start:end], new)


def _idioms(source: Source, node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        left, right = source.segment(node.left), source.segment(node.comparators[0])
        operator = node.ops[0]
        if isinstance(operator, (ast.Is, ast.Eq)):
            yield f"not {left}"
            if isinstance(operator, ast.Eq):
                yield f"not {left} != {right}"
            yield f"{left} {'==' if isinstance(operator, ast.Is) else 'is'} {right}"
        elif isinstance(operator, (ast.IsNot, ast.NotEq)):
            yield left
            if isinstance(operator, ast.NotEq):
                yield f"not {left} == {right}"
            yield f"{left} {'!=' if isinstance(operator, ast.IsNot) else 'is not'} {right}"
        elif isinstance(operator, (ast.LtE, ast.Lt)):
            yield f"not {left}"
        elif isinstance(operator, (ast.Gt, ast.GtE)):
            yield left
        elif isinstance(operator, (ast.In, ast.NotIn)):
            sign = "==" if isinstance(operator, ast.In) else "!="
            yield f"{left} {sign} {right}"
            yield f"{left} {sign[0] if sign == '!=' else '='}= {right}[0]"
            if sign == "==":
                yield f"hasattr({right}, {left})"
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        held, key = source.segment(node.value), source.segment(node.slice)
        yield f"{held}.get({key})"
        yield f"{held}.pop({key})"
        yield f"{held}({key})"
        yield f"getattr({held}, {key})"
    elif isinstance(node, ast.Call):
        function = node.func
        arguments = [source.segment(one) for one in node.args]
        if isinstance(function, ast.Attribute):
            held = source.segment(function.value)
            if function.attr in ("get", "pop", "setdefault") and arguments:
                yield f"{held}[{arguments[0]}]"
            if function.attr in ("popleft", "pop"):
                yield f"{held}.pop(0)"
            if function.attr == "clear":
                yield f"{held} = []"
            yield f"super().{function.attr}({', '.join(arguments)})"
            yield f"{function.attr}({', '.join([held, *arguments])})"
        elif isinstance(function, ast.Name):
            if function.id == "getattr" and len(arguments) == 3:
                yield f"getattr({arguments[0]}, {arguments[1]})"
            if function.id == "isinstance" and len(arguments) == 2:
                yield f"type({arguments[0]}) is {arguments[1]}"
                yield f"type({arguments[0]}) == {arguments[1]}"
                yield f"{arguments[0]} is {arguments[1]}"
            if function.id in ("any", "all", "sum", "list", "set", "tuple", "sorted") and arguments:
                yield f"[{arguments[0]}]"
            if function.id == "next" and arguments:
                yield f"list({arguments[0]})[0]"
            if arguments:
                rest = ", ".join(arguments[1:])
                yield f"{arguments[0]}.{function.id}({rest})"
                yield f"self.{function.id}({', '.join(arguments)})"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner = source.segment(node.operand)
        yield f"{inner} is None"
        yield f"{inner} == 0"
        yield f"len({inner}) == 0"
    elif isinstance(node, ast.Name) and isinstance(source.parent(node), (ast.If, ast.BoolOp)):
        yield f"{node.id} is not None"
        yield f"len({node.id}) > 0"


def expression(source: Source) -> Iterator[Site]:
    """A short expression of another place in place of one."""
    found: dict[str, None] = {}
    places: list[tuple[int, int, str]] = []
    for node in source.nodes(ast.expr):
        assert isinstance(node, ast.expr)
        if isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del)) or isinstance(
            node, (ast.Starred, ast.Slice, ast.JoinedStr)
        ):
            continue
        start, end = source.span(node)
        text = source.text[start:end]
        if len(text) <= _MOST_LENGTH and "\n" not in text:
            places.append((start, end, text))
            if len(found) < _MOST_EXPRESSIONS:
                found[text] = None
    for start, end, old in places:
        for new in found:
            if new != old:
                yield swap(start, end, old, new)
