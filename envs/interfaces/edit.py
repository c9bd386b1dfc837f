"""The `edit` interface: a token canvas to see, whole edits and tool calls to act.

Observation (all int32): `tokens` [L], `roles` [L], `language` [1], `budget` [8] (see `BUDGET`).

Action: `[tool, start, end, r_1, ..., r_R]`. Tool 0, `edit`, replaces the canvas tokens
`start:end` by `r_1, ..., r_R` up to the first END; `start == end` inserts. An entry below V is a
vocabulary token; V + p copies the lexeme that begins at canvas position p. The other tools (see
`TOOLS`) take no arguments.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from hrmgym.envs.config import LONGEST, SHORTEST
from hrmgym.envs.editable import may_edit, named
from hrmgym.envs.focus import parts_of, span_of
from hrmgym.envs.interfaces import canvas as cv
from hrmgym.envs.interfaces.base import TOOLS, RefusedError, ToolCall
from hrmgym.envs.interfaces.canvas import Canvas, lay_out, tokenise, window_ranges
from hrmgym.envs.interfaces.code import Code
from hrmgym.envs.interfaces.differences import differences, waypoint
from hrmgym.envs.interfaces.splicing import common_end, common_start
from hrmgym.envs.showing import is_utf8
from hrmgym.envs.state import Cursor, State
from hrmgym.envs.task import LANGUAGES
from hrmgym.envs.tokens import Tokens, load_tokens
from hrmgym.errors import ActionError, ConfigError

#: R, the number of replacement entries in an action.
REPLACEMENT = 16
#: What the entries of `budget` count.
BUDGET = (
    "steps_left",
    "test_runs_left",
    "undo_depth",
    "other_windows",
    "other_files",
    "tests_passed",
    "tests_total",  # 0: the visible tests have not been run on these files
    "failure_elsewhere",  # 1: the failing line is known, and the window does not show it
)
_COUNT_MAX = 2**20

Observation = dict[str, npt.NDArray[np.int32]]
Action = npt.NDArray[np.int64]


def tool_number(name: str) -> int:
    """The number of a tool in the action's first entry."""
    return TOOLS.index(name)


def legal_tools(
    budget: npt.NDArray[np.int32], roles: npt.NDArray[np.int32]
) -> npt.NDArray[np.bool_]:
    """Which tools are legal: [..., 8] and [..., L] -> [..., T]. `submit` always is."""
    count = dict(zip(BUDGET, np.moveaxis(np.asarray(budget), -1, 0), strict=True))
    legal = {
        "edit": cv.editable(roles).any(-1),
        "run_tests": (count["test_runs_left"] > 0) & (count["tests_total"] == 0),
        "next_window": count["other_windows"] > 0,
        "goto_failure": count["failure_elsewhere"] > 0,
        "open_file": count["other_files"] > 0,
        "undo": count["undo_depth"] > 0,
        "submit": np.ones(np.asarray(budget).shape[:-1], dtype=bool),
    }
    return np.stack([legal[tool] for tool in TOOLS], axis=-1)


def tool_action(name: str) -> Action:
    """The action that calls a tool without arguments."""
    action = np.zeros(3 + REPLACEMENT, dtype=np.int64)
    action[0] = tool_number(name)
    return action


