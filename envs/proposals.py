"""Proposed edits of a state, and how `k` numbered actions stand for them."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from hrmgym.envs.bugs.operators import OPERATORS, mutations
from hrmgym.envs.interfaces import EditInterface
from hrmgym.envs.state import State, files_key
from hrmgym.errors import ConfigError, DataError

_BUCKETS = 16
_NAMES = tuple(OPERATORS)
#: Features of one candidate: it exists; its operator, one-hot; where in the file; whether on the
#: failing line; how much it adds; what it takes out and puts in, hashed; how probable it is said to
#: be; its kind, hashed, where it has that in an operator's place.
NUM_FEATURES = 1 + len(_NAMES) + 3 + 2 * _BUCKETS + 1 + _BUCKETS
_FAINT = 12.0  # nats: what is less probable has the same feature

#: Ways to propose that ship, as `module:function`.
PROPOSALS: Mapping[str, str] = MappingProxyType(
    {
        "rules": "hrmgym.envs.proposals:rule_candidates",
        "ranked": "hrmgym.policies.proposing:ranked_candidates",
    }
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One proposed edit of the file that is shown."""

    operator: str
    """The bug operator that makes such edits, or a kind of legal edit."""
    start: int
    """Character offset; the edit replaces text[start:end]."""
    end: int
    text: str
    log_prob: float | None = None
    """How probable it is said to be, in nats; None: nobody has said it. Those with a number take
    actions in the order in which they are proposed."""


Propose = Callable[[State], Sequence[Candidate]]


def rule_candidates(state: State) -> list[Candidate]:
    """Every mutation that the bug operators make of the shown file: bugs undo each other."""
    try:
        found = mutations(state.files[state.cursor.path])
    except (DataError, KeyError):  # not Python, not any more, or deleted: nothing to propose
        return []
    return [Candidate(one.operator, one.edit.start, one.edit.end, one.edit.text) for one in found]


def find_propose(propose: str | Propose) -> tuple[Propose, str | Propose]:
    """The function, and what stands for it in a spec: `module:function` where that leads to it.

    Raises:
        ConfigError: the name leads to no function, or the function cannot be a key of a cache.
    """
    if isinstance(propose, str):
        found = _by_name(propose)
        if not callable(found):
            raise ConfigError(
                f"propose={propose!r} leads to no function; write 'module:function', for example "
                f"'{rule_candidates.__module__}:{rule_candidates.__name__}'"
            )
        return found, propose
    if not callable(propose):
        raise ConfigError(f"propose: a function or 'module:function', got {propose!r}")
    try:
        hash(propose)
    except TypeError as error:
        raise ConfigError(f"propose: {propose!r} must be hashable: proposals are kept") from error
    name = f"{getattr(propose, '__module__', '')}:{getattr(propose, '__qualname__', '')}"
    return propose, name if _by_name(name) is propose else propose


def _by_name(name: str) -> Propose | None:
    """What `module:function` leads to, if it leads anywhere."""
    module_name, _, function = name.partition(":")
    try:
        found = importlib.import_module(module_name)
        for part in function.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError):
        return None
    return found  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Choice:
    """The k actions of one state; it depends on nothing but the state, so it may be kept."""

    actions: tuple[npt.NDArray[np.int64] | None, ...]
    results: tuple[str, ...]
    """`files_key` of the files that each action leads to; empty where there is no action."""
    features: npt.NDArray[np.float32]  # [k, NUM_FEATURES]


def choose(state: State, interface: EditInterface, propose: Propose, k: int) -> Choice:
    """Gives each candidate that the canvas can express an action of its own."""
    path = state.cursor.path
    text = state.files.get(path, "")
    width = (k - 1) // len(_NAMES)
    used = dict.fromkeys(_NAMES, 0)
    slots: dict[int, tuple[Candidate, npt.NDArray[np.int64]]] = {}
    rest: list[tuple[Candidate, npt.NDArray[np.int64]]] = []
    for one in propose(state):
        action = interface.encode_edit(state, one.start, one.end, one.text)
        if action is None:
            continue
        rank = width if one.log_prob is not None else used.get(one.operator, width)
        if rank < width:
            used[one.operator] = rank + 1
            slots[_NAMES.index(one.operator) * width + rank] = (one, action)
        else:
            rest.append((one, action))
    free = (slot for slot in range(k) if slot not in slots)
    slots.update(zip(free, rest, strict=False))
    actions: list[npt.NDArray[np.int64] | None] = [None] * k
    results = [""] * k
    features = np.zeros((k, NUM_FEATURES), dtype=np.float32)
    for slot, (one, action) in slots.items():
        edited = text[: one.start] + one.text + text[one.end :]
        actions[slot] = action
        results[slot] = files_key(state.task.id, state.files.with_text(path, edited))
        features[slot] = _features(one, state, text)
    return Choice(tuple(actions), tuple(results), features)


def _features(one: Candidate, state: State, text: str) -> npt.NDArray[np.float32]:
    row = np.zeros(NUM_FEATURES, dtype=np.float32)
    row[0] = 1.0
    at = 1 + len(_NAMES)
    if one.log_prob is not None:
        ranked = at + 3 + 2 * _BUCKETS
        row[ranked] = max(0.0, 1.0 + one.log_prob / _FAINT)
        row[ranked + 1 + zlib.crc32(one.operator.encode()) % _BUCKETS] = 1.0
    elif one.operator in _NAMES:
        row[1 + _NAMES.index(one.operator)] = 1.0
    row[at] = one.start / max(1, len(text))
    line = text.count("\n", 0, one.start) + 1
    row[at + 1] = state.outcome is not None and state.outcome.line == line
    row[at + 2] = min(1.0, max(0.0, 0.5 + (len(one.text) - (one.end - one.start)) / 32))
    for offset, part in ((at + 3, text[one.start : one.end]), (at + 3 + _BUCKETS, one.text)):
        if part.strip():
            row[offset + zlib.crc32(part.strip().encode()) % _BUCKETS] = 1.0
    return row
