"""Tests of tokens that are taken over from a text much like this one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrmgym.envs.interfaces import canvas, splicing
from hrmgym.envs.interfaces.canvas import tokenise
from hrmgym.envs.interfaces.code import Code
from hrmgym.envs.lexer import INFIX_KEYWORDS, KEYWORDS, OPERATORS, lex
from hrmgym.envs.tokens import load_tokens

#: What the lexer looks ahead for, or back at.
PIECES = [
    *("a", "b1", "_", "$", "$x", "1", "1.5e3", "0x1f", "int", "not", "in", "not in", "is not"),
    *(" ", "  ", "    ", " " * 33, "\t", "\n", "\r\n", "\r", "\n    ", "\f", "\u3000", "\0"),
    *("'", '"', '"""', "'''", "`", "f", "rb", "R", "u", 'f"', "\\", "\\n", "\\x41", "\\\n"),
    *("(", ")", "[", "]", "{", "}", "${", ",", ";", ":", ".", "...", "#", "##", "//", "/**", "-"),
    *("-----", "====", "é", "日本", "\u0130", "\U0001f600", "\udcff", "e\u0301"),
    *INFIX_KEYWORDS[:6],
    *sorted(KEYWORDS)[::7],
    *OPERATORS[::3],
]
texts = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
long = st.lists(st.sampled_from(PIECES), min_size=30, max_size=200).map("".join)


def plain(text: str) -> Code:
    """The tokens of a text, cut by itself."""
    canvas._recent.clear()
    return tokenise.__wrapped__(text)


@settings(max_examples=40)
@given(long, texts, texts, long)
def test_tokens_are_those_of_the_text_by_itself(
    head: str, before: str, after: str, tail: str
) -> None:
    old, new = head + before + tail, head + after + tail
    encoding = splicing.spliced(plain(old), new)
    if encoding is not None:
        wanted = load_tokens().encode(new)
        assert encoding.ids == wanted.ids
        assert encoding.starts == wanted.starts


@pytest.mark.parametrize("place", ["x = a", "f(", "if ", "'", '"r', "a - ", "# ", "\n"])
def test_one_piece_more_or_less(place: str) -> None:
    for piece in PIECES:
        head, tail = "y = 1\n" * 15 + place, "b < c\n" + "z = 'r'\n" * 15
        for old, new in ((head + tail, head + piece + tail), (head + piece + tail, head + tail)):
            found = splicing.spliced(plain(old), new)
            assert found is not None
            assert found == load_tokens().encode(new)


def test_what_is_spliced_is_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the text is, what is cut anew is as long as the difference."""
    cut: list[int] = []
    monkeypatch.setattr(splicing, "lex", lambda text: cut.append(len(text)) or lex(text))
    text = "".join(f"def f{n}(a, b):\n    return a + {n}\n\n" for n in range(3000))
    code = plain(text)
    found = splicing.spliced(code, text.replace("return a + 1500", "return b - 1500"))
    assert found is not None
    assert sum(cut) < 1000
    assert splicing.spliced(code, text[::-1]) is None, "nothing is as it was"


def test_a_text_seen_lately_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"name_{n} = {n}\n" for n in range(500))
    assert len(text) > canvas._LONG
    first = plain(text)
    monkeypatch.setattr(canvas, "load_tokens", lambda: pytest.fail("all of it is cut again"))
    changed = tokenise.__wrapped__(text.replace("name_250", "other"))
    monkeypatch.undo()
    assert changed == plain(changed.text)
    assert changed != first
