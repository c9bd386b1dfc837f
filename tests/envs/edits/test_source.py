"""Parsed sources: offsets, operators between operands, scopes, blocks."""

from __future__ import annotations

import ast

import pytest

from hrmgym.envs.edits.source import Source
from hrmgym.errors import DataError


def only(source: Source, kind: type[ast.AST]) -> ast.AST:
    (node,) = source.nodes(kind)
    return node


def test_offsets_count_characters_not_bytes() -> None:
    source = Source('def f(é):\n    ä = "ü\U0001f600" + é  # ö\n    return ä\n')
    assert [source.segment(n) for n in source.nodes(ast.Name) if isinstance(n, ast.expr)] == [
        "ä",
        "é",
        "ä",
    ]
    assert source.segment(only(source, ast.BinOp)) == '"ü\U0001f600" + é'  # type: ignore[arg-type]


def test_form_feed_is_no_line_end() -> None:
    source = Source("x = 1\n\x0c\ny = '\x1c'\nz = x\n")
    assert [source.segment(n) for n in source.nodes(ast.Name) if isinstance(n, ast.expr)] == [
        "x",
        "y",
        "z",
        "x",
    ]


@pytest.mark.parametrize("text", ["def f(:\n", "x = 1\r\n", "x = \0"])
def test_what_is_no_source_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="Python source"):
        Source(text)


def test_operator_between_operands_in_parentheses() -> None:
    source = Source("x = ((a)) not  in (b)\n")
    node = only(source, ast.Compare)
    assert isinstance(node, ast.Compare)
    start, end = source.operator_between(node.left, node.comparators[0])
    assert source.text[start:end] == "not  in"


def test_outer_span_takes_own_parentheses_only() -> None:
    source = Source("y = f((a), b) * (c + d)\n")
    texts = {}
    for node in source.nodes(ast.Name, ast.BinOp):
        assert isinstance(node, ast.expr)
        start, end = source.outer_span(node)
        texts[source.segment(node)] = source.text[start:end]
    assert texts["a"] == "(a)"
    assert texts["b"] == "b"
    assert texts["c"] == "c"
    assert texts["c + d"] == "(c + d)"


def test_visible_names_follow_scopes() -> None:
    source = Source(
        "def f(a, b):\n"
        "    c = a\n"
        "    for i, j in b:\n"
        "        d = [k for k in j if k]\n"
        "    return HERE\n"
        "def g(z):\n"
        "    return THERE\n"
    )
    text = source.text
    assert source.visible_names(text.index("HERE")) == ("a", "b", "c", "i", "j", "d")
    assert source.visible_names(text.index("THERE")) == ("z",)
    assert source.visible_names(text.index("k for")) == ("a", "b", "c", "i", "j", "k")
    assert source.visible_names(text.index("a\n")) == ("a", "b")  # not yet c


def test_what_does_not_compute_is_not_walked() -> None:
    source = Source('@deco(1)\ndef f(a: int = 2) -> str:\n    "doc"\n    return f"{a + 3}"\n')
    assert [n.value for n in source.nodes(ast.Constant) if isinstance(n, ast.Constant)] == [2]
    assert [len(block) for block in source.blocks()] == [1]


def test_line_span_refuses_shared_lines() -> None:
    source = Source("def f():\n    a = 1; b = 2\n    c = 3  # why\n    return c")
    a, b, c, result = next(iter(source.blocks()))
    assert source.line_span(a) is None
    assert source.line_span(b) is None
    span = source.line_span(c)
    assert span is not None
    assert source.text[slice(*span)] == "    c = 3  # why\n"
    span = source.line_span(result)
    assert span is not None
    assert source.text[slice(*span)] == "    return c"