@dataclass(frozen=True, slots=True)
class EditInterface:
    """The token canvas and its whole edits.

    Attributes:
        length: L, the number of canvas positions; `SHORTEST` to `LONGEST`.
    """

    length: int = 256

    def __post_init__(self) -> None:
        if self.length < SHORTEST:
            raise ConfigError(f"canvas length {self.length} is too short; the least is {SHORTEST}")
        if self.length > LONGEST:
            raise ConfigError(f"canvas length {self.length:,} is too long; the most is {LONGEST:,}")

    @property
    def observation_space(self) -> spaces.Dict:
        """Dict of int32 boxes: tokens (L,), roles (L,), language (1,), budget (8,)."""
        vocabulary = load_tokens().size

        def box(high: int, size: int) -> spaces.Box:
            return spaces.Box(0, high, (size,), np.int32)

        return spaces.Dict(
            {
                "tokens": box(vocabulary - 1, self.length),
                "roles": box(cv.NUM_ROLES - 1, self.length),
                "language": box(len(LANGUAGES) - 1, 1),
                "budget": box(_COUNT_MAX, len(BUDGET)),
            }
        )

    @property
    def action_space(self) -> spaces.MultiDiscrete:
        """[tool, start, end, r_1, ..., r_R]."""
        entries = load_tokens().size + self.length
        return spaces.MultiDiscrete(
            np.array([len(TOOLS), self.length, self.length] + [entries] * REPLACEMENT)
        )

    # --- seeing ----------------------------------------------------------------------------------

    def canvas(self, state: State) -> Canvas:
        """The canvas that `observe` shows."""
        path = state.cursor.path
        return _canvas(
            state.task.prompt,
            state.files.get(path) or _EMPTY,
            state.outcome.message if state.outcome is not None else "",
            self.length,
            state.cursor.window,
            may_edit(state.task.editable, path),
        )

    def start(self, state: State) -> State:
        """The state with its task's focus in view, else the failing line, where one is known.

        Of a focus that takes several windows it is the one with the failing line, if it is in one
        of them, else the one that shows most.
        """
        failing = self._failure_window(state)
        shown = self._focus_windows(state)
        cursor = failing if not shown or failing in shown else shown[0]
        return state if cursor is None else replace(state, cursor=cursor)

    def observe(self, state: State) -> Observation:
        """The observation of a state; fresh arrays."""
        canvas = self.canvas(state)
        outcome = state.outcome
        counts = (
            state.steps_left,
            state.test_runs_left,
            len(state.undo),
            self._windows(state) - 1,
            _count_others(state),
            outcome.passed if outcome is not None else 0,
            outcome.total if outcome is not None else 0,
            int(self._failure_window(state) not in (None, state.cursor)),
        )
        return {
            "tokens": canvas.tokens.copy(),
            "roles": canvas.roles.copy(),
            "language": np.array([LANGUAGES.index(state.task.language)], dtype=np.int32),
            "budget": np.minimum(np.array(counts, dtype=np.int64), _COUNT_MAX).astype(np.int32),
        }

    # --- acting ----------------------------------------------------------------------------------

    def decode(self, action: Action, state: State) -> ToolCall:
        """The tool call that an action means.

        Raises:
            ActionError: the action is not in the action space.
            RefusedError: it is, but it is not legal in this state.
        """
        values = np.asarray(action)
        if values.shape != (3 + REPLACEMENT,) or not np.issubdtype(values.dtype, np.integer):
            raise ActionError(
                f"an edit action is {3 + REPLACEMENT} integers, got shape {values.shape} "
                f"of {values.dtype}"
            )
        high = self.action_space.nvec
        outside = np.flatnonzero((values < 0) | (values >= high))
        if outside.size:
            at = int(outside[0])
            raise ActionError(
                f"action[{at}] is {int(values[at])}; legal are 0 to {int(high[at]) - 1}"
            )
        tool = TOOLS[int(values[0])]
        observation = self.observe(state)
        if not legal_tools(observation["budget"], observation["roles"])[values[0]]:
            raise RefusedError(_WHY_NOT[tool])
        if tool != "edit":
            return ToolCall(tool=tool)
        return self._decode_edit(values, state)

    def _decode_edit(self, values: Action, state: State) -> ToolCall:
        canvas = self.canvas(state)
        start, end = int(values[1]), int(values[2])
        can_edit = cv.editable(canvas.roles)
        if end < start:
            raise RefusedError(f"the span ends at {end}, before its start {start}")
        if not (can_edit[start] or (start > 0 and can_edit[start - 1])):
            raise RefusedError(f"position {start} is outside the code that may be edited")
        if not can_edit[start:end].all():
            raise RefusedError(f"the span {start}:{end} holds tokens that may not be edited")
        text = self._replacement(values[3:], canvas)
        code = canvas.code
        before = state.files.get(state.cursor.path, "")
        data = before.encode("utf-8", "surrogateescape")
        # An empty file has less than is shown of it.
        first = min(code.offsets[canvas.to_code(start)], len(data))
        last = min(code.offsets[canvas.to_code(end)], len(data))
        if data[first:last] == text:
            raise RefusedError("the edit changes nothing")
        parts = data[:first], data[first:last], text
        head, body, new = (part.decode("utf-8", "surrogateescape") for part in parts)
        if head + body != before[: len(head) + len(body)]:
            raise RefusedError("the span begins or ends within a character")
        if not is_utf8(new) and is_utf8(before):
            raise RefusedError("the edit would leave text that is not UTF-8")
        start = len(head)
        return ToolCall(
            tool="edit", path=state.cursor.path, start=start, end=start + len(body), text=new
        )

    def _replacement(self, entries: Action, canvas: Canvas) -> bytes:
        tokens = load_tokens()
        parts: list[bytes] = []
        for entry in map(int, entries):
            if entry == Tokens.END:
                break
            if entry in (Tokens.PAD, Tokens.CLS, Tokens.SEP):
                raise RefusedError(f"replacement entry {entry} is not text")
            if entry < tokens.size:
                parts.append(tokens.token_bytes(entry))
                continue
            position = entry - tokens.size
            if not cv.lexeme_start(canvas.roles)[position]:
                raise RefusedError(f"no lexeme begins at position {position}, so none is copied")
            stop = cv.lexeme_end(canvas.roles.tolist(), position)
            copy = canvas.tokens[position:stop].tolist()
            parts.append(b"".join(map(tokens.token_bytes, copy)))
        return b"".join(parts)

    def encode_edit(self, state: State, start: int, end: int, text: str) -> Action | None:
        """The action that replaces characters start:end of the shown file by `text`.

        The span is the least range of whole lexemes that differ. Lexemes of several tokens are
        copied where the canvas holds them, so that a name costs one entry.

        Returns:
            The action, or None where the window does not show the span, R entries do not do, or
            nothing changes.
        """
        canvas = self.canvas(state)
        begin, stop, new = _replaced(canvas.code.text, start, end, text)
        if new is None or canvas.to_canvas(begin) is None or canvas.to_canvas(stop) is None:
            return None
        return self._edit_action(canvas, begin, stop, copied(canvas, new))

    def shows(self, state: State, start: int, end: int) -> bool:
        """Whether any of the characters start:end of the shown file, or either end, is in view."""
        canvas = self.canvas(state)
        text, offsets = canvas.code.text, canvas.code.offsets
        low, high = (len(text[:at].encode("utf-8", "surrogateescape")) for at in (start, end))
        return low <= offsets[canvas.window[1]] and offsets[canvas.window[0]] <= high

    def _edit_action(
        self, canvas: Canvas, begin: int, stop: int, entries: list[int]
    ) -> Action | None:
        first, last = canvas.to_canvas(begin), canvas.to_canvas(stop)
        if first is None or last is None or len(entries) > REPLACEMENT:
            return None
        if begin == stop and not entries:
            return None
        action = tool_action("edit")
        action[1:3] = first, last
        action[3 : 3 + len(entries)] = entries
        if len(entries) < REPLACEMENT:
            action[3 + len(entries)] = Tokens.END
        return action

    # --- moving ----------------------------------------------------------------------------------

    def look(self, call: ToolCall, state: State) -> State:
        """The state after `next_window`, `goto_failure` or `open_file`."""
        cursor = state.cursor
        if call.tool == "next_window":
            moved = Cursor(cursor.path, (cursor.window + 1) % self._windows(state))
        elif call.tool == "open_file":
            paths = sorted({*state.files, *named(state.task.editable)})
            moved = Cursor(paths[bisect_right(paths, cursor.path) % len(paths)])
        else:
            failing = self._failure_window(state)
            assert failing is not None, "goto_failure is not legal without a failing line"
            moved = failing
        return replace(state, cursor=moved)

    def _windows(self, state: State) -> int:
        code = tokenise(state.files.get(state.cursor.path) or _EMPTY)
        return len(self._ranges(state, code))

    def _ranges(self, state: State, code: Code) -> list[tuple[int, int]]:
        message = state.outcome.message if state.outcome is not None else ""
        return window_ranges(state.task.prompt, code, message, self.length)

    def _focus_windows(self, state: State) -> list[Cursor]:
        """Cursors that show some of the function in focus, the one that shows most first."""
        path, name = parts_of(state.task.focus)
        text = state.files.get(path, "")
        span = span_of(text, name, state.task.language) if path else None
        if span is None:
            return []
        code = tokenise(text or _EMPTY)
        low, high = (len(text[:at].encode("utf-8", "surrogateescape")) for at in span)
        first, last = bisect_right(code.offsets, low) - 1, bisect_right(code.offsets, high - 1)
        ranges = self._ranges(replace(state, cursor=Cursor(path)), code)
        shares = [min(end, last) - max(begin, first) for begin, end in ranges]
        best = sorted(range(len(ranges)), key=lambda window: -shares[window])
        return [Cursor(path, window) for window in best if shares[window] > 0]

    def _failure_window(self, state: State) -> Cursor | None:
        """The cursor that shows the failing line, the present one if it does; None: none known."""
        outcome = state.outcome
        if outcome is None or not outcome.line or outcome.path not in state.files:
            return None
        code = tokenise(state.files[outcome.path] or _EMPTY)
        if outcome.line > len(code.line_starts):
            return None
        index = code.line_starts[outcome.line - 1]
        if outcome.path == state.cursor.path:
            begin, end = self.canvas(state).window
            if begin <= index < end:
                return state.cursor
        for window, (begin, end) in enumerate(self._ranges(state, code)):
            if begin <= index < end:
                return Cursor(outcome.path, window)
        return None

    def toward(self, state: State, target: Mapping[str, str]) -> Action:
        """One action nearer to `target` (path -> text); `submit` once the files agree."""
        different = [path for path, text in target.items() if state.files.get(path) != text]
        if not different:
            return tool_action("submit")
        path = state.cursor.path
        if path not in different:
            return tool_action("open_file")
        canvas = self.canvas(state)
        if not target[path] and path not in state.files:  # write something, and delete it again
            create = self._edit_action(canvas, 0, 0, list(tokenise(_EMPTY).ids))
            assert create is not None
            return create
        old = canvas.code
        new = tokenise(waypoint(old.text, target[path][: cv.MOST_SHOWN]))
        for begin, stop, low, high in differences(old, new):
            # Tokens may be single bytes of a character, and what is left must be UTF-8.
            begin, low = _character(old, begin, -1), _character(new, low, -1)
            stop, high = _character(old, stop, 1), _character(new, high, 1)
            if stop > canvas.window[1]:  # delete what the window shows of it, and look further
                stop, high = _character(old, canvas.window[1], -1), low
            high = _cut(new, low, high)
            action = self._edit_action(canvas, begin, stop, list(new.ids[low:high]))
            if action is not None:
                return action
        return tool_action("next_window")


