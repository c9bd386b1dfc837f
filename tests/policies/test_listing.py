"""Lists of edits as the network ranks them: spans on the canvas, fillings, several in a batch."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from hrmgym.envs.edits.legal import LegalEdit, legal_edits
from hrmgym.envs.interfaces.canvas import Canvas, lexeme_end
from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.envs.tokens import load_tokens
from hrmgym.hrm.ranking import FILLING
from hrmgym.policies.listing import Listing, collated, listed
from hrmgym.tests.policies.editing import TEXT, replacing, state_of

KINDS = {"comparison": 1, "arithmetic": 2, "identifier": 3}
LONG = TEXT + "".join(f"\n\ndef g{n}(a, b):\n    return a + {n} * b\n" for n in range(12))


def canvas_of(text: str, window: int = 0, length: int = 128) -> Canvas:
    from dataclasses import replace

    state = state_of(text)
    state = replace(state, cursor=replace(state.cursor, window=window))
    return EditInterface(length).canvas(state)


def every(text: str) -> list[LegalEdit]:
    legal = legal_edits(text)
    return list(chain(legal.lean(), legal.bulky()))


def shown(canvas: Canvas, start: int, end: int) -> bytes:
    return b"".join(map(load_tokens().token_bytes, canvas.tokens[start:end].tolist()))


def filling(listing: Listing, number: int) -> bytes:
    begins = np.cumsum(listing.lengths) - listing.lengths
    first = int(begins[number])
    ids = listing.tokens[first : first + int(listing.lengths[number])]
    return b"".join(map(load_tokens().token_bytes, ids.tolist()))


@pytest.mark.parametrize("text", [TEXT, TEXT.replace("a", "größe"), '"""日本"""\n' + TEXT])
def test_a_place_holds_what_the_edit_replaces_and_a_filling_what_it_writes(text: str) -> None:
    canvas, edits = canvas_of(text), every(text)
    found = listed(canvas, edits, KINDS)
    assert found.kept.tolist() == list(range(len(edits)))
    assert set(found.kind.tolist()) <= {0, *KINDS.values()}
    for number, one in enumerate(edits):
        place, change = int(found.place[number]), one.edit
        touched = shown(canvas, int(found.starts[place]), int(found.ends[place])).decode()
        old = text[change.start : change.end]
        assert old in touched
        assert len(touched.strip()) <= len(old.strip()) + 12, (touched, old)  # whole tokens
        if found.lengths[found.filling[number]] < FILLING:
            assert filling(found, int(found.filling[number])).decode() == change.text


def test_places_and_fillings_are_shared() -> None:
    edits = every(TEXT)
    found = listed(canvas_of(TEXT), edits, KINDS)
    assert len(found.lengths) == len({one.edit.text for one in edits}) < len(edits)
    assert len(found.starts) <= len({one.edit[:2] for one in edits})


def test_a_window_lists_what_it_shows_whole_and_all_windows_list_all() -> None:
    edits = every(LONG)
    seen: set[int] = set()
    for window in range(8):
        canvas = canvas_of(LONG, window)
        found = listed(canvas, edits, KINDS)
        assert len(found.kept) < len(edits)
        low, high = canvas.window
        assert ((found.starts >= canvas.first) & (found.ends <= canvas.first + high - low)).all()
        seen |= set(found.kept.tolist())
    assert len(seen) > 0.95 * len(edits)  # a few reach over a border


def test_copies_stand_where_the_canvas_has_the_lexeme() -> None:
    canvas = canvas_of(TEXT)
    edit = replacing("a + b", "unknown_name + b").edit
    found = listed(canvas, [edit], KINDS)
    for token, at in zip(found.tokens.tolist(), found.copies.tolist(), strict=True):
        if at >= 0:
            stop = lexeme_end(canvas.roles.tolist(), at)
            assert token in canvas.tokens[at:stop]
    text = filling(found, 0).decode()
    assert "unknown_name" in text
    assert (found.copies >= 0).any()
    assert (found.copies < 0).any()


def test_long_fillings_are_cut_in_the_middle() -> None:
    long = replacing("return a", "return " + " + ".join(f"name{n}" for n in range(30))).edit
    found = listed(canvas_of(TEXT), [long], KINDS)
    assert found.lengths.tolist() == [FILLING]
    text = filling(found, 0).decode()
    assert "name0" in text
    assert "name29" in text


def test_nothing_to_list() -> None:
    found = listed(canvas_of(TEXT), [], KINDS)
    assert len(found.kept) == len(found.starts) == len(found.lengths) == 0


def test_lists_in_a_batch_keep_their_edits() -> None:
    texts = (TEXT, TEXT.replace("a", "first"), TEXT + "\n\nx = 1\n")
    parts = [listed(canvas_of(text), every(text), KINDS) for text in texts]
    lists = collated(parts)
    assert lists.canvases == 3
    at = 0
    for canvas, part in enumerate(parts):
        for number in range(len(part.kept)):
            assert int(lists.canvas_N[at]) == canvas
            pair = int(lists.pair_N[at])
            place = int(lists.place_Q[pair])
            assert int(lists.canvas_M[place]) == canvas
            assert int(lists.start_M[place]) == part.starts[part.place[number]]
            assert int(lists.end_M[place]) == part.ends[part.place[number]]
            assert int(lists.kind_Q[pair]) == part.kind[number]
            group = int(lists.group_Q[pair])
            assert int(lists.canvas_G[group]) == canvas
            assert int(lists.kind_G[group]) == part.kind[number]
            of = int(lists.filling_N[at])
            first, many = int(lists.length_U[:of].sum()), int(lists.length_U[of])
            mine = lists.entry_X[first : first + many]
            begins = int(part.lengths[: part.filling[number]].sum())
            assert many == part.lengths[part.filling[number]]
            inside = slice(begins, begins + many)
            assert lists.vocabulary_V[lists.token_W[mine]].tolist() == part.tokens[inside].tolist()
            assert lists.copy_W[mine].tolist() == part.copies[inside].tolist()
            assert lists.offset_W[mine].tolist() == list(range(many))
            copied = part.copies[inside] >= 0
            assert (lists.canvas_W[mine].numpy()[copied] == canvas).all()
            at += 1
    assert at == len(lists.canvas_N)
    assert len(lists.token_W) < len(lists.entry_X)
