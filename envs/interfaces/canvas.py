"""The token canvas: prompt, code window and last failure in one sequence.

    [CLS] prompt [SEP] code window [SEP] failure [SEP] [PAD] ...

Every token has a role that says which part it belongs to, whether it begins a lexeme, and whether
it may be edited.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from hrmgym.envs.interfaces.code import Code
from hrmgym.envs.interfaces.splicing import spliced
from hrmgym.envs.showing import showable
from hrmgym.envs.tokens import SPECIALS, Tokens, load_tokens

# Roles. A part's second role is for the tokens that continue a lexeme.
PAD, CLS, SEP = 0, 1, 2
PROMPT, READ_ONLY, EDITABLE, FAILURE = 3, 5, 7, 9
CONTINUES = 1
NUM_ROLES = 11
#: Characters of a file that a canvas can show.
MOST_SHOWN = 1 << 20


def editable(roles: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Which tokens may be replaced; same shape as `roles`."""
    return np.isin(roles, (EDITABLE, EDITABLE + CONTINUES))


def lexeme_start(roles: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Which tokens begin a lexeme, and so may be copied; same shape as `roles`."""
    return np.isin(roles, (PROMPT, READ_ONLY, EDITABLE, FAILURE))


def lexeme_end(roles: Sequence[int], position: int) -> int:
    """Where the lexeme that begins at `position` ends: the position behind its last token."""
    continues = roles[position] + CONTINUES
    stop = position + 1
    while stop < len(roles) and roles[stop] == continues:
        stop += 1
    return stop


@lru_cache(maxsize=512)
def tokenise(text: str) -> Code:
    """A file's tokens; cached, for the same text is asked for at every step.

    Bytes that are no UTF-8 have tokens too. Of a text that is longer than `MOST_SHOWN`, only the
    beginning is told: tokens of a large data file would take minutes.
    """
    text = text[:MOST_SHOWN]
    encoding = None
    if len(text) >= _LONG:
        near = (spliced(code, text) for code in tuple(_recent))
        encoding = next((one for one in near if one is not None), None)
    if encoding is None:
        encoding = load_tokens().encode(text)
    lengths, breaks = _lengths_and_breaks()
    ids = np.array(encoding.ids, np.int32)
    code = Code(
        text=text,
        data=text.encode("utf-8", "surrogateescape"),
        ids=tuple(encoding.ids),
        starts=tuple(encoding.starts),
        offsets=(0, *lengths[ids].cumsum().tolist()),
        line_starts=(0, *(np.flatnonzero(breaks[ids[:-1]]) + 1).tolist()),
    )
    if len(text) >= _LONG:
        _recent.appendleft(code)
    return code


#: Of a text of so many characters, what is as in one that was seen lately is not cut again.
_LONG = 2048
_recent: deque[Code] = deque(maxlen=4)


@cache
def _lengths_and_breaks() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """By token [V]: the bytes of its text, and whether it breaks a line."""
    tokens = load_tokens()
    texts = [b""] * len(SPECIALS)
    texts += [tokens.token_bytes(token) for token in range(len(SPECIALS), tokens.size)]
    return np.array([len(data) for data in texts]), np.array([b"\n" in data for data in texts])


@dataclass(frozen=True)  # without slots, for the cached property
class Canvas:
    """One laid-out canvas of length L."""

    tokens: npt.NDArray[np.int32]  # [L]
    roles: npt.NDArray[np.int32]  # [L]
    code: Code
    first: int
    """Canvas position of the window's first token."""
    window: tuple[int, int]
    """Half-open range of the code's token indices that the window shows."""

    @cached_property
    def lexemes(self) -> dict[tuple[int, ...], int]:
        """Token ids of each lexeme -> the first position where it stands."""
        tokens, roles = self.tokens.tolist(), self.roles.tolist()
        found: dict[tuple[int, ...], int] = {}
        for position in np.flatnonzero(lexeme_start(self.roles)).tolist():
            stop = lexeme_end(roles, position)
            found.setdefault(tuple(tokens[position:stop]), position)
        return found

    def to_code(self, position: int) -> int:
        """The code's token index of a canvas position."""
        return position - self.first + self.window[0]

    def to_canvas(self, index: int) -> int | None:
        """The canvas position of a code token index; None where the window does not reach."""
        if self.window[0] <= index <= self.window[1]:
            return index - self.window[0] + self.first
        return None


def windows(code: Code, room: int) -> list[tuple[int, int]]:
    """Half-open token ranges of at most `room` tokens that cover the code, each half a step on.

    They begin at a line where a line begins within the last half window.
    """
    length = len(code.ids)
    if length <= room:
        return [(0, length)]
    ranges = []
    begin = 0
    while True:
        end = min(begin + room, length)
        ranges.append((begin, end))
        if end == length:
            return ranges
        target = begin + max(1, room // 2)
        line = code.line_starts[bisect_right(code.line_starts, target) - 1]
        begin = line if line > begin else target


def lay_out(
    prompt: str, code: Code, failure: str, *, length: int, window: int, can_edit: bool
) -> Canvas:
    """Lays out one canvas.

    The prompt and the failure get at most a fifth of the length each; the code gets the rest, and
    is cut into windows where that is not enough.

    Args:
        prompt: What is asked for.
        code: The file that is worked on.
        failure: What the last test run said; may be empty.
        length: L, the number of tokens of the canvas.
        window: Which of the code's windows to show, from 0; the last one where there are fewer.
        can_edit: Whether the code may be edited.
    """
    part = length // 5
    prompt_ids, prompt_roles = _part(prompt, PROMPT, part)
    failure_ids, failure_roles = _part(failure, FAILURE, part)
    ranges = window_ranges(prompt, code, failure, length)
    begin, end = ranges[min(window, len(ranges) - 1)]
    base = EDITABLE if can_edit else READ_ONLY
    code_roles = [base if start else base + CONTINUES for start in code.starts[begin:end]]
    tokens = [
        Tokens.CLS,
        *prompt_ids,
        Tokens.SEP,
        *code.ids[begin:end],
        Tokens.SEP,
        *failure_ids,
        Tokens.SEP,
    ]
    roles = [CLS, *prompt_roles, SEP, *code_roles, SEP, *failure_roles, SEP]
    canvas = np.zeros((2, length), dtype=np.int32)
    canvas[0, : len(tokens)] = tokens
    canvas[1, : len(roles)] = roles
    return Canvas(canvas[0], canvas[1], code, 2 + len(prompt_ids), (begin, end))


def window_ranges(prompt: str, code: Code, failure: str, length: int) -> list[tuple[int, int]]:
    """The half-open token ranges of the windows that `lay_out` cuts the code into."""
    part = length // 5
    room = length - len(_part(prompt, PROMPT, part)[0]) - 4  # CLS and three SEP
    if len(code.ids) <= room - len(_part(failure, FAILURE, part)[0]):
        return [(0, len(code.ids))]
    return windows(code, room - part)  # the same windows, however long the failure is


@lru_cache(maxsize=2048)
def _part(text: str, role: int, most: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Tokens and roles of the prompt or the failure, cut at `most` tokens."""
    encoding = load_tokens().encode(showable(text))
    ids = tuple(encoding.ids[:most])
    return ids, tuple(role if start else role + CONTINUES for start in encoding.starts[:most])
