"""CandidateActions: a list of concrete edits to choose from, for stock algorithms.

PPO, MaskablePPO and DQN know nothing of token canvases. This wrapper proposes k edits by rule,
shows a feature vector for each, and turns the environment into `Discrete(k)` with
`action_masks()`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, SupportsFloat

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from hrmgym.envs.bugs.operators import OPERATORS, mutations
from hrmgym.envs.interfaces import EditInterface
from hrmgym.envs.interfaces.edit import BUDGET, legal_tools, tool_action, tool_number
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.state import State, files_key
from hrmgym.errors import ConfigError

_BUCKETS = 16
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
    source = state.files[state.cursor.path]
    return [
        Candidate(one.operator, one.edit.start, one.edit.end, one.edit.text)
        for one in mutations(source)
    ]


class CandidateActions(gymnasium.Wrapper[Any, Any, Any, Any]):
    """`Discrete(k)` over proposed edits; action 0 is `undo`.

    Each operator owns a fixed range of actions, filled in the order of the file, so that an action
    means the same kind of edit everywhere; what does not fit takes actions that are left over.

    Observation: `candidates` float32 [k, NUM_FEATURES] in [0, 1] and `budget` float32 [8] in
    [0, 1].

    Args:
        env: A SoftwareEnv with the `edit` interface, wrapped or not.
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
        if k < 2:
            raise ConfigError(f"CandidateActions: k must be at least 2, got {k}")
        self._base, self._interface = base, base.interface
        self._k, self._propose = k, propose
        self.action_space = spaces.Discrete(k)
        self.observation_space = spaces.Dict(
            {
                "candidates": spaces.Box(0.0, 1.0, (k, NUM_FEATURES), np.float32),
                "budget": spaces.Box(0.0, 1.0, (len(BUDGET),), np.float32),
            }
        )
        self._actions: list[npt.NDArray[np.int64] | None] = []
        self._features = np.zeros((k, NUM_FEATURES), dtype=np.float32)
        self._seen: set[str] = set()

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """As the environment's."""
        observation, info = self.env.reset(**kwargs)
        self._seen = set()
        return self._observe(observation), info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Makes the edit; an action that the mask forbids is refused, and costs a step."""
        chosen = self._actions[int(action)]
        if chosen is None:
            chosen = tool_action("undo") if int(action) == 0 else _illegal_edit()
        observation, reward, terminated, truncated, info = self.env.step(chosen)
        return self._observe(observation), reward, terminated, truncated, info

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Which actions are legal and lead to files not yet seen in this episode: bool [k].

        At least one is: where nothing else is left, `undo` stays open, and is refused if it is
        not legal either.
        """
        mask = np.array([action is not None for action in self._actions])
        if not mask.any():
            mask[0] = True
        return mask

    def _observe(self, observation: Any) -> dict[str, npt.NDArray[np.float32]]:
        state = self._base.state
        self._seen.add(files_key(state.task.id, state.files))
        self._actions = [None] * self._k
        self._features[:] = 0.0
        tools = legal_tools(observation["budget"], observation["roles"])
        if tools[tool_number("undo")]:
            self._actions[0] = tool_action("undo")
            self._features[0, 0] = 1.0
        self._fill(state)
        budget = np.log1p(observation["budget"].astype(np.float32)) / 8.0
        return {"candidates": self._features.copy(), "budget": np.minimum(budget, 1.0)}

    def _fill(self, state: State) -> None:
        """Gives each candidate that the canvas can express an action of its own."""
        path = state.cursor.path
        text = state.files[path]
        width = (self._k - 1) // len(_NAMES)
        used = dict.fromkeys(_NAMES, 0)
        rest: list[tuple[Candidate, npt.NDArray[np.int64]]] = []
        for one in self._propose(state):
            edited = text[: one.start] + one.text + text[one.end :]
            if files_key(state.task.id, {**state.files, path: edited}) in self._seen:
                continue
            action = self._interface.encode_edit(state, one.start, one.end, one.text)
            if action is None:
                continue
            rank = used.get(one.operator, width)
            if rank < width:
                used[one.operator] = rank + 1
                slot = 1 + _NAMES.index(one.operator) * width + rank
                self._set(slot, one, action, state, text)
            else:
                rest.append((one, action))
        free = [slot for slot in range(1, self._k) if self._actions[slot] is None]
        for slot, (one, action) in zip(free, rest, strict=False):
            self._set(slot, one, action, state, text)

    def _set(
        self, slot: int, one: Candidate, action: npt.NDArray[np.int64], state: State, text: str
    ) -> None:
        self._actions[slot] = action
        row = self._features[slot]
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


def _illegal_edit() -> npt.NDArray[np.int64]:
    """An edit that every state refuses: an empty insertion before the CLS token."""
    return tool_action("edit")