#: A missing or empty file is shown as an empty line, so that there is a place to write at.
_EMPTY = "\n"

_WHY_NOT = {
    "edit": "the window shows nothing that may be edited",
    "run_tests": "the tests have been run on these files, or no test runs are left",
    "next_window": "the file has no other window",
    "goto_failure": "no failing line is known outside this window",
    "open_file": "the workspace has no other file",
    "undo": "there is nothing to undo",
}


@lru_cache(maxsize=256)
def _canvas(
    prompt: str, text: str, failure: str, length: int, window: int, can_edit: bool
) -> Canvas:
    return lay_out(prompt, tokenise(text), failure, length=length, window=window, can_edit=can_edit)


def copied(canvas: Canvas, text: str) -> list[int]:
    """Replacement entries for `text`: lexemes of several tokens as copies where there is one."""
    tokens, at = load_tokens(), canvas.lexemes
    entries: list[int] = []
    encoding = tokens.encode(text)
    bounds = [i for i, start in enumerate(encoding.starts) if start] + [len(encoding.ids)]
    for begin, stop in itertools.pairwise(bounds):
        lexeme = tuple(encoding.ids[begin:stop])
        if len(lexeme) > 1 and lexeme in at:
            entries.append(tokens.size + at[lexeme])
        else:
            entries.extend(lexeme)
    return entries


