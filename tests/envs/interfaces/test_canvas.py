"""Tests of the token canvas."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hrmgym.envs.interfaces import canvas as cv
from hrmgym.envs.interfaces.canvas import lay_out, tokenise, window_ranges, windows
from hrmgym.envs.tokens import Tokens, load_tokens

CODE = "def gcd(a, b):\n    return a if b == 0 else gcd(b, a % b)\n"


def text(canvas: cv.Canvas, *roles: int) -> str:
    wanted = np.isin(canvas.roles, [r + c for r in roles for c in (0, cv.CONTINUES)])
    return load_tokens().decode(map(int, canvas.tokens[wanted]))


def test_the_parts_stand_in_order() -> None:
    canvas = lay_out("Repair gcd.", tokenise(CODE), "it hangs", length=128, window=0, can_edit=True)
    assert canvas.tokens[0] == Tokens.CLS
    assert text(canvas, cv.PROMPT) == "Repair gcd."
    assert text(canvas, cv.EDITABLE) == CODE
    assert text(canvas, cv.FAILURE) == "it hangs"
    order = [role for role in canvas.roles if role > cv.SEP]
    assert order == sorted(order, key=lambda role: (role - 1) // 2)
    assert (canvas.tokens == Tokens.SEP).sum() == 3


def test_roles_tell_what_may_be_edited_and_copied() -> None:
    canvas = lay_out("p", tokenise("gcdgcd = 1"), "", length=64, window=0, can_edit=True)
    assert cv.editable(canvas.roles).sum() == len(canvas.code.ids)
    starts = cv.lexeme_start(canvas.roles)
    assert starts.sum() == 1 + sum(canvas.code.starts)
    fixed = lay_out("p", tokenise("gcdgcd = 1"), "", length=64, window=0, can_edit=False)
    assert not cv.editable(fixed.roles).any()
    assert (cv.lexeme_start(fixed.roles) == starts).all()


def test_offsets_are_those_of_the_bytes() -> None:
    code = tokenise("é = 'ü'\n")
    data = code.text.encode()
    parts = [data[a:b] for a, b in zip(code.offsets, code.offsets[1:], strict=False)]
    assert parts == [load_tokens().token_bytes(token) for token in code.ids]
    assert code.offsets[-1] == len(data)


@given(st.integers(20, 90), st.integers(1, 60))
def test_windows_cover_every_token_and_overlap(room: int, lines: int) -> None:
    code = tokenise("x = y + 1\n" * lines)
    found = windows(code, room)
    assert found[0][0] == 0
    assert found[-1][1] == len(code.ids)
    for (begin, end), (following, _) in itertools.pairwise(found):
        assert begin < following < end
        assert end - begin <= room


def test_a_long_file_is_shown_window_by_window() -> None:
    code = tokenise("".join(f"name_{n} = {n}\n" for n in range(80)))
    count = len(window_ranges("p", code, "", 96))
    assert count > 3
    shown = [
        text(lay_out("p", code, "", length=96, window=n, can_edit=True), cv.EDITABLE)
        for n in range(count)
    ]
    assert shown[0].startswith("name_0 = 0\n")
    assert shown[-1].endswith("name_79 = 79\n")
    assert all("name_" in part for part in shown)


def test_a_long_prompt_and_failure_leave_room_for_code() -> None:
    canvas = lay_out(
        "word " * 500, tokenise(CODE), "no " * 500, length=128, window=0, can_edit=True
    )
    assert cv.editable(canvas.roles).sum() == len(canvas.code.ids)
    assert (canvas.roles == cv.PAD).sum() >= 0
    assert len(canvas.tokens) == 128


def test_positions_and_token_indices_are_each_others_inverse() -> None:
    code = tokenise("a = 1\n" * 60)
    canvas = lay_out("p", code, "", length=64, window=2, can_edit=True)
    begin, end = canvas.window
    for index in range(begin, end + 1):
        position = canvas.to_canvas(index)
        assert position is not None
        assert canvas.to_code(position) == index
    assert canvas.to_canvas(begin - 1) is None
    assert canvas.to_canvas(end + 1) is None
