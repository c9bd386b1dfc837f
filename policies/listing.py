"""Lists of legal edits as the network ranks them: places on the canvas, and what is filled in.

A place is the span of canvas tokens that an edit touches; a filling is the text that it puts there.
Both are shared by the edits of a list, so the network looks at each of them once.

N edits, M places, Q pairs of a kind and a place, U fillings, X tokens of all fillings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch

from hrmgym.envs.edits.legal import LegalEdit
from hrmgym.envs.interfaces.canvas import Canvas
from hrmgym.envs.interfaces.code import Code
from hrmgym.envs.tokens import load_tokens
from hrmgym.hrm.ranking import FILLING, Lists

Ints = npt.NDArray[np.int64]

#: Of a filling that is longer, so many of its last tokens are looked at, and the first ones.
_TAIL = 8


@dataclass(frozen=True, slots=True)
class Listing:
    """Legal edits of one window of a file."""

    kept: Ints
    """Which of the edits that were given the window shows whole [N]; the rest is about them."""
    kind: Ints
    """Numbers of their kinds [N]."""
    place: Ints
    """Numbers of their places [N]."""
    filling: Ints
    """Numbers of their fillings [N]."""
    starts: Ints
    """First canvas position of each place [M]."""
    ends: Ints
    """The position after its last [M]."""
    tokens: Ints
    """Of all fillings, one after the other [X]."""
    copies: Ints
    """Where each token's lexeme stands on the canvas; -1: nowhere [X]."""
    lengths: Ints
    """Tokens of each filling [U]."""


def listed(canvas: Canvas, edits: Sequence[LegalEdit], kinds: Mapping[str, int]) -> Listing:
    """What the network is to know of some edits.

    Args:
        canvas: What it sees.
        edits: Of the file that the canvas shows a window of.
        kinds: Kind -> number; 0 for those that are not among them.
    """
    spans = np.array([one.edit[:2] for one in edits], np.int64).reshape(-1, 2)  # [N', 2]
    first, last = _token_spans(canvas.code, spans)
    low, high = canvas.window
    kept = np.flatnonzero((low <= first) & (last <= high))
    shift = canvas.first - low
    length = len(canvas.tokens)
    codes, place = np.unique(
        (first[kept] + shift) * (length + 1) + last[kept] + shift, return_inverse=True
    )
    numbers: dict[str, int] = {}
    filling = np.array(
        [numbers.setdefault(edits[at].edit.text, len(numbers)) for at in kept.tolist()], np.int64
    )
    found = [_looked_at(text) for text in numbers]
    at = canvas.lexemes
    tokens = np.array([token for ids, _ in found for token in ids], np.int64)
    copies = np.array([at.get(lexeme, -1) for _, lexemes in found for lexeme in lexemes], np.int64)
    return Listing(
        kept=kept,
        kind=np.array([kinds.get(edits[n].kind, 0) for n in kept.tolist()], np.int64),
        place=place.astype(np.int64),
        filling=filling,
        starts=codes // (length + 1),
        ends=codes % (length + 1),
        tokens=tokens,
        copies=copies,
        lengths=np.array([len(ids) for ids, _ in found], np.int64),
    )


def _token_spans(code: Code, spans: Ints) -> tuple[Ints, Ints]:
    """First token and end of character spans [N, 2]: the tokens that they touch."""
    if len(code.data) != len(code.text):
        # Bytes before each character, and before the end.
        sizes = [len(one.encode("utf-8", "surrogateescape")) for one in code.text]
        spans = np.concatenate(([0], np.cumsum(sizes)))[spans]
    offsets = np.array(code.offsets, np.int64)
    first = np.searchsorted(offsets, spans[:, 0], "right") - 1
    last = np.searchsorted(offsets, spans[:, 1], "left")
    first = np.minimum(first, len(code.ids))
    return first, np.maximum(first, last)


@lru_cache(maxsize=1 << 16)
def _looked_at(text: str) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """Token ids of a filling and the ids of the lexeme that each is in, cut at `FILLING`."""
    encoding = load_tokens().encode(text)
    ids, starts = tuple(encoding.ids), encoding.starts
    borders = [at for at, begins in enumerate(starts) if begins or at == 0] + [len(ids)]
    lexemes: list[tuple[int, ...]] = []
    for begin, end in pairwise(borders):
        lexemes += [ids[begin:end]] * (end - begin)
    if len(ids) > FILLING:
        head = FILLING - _TAIL
        return (*ids[:head], *ids[-_TAIL:]), (*lexemes[:head], *lexemes[-_TAIL:])
    return ids, tuple(lexemes)


def collated(listings: Sequence[Listing]) -> Lists:
    """The lists of several canvases, each with at least one edit, as one batch."""
    many = [len(one.kept) for one in listings]
    canvas = np.repeat(np.arange(len(listings)), many)
    places = _numbered([one.place for one in listings], [len(one.starts) for one in listings])
    fillings = _numbered([one.filling for one in listings], [len(one.lengths) for one in listings])
    kind = np.concatenate([one.kind for one in listings])
    width = int(kind.max(initial=0)) + 1
    pair_codes, pair = np.unique(places * width + kind, return_inverse=True)
    kind_of_pair, place_of_pair = pair_codes % width, pair_codes // width
    canvas_of_place = np.repeat(np.arange(len(listings)), [len(one.starts) for one in listings])
    group_codes, group = np.unique(
        canvas_of_place[place_of_pair] * width + kind_of_pair, return_inverse=True
    )
    lengths = np.concatenate([one.lengths for one in listings])
    begins = np.cumsum(lengths) - lengths
    tokens = np.concatenate([one.tokens for one in listings])
    copies = np.concatenate([one.copies for one in listings])
    offsets = np.arange(len(tokens)) - np.repeat(begins, lengths)
    canvas_of_token = np.repeat(np.arange(len(listings)), [len(one.tokens) for one in listings])
    vocabulary, numbers = np.unique(tokens, return_inverse=True)
    longest = int(copies.max(initial=0)) + 1
    # Tokens that nobody copies are the same on all canvases.
    copied = np.where(copies < 0, 0, 1 + canvas_of_token * longest + copies)
    codes = (numbers * FILLING + offsets) * (1 + len(listings) * longest) + copied
    _, first, entry = np.unique(codes, return_index=True, return_inverse=True)
    arrays = (
        canvas,
        pair,
        fillings,
        kind_of_pair,
        place_of_pair,
        group,
        group_codes // width,
        group_codes % width,
        canvas_of_place,
        np.concatenate([one.starts for one in listings]),
        np.concatenate([one.ends for one in listings]),
        vocabulary,
        numbers[first],
        canvas_of_token[first],
        copies[first],
        offsets[first],
        entry,
        lengths,
    )
    return Lists(*(torch.from_numpy(one.astype(np.int64)) for one in arrays))


def _numbered(parts: Sequence[Ints], sizes: Sequence[int]) -> Ints:
    """Numbers into each part as numbers into all of them."""
    first = np.cumsum([0, *sizes[:-1]])
    return np.concatenate([part + at for part, at in zip(parts, first.tolist(), strict=True)])
