"""CandidateActions: a list of concrete edits to choose from, for stock algorithms.

PPO, MaskablePPO and DQN know nothing of token canvases. This wrapper proposes k edits by rule,
shows a feature vector for each, and turns the environment into `Discrete(k)` with
`action_masks()`.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, SupportsFloat

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from hrmgym.envs.bugs.operators import OPERATORS, mutations
from hrmgym.envs.copying import Copied
from hrmgym.envs.interfaces import EditInterface
from hrmgym.envs.interfaces.edit import BUDGET, tool_action
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.state import State, files_key
from hrmgym.errors import ConfigError, DataError

_BUCKETS = 16
_KEPT = 4096
_NAMES = tuple(OPERATORS)
#: Features of one candidate: it exists; its operator, one-hot; where in the file; whether on the
#: failing line; how much it adds; what it takes out and puts in, hashed.
NUM_FEATURES = 1 + len(_NAMES) + 3 + 2 * _BUCKETS


@dataclass(frozen=True, slots=True)
class Candidate:
    """One proposed edit of the file that is shown."""

    operator: str
    start: int
    """Character offset; the edit replaces text[start:end]."""
    end: int
    text: str


Propose = Callable[[State], Sequence[Candidate]]


def rule_candidates(state: State) -> list[Candidate]:
    """Every mutation that the bug operators make of the shown file: bugs undo each other."""
    try:
        found = mutations(state.files[state.cursor.path])
    except DataError:  # not Python, or not any more: nothing to propose but undo
        return []
    return [Candidate(one.operator, one.edit.start, one.edit.end, one.edit.text) for one in found]


@dataclass(frozen=True, slots=True)
class _Choice:
    """The k actions of one state; it depends on nothing but the state, so it is kept."""

    actions: tuple[npt.NDArray[np.int64] | None, ...]
    results: tuple[str, ...]
    """`files_key` of the files that each action leads to; empty where there is no action."""
    features: npt.NDArray[np.float32]  # [k, NUM_FEATURES]


#: The latest choices, shared by all environments of this process; proposing is the slow part.
_CHOICES: OrderedDict[Hashable, _Choice] = OrderedDict()


class CandidateActions(Copied, gymnasium.Wrapper[Any, Any, Any, Any]):
    """`Discrete(k)` over proposed edits.

    Each operator owns a fixed range of actions, filled in the order of the file, so that an action
    means the same kind of edit everywhere; what does not fit takes actions that are left over. An
    edit after which no more visible tests pass than before is undone at once, which costs a step
    of the environment: what is chosen from is always the best files so far.

    Observation: `candidates` float32 [k * NUM_FEATURES], row by row, and `budget` float32 [8], both
    in [0, 1].

    Args:
        env: A SoftwareEnv with the `edit` interface and `auto_test`, wrapped or not.
        k: Number of actions.
        propose: State -> candidates; by default every mutation of the bug operators.

    Raises:
        ConfigError: another environment or interface below, or k too small.
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        k: int = 128,
        propose: Propose = rule_candidates,
    ) -> None:
        super().__init__(env)
        base = env.unwrapped
        if not isinstance(base, SoftwareEnv) or not isinstance(base.interface, EditInterface):
            raise ConfigError("CandidateActions wraps a SoftwareEnv with interface='edit'")
        if not base.auto_test:
            raise ConfigError("CandidateActions needs auto_test=True: it undoes what helps nothing")
        if k < 1:
            raise ConfigError(f"CandidateActions: k must be at least 1, got {k}")
        self._base, self._interface = base, base.interface
        self._k, self._propose = k, propose
        self.action_space = spaces.Discrete(k)
        self.observation_space = spaces.Dict(
            {
                "candidates": spaces.Box(0.0, 1.0, (k * NUM_FEATURES,), np.float32),
                "budget": spaces.Box(0.0, 1.0, (len(BUDGET),), np.float32),
            }
        )
        self._choice: _Choice | None = None
        self._seen: set[str] = set()

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """As the environment's."""
        observation, info = self.env.reset(**kwargs)
        self._seen = set()
        return self._observe(observation), info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Makes the edit, and undoes it where it does not help.

        An action that the mask forbids is refused, and costs a step. The reward is the sum over
        both steps.
        """
        if self._choice is None:
            raise gymnasium.error.ResetNeeded("call reset() first")
        before = self._base.state.passing
        chosen = self._choice.actions[int(action)]
        refused = chosen is None
        observation, reward, terminated, truncated, info = self.env.step(
            _illegal_edit() if chosen is None else chosen
        )
        self._seen.add(files_key(self._base.state.task.id, self._base.state.files))
        helped = self._base.state.passing > before
        if not (refused or helped or terminated or truncated) and self._base.state.undo:
            observation, more, terminated, truncated, last = self.env.step(tool_action("undo"))
            rewards = {
                name: value + info["rewards"][name] for name, value in last["rewards"].items()
            }
            info = last | {"tool": info["tool"], "kept": False, "rewards": rewards}
            reward = float(reward) + float(more)
        return self._observe(observation), reward, terminated, truncated, info

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Which actions are legal and lead to files not yet seen in this episode: bool [k].

        At least one is true: where nothing is left, action 0 stays open, and is refused.
        """
        if self._choice is None:
            raise gymnasium.error.ResetNeeded("call reset() first")
        results = self._choice.results
        mask = np.array([bool(result) and result not in self._seen for result in results])
        if not mask.any():
            mask[0] = True
        return mask

    def _observe(self, observation: Any) -> dict[str, npt.NDArray[np.float32]]:
        state = self._base.state
        self._seen.add(files_key(state.task.id, state.files))
        failure = (state.outcome.message, state.outcome.line) if state.outcome else ("", 0)
        files = files_key(state.task.id + state.task.prompt, state.files)
        key = (self._propose, self._k, self._interface, files, state.cursor, failure)
        if key not in _CHOICES:
            _CHOICES[key] = self._choose(state)
            if len(_CHOICES) > _KEPT:
                _CHOICES.popitem(last=False)
        self._choice = _CHOICES[key]
        features = self._choice.features.copy()
        features[~self.action_masks()] = 0.0
        budget = np.log1p(observation["budget"].astype(np.float32)) / 8.0
        return {"candidates": features.ravel(), "budget": np.minimum(budget, 1.0)}

    def _choose(self, state: State) -> _Choice:
        """Gives each candidate that the canvas can express an action of its own."""
        path = state.cursor.path
        text = state.files[path]
        width = (self._k - 1) // len(_NAMES)
        used = dict.fromkeys(_NAMES, 0)
        slots: dict[int, tuple[Candidate, npt.NDArray[np.int64]]] = {}
        rest: list[tuple[Candidate, npt.NDArray[np.int64]]] = []
        for one in self._propose(state):
            action = self._interface.encode_edit(state, one.start, one.end, one.text)
            if action is None:
                continue
            rank = used.get(one.operator, width)
            if rank < width:
                used[one.operator] = rank + 1
                slots[_NAMES.index(one.operator) * width + rank] = (one, action)
            else:
                rest.append((one, action))
        free = (slot for slot in range(self._k) if slot not in slots)
        slots.update(zip(free, rest, strict=False))
        actions: list[npt.NDArray[np.int64] | None] = [None] * self._k
        results = [""] * self._k
        features = np.zeros((self._k, NUM_FEATURES), dtype=np.float32)
        for slot, (one, action) in slots.items():
            edited = text[: one.start] + one.text + text[one.end :]
            actions[slot] = action
            results[slot] = files_key(state.task.id, state.files.with_text(path, edited))
            features[slot] = _features(one, state, text)
        return _Choice(tuple(actions), tuple(results), features)


def _features(one: Candidate, state: State, text: str) -> npt.NDArray[np.float32]:
    row = np.zeros(NUM_FEATURES, dtype=np.float32)
    row[0] = 1.0
    if one.operator in _NAMES:
        row[1 + _NAMES.index(one.operator)] = 1.0
    at = 1 + len(_NAMES)
    row[at] = one.start / max(1, len(text))
    line = text.count("\n", 0, one.start) + 1
    row[at + 1] = state.outcome is not None and state.outcome.line == line
    row[at + 2] = min(1.0, max(0.0, 0.5 + (len(one.text) - (one.end - one.start)) / 32))
    for offset, part in ((at + 3, text[one.start : one.end]), (at + 3 + _BUCKETS, one.text)):
        if part.strip():
            row[offset + zlib.crc32(part.strip().encode()) % _BUCKETS] = 1.0
    return row


def _illegal_edit() -> npt.NDArray[np.int64]:
    """An edit that every state refuses: an empty insertion before the CLS token."""
    return tool_action("edit")