def _count_others(state: State) -> int:
    """How many files there are to open: those of the workspace and those that may be written."""
    files, editable = state.files, named(state.task.editable)
    missing = sum(path not in files for path in editable)
    path = state.cursor.path
    return len(files) + missing - (path in files or path in editable)


@lru_cache(maxsize=1 << 15)  # the edits of a file are asked for in each of its windows
def _replaced(old: str, start: int, end: int, text: str) -> tuple[int, int, str | None]:
    """`(begin, stop, new)`: tokens begin:stop of a file become that text, whole lexemes.

    Args:
        old: The file.
        start: Of the characters that are replaced.
        end: Of the same.
        text: What takes their place. `new` is None where it cuts a character in two.
    """
    changed = tokenise(old[:start] + text + old[end:])
    begin, stop, high = _differing(tokenise(old), changed)
    try:
        return begin, stop, changed.data[changed.offsets[begin] : changed.offsets[high]].decode()
    except UnicodeDecodeError:
        return begin, stop, None


def _differing(old: Code, new: Code) -> tuple[int, int, int]:
    """`(begin, stop, high)`: old tokens begin:stop became new tokens begin:high, whole lexemes."""
    shortest = min(len(old.ids), len(new.ids))
    begin = common_start(old.ids, new.ids, shortest)
    while not (_begins(old, begin) and _begins(new, begin)):
        begin -= 1
    tail = common_end(old.ids, new.ids, shortest - begin)
    stop, high = len(old.ids) - tail, len(new.ids) - tail
    while not (_begins(old, stop) and _begins(new, high)):
        stop, high = stop + 1, high + 1
    return begin, stop, high


def _begins(code: Code, index: int) -> bool:
    """Whether a lexeme begins with that token, or the file ends before it."""
    return index == len(code.ids) or code.starts[index]


def _character(code: Code, index: int, step: int) -> int:
    """The nearest token from `index` on, forward (1) or back (-1), that begins a character."""
    data = code.data
    while index < len(code.ids) and data[code.offsets[index]] & 0xC0 == 0x80:
        index += step
    return index


def _cut(code: Code, low: int, high: int) -> int:
    """Where to end low:high so that R entries hold it: at a lexeme's start, else a character's."""
    if high - low <= REPLACEMENT:
        return high
    for index in range(low + REPLACEMENT, low, -1):
        if code.starts[index]:
            return index
    return _character(code, low + REPLACEMENT, -1)
