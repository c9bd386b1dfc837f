"""CandidateActions: a list of concrete edits to choose from, for stock algorithms.

PPO, MaskablePPO and DQN know nothing of token canvases. This wrapper proposes k edits by rule,
shows a feature vector for each, and turns the environment into `Discrete(k)` with
`action_masks()`. `gymnasium.make("hrmgym/Katas-Candidates-v0", k=64)` makes the same; every
registered benchmark has such an id.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, ClassVar, SupportsFloat, get_args

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs

from hrmgym.envs.benchmark import Benchmark
from hrmgym.envs.config import KeepEdits
from hrmgym.envs.copying import Copied
from hrmgym.envs.interfaces import EditInterface
from hrmgym.envs.interfaces.edit import BUDGET, tool_action
from hrmgym.envs.proposals import (
    NUM_FEATURES,
    PROPOSALS,
    Candidate,
    Choice,
    Propose,
    choose,
    find_propose,
    rule_candidates,
)
from hrmgym.envs.snapshots import check_seen
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.state import Snapshot, State, files_key
from hrmgym.errors import ActionError, ConfigError, UnknownNameError

__all__ = [
    "NUM_FEATURES",
    "Candidate",
    "CandidateActions",
    "CandidateSnapshot",
    "Propose",
    "make_candidates",
    "rule_candidates",
]

_KEPT = 4096
#: The latest choices, shared by all environments of this process; proposing is the slow part.
_CHOICES: OrderedDict[Hashable, Choice] = OrderedDict()


@dataclass(frozen=True, slots=True)
class CandidateSnapshot:
    """An episode's state for `CandidateActions.restore`: exact and picklable."""

    inner: Snapshot
    """Of the environment below."""
    seen: frozenset[str]
    """Keys of the files that this episode has led to."""

    @property
    def key(self) -> str:
        """As `Snapshot.key`: equal for equal files, however they came about."""
        return self.inner.key


class CandidateActions(Copied, gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """`Discrete(k)` over proposed edits.

    Each operator owns a fixed range of actions, filled in the order of the file, so that an action
    means the same kind of edit everywhere; what does not fit takes actions that are left over. An
    edit after which no more visible tests pass than before is taken back within its step
    (`info["kept"]` is False): what is chosen from is always the best files so far, and one action
    costs one step and one test run.

    Observation: `candidates` float32 [k * NUM_FEATURES], row by row, and `budget` float32 [8], both
    in [0, 1]; with `mask_in_observation` also `action_mask` int8 [k].

    Info has `action_mask` int8 [k] at every reset and step: 1 where an action is legal and leads to
    files that this episode has not seen. `action_space.sample(info["action_mask"])` takes it, and
    `action_masks()` is the same as MaskablePPO asks for it. It follows the environment below, also
    where that has been stepped or restored by itself.

    `save` and `restore` keep the episode with what it has seen. Below other wrappers they are found
    by `env.get_wrapper_attr("save")`.

    Args:
        env: A SoftwareEnv with the `edit` interface and `auto_test`, wrapped or not.
        k: Number of actions.
        propose: State -> candidates, or the `module:function` of it, in place of `proposals`. It
            may depend on the task, the files, the cursor and the failure. A function that has no
            such name works, but the spec then has no JSON.
        mask_in_observation: Whether the observation holds the mask, too.
        keep_edits: `if_better`, or `always`: no edit is taken back. It becomes the environment's.
        proposals: `rules`, every mutation of the bug operators; or `ranked`, the legal edits that
            the shipped network finds most probable, the best one first.

    Raises:
        ConfigError: another environment or interface below, k too small, or no such function.
        UnknownNameError: `keep_edits` or `proposals` is none of those.
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        k: int = 128,
        propose: str | Propose | None = None,
        mask_in_observation: bool = False,
        keep_edits: KeepEdits = "if_better",
        proposals: str = "rules",
    ) -> None:
        base = env.unwrapped
        if not isinstance(base, SoftwareEnv) or not isinstance(base.interface, EditInterface):
            raise ConfigError("CandidateActions wraps a SoftwareEnv with interface='edit'")
        if not base.auto_test:
            raise ConfigError("CandidateActions needs auto_test=True: it undoes what helps nothing")
        if k < 1:
            raise ConfigError(f"CandidateActions: k must be at least 1, got {k}")
        if keep_edits not in get_args(KeepEdits):
            raise UnknownNameError("keep_edits", keep_edits, get_args(KeepEdits))
        if proposals not in PROPOSALS:
            raise UnknownNameError("proposals", proposals, PROPOSALS)
        self._propose, name = find_propose(PROPOSALS[proposals] if propose is None else propose)
        RecordConstructorArgs.__init__(
            self,
            k=k,
            propose=name,
            mask_in_observation=mask_in_observation,
            keep_edits=keep_edits,
        )
        gymnasium.Wrapper.__init__(self, env)
        self._k, self._mask_in_observation = k, mask_in_observation
        self._keep_edits = base.keep_edits = keep_edits
        self.action_space = spaces.Discrete(k)
        leaves: dict[str, spaces.Space[Any]] = {
            "candidates": spaces.Box(0.0, 1.0, (k * NUM_FEATURES,), np.float32),
            "budget": spaces.Box(0.0, 1.0, (len(BUDGET),), np.float32),
        }
        if mask_in_observation:
            leaves["action_mask"] = spaces.Box(0, 1, (k,), np.int8)
        self.observation_space = spaces.Dict(leaves)
        self._shown: State | None = None
        """The state that `_choice` and `_seen` belong to."""
        self._choice: Choice | None = None
        self._seen: frozenset[str] = frozenset()

    @property
    def _base(self) -> SoftwareEnv:
        base = self.env.unwrapped
        assert isinstance(base, SoftwareEnv)
        return base

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """As the environment's."""
        observation, info = self.env.reset(**kwargs)
        return self._follow(observation, info, frozenset())

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Makes the edit.

        An action that the mask forbids is refused, and costs a step.

        Raises:
            ActionError: the action is not in the action space.
        """
        choice = self._current()
        number = self._number(action)
        result, refused = choice.results[number], ""
        if not result:
            refused = f"there is no candidate {number}: see info['action_mask']"
        elif result in self._seen:
            refused = f"candidate {number} leads to files that this episode has had already"
        chosen = choice.actions[number]
        # Every state refuses an empty insertion before the CLS token.
        play = tool_action("edit") if refused or chosen is None else chosen
        observation, reward, terminated, truncated, info = self.env.step(play)
        if info["refused"] and refused:
            info = info | {"refused": refused}
        seen = self._seen if refused or info["failure"] else self._seen | {result}
        observation, info = self._follow(observation, info, seen)
        return observation, reward, terminated, truncated, info

    def _number(self, action: Any) -> int:
        number = np.asarray(action)
        if number.size != 1 or not np.issubdtype(number.dtype, np.integer):
            raise ActionError(f"a candidate action is one integer, got {action!r}")
        if not 0 <= number.item() < self._k:
            raise ActionError(f"candidate action {number.item()} is outside of 0 to {self._k - 1}")
        return int(number.item())

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Which actions are legal and lead to files not yet seen in this episode: bool [k].

        At least one is true: where nothing is left, action 0 stays open, and is refused.
        """
        results = self._current().results
        mask = np.array([bool(result) and result not in self._seen for result in results])
        if not mask.any():
            mask[0] = True
        return mask

    # --- search ----------------------------------------------------------------------------------

    def save(self) -> CandidateSnapshot:
        """The episode's state with what it has seen."""
        self._current()
        return CandidateSnapshot(self._base.save(), self._seen)

    def restore(self, snapshot: CandidateSnapshot | Snapshot) -> tuple[Any, dict[str, Any]]:
        """Goes back to a snapshot, of this environment or of another one over the same benchmark.

        A `Snapshot` of the environment below does, too: nothing but its own files counts as seen.

        Returns:
            Observation and info, as `reset` does.

        Raises:
            ConfigError: the snapshot is of another benchmark, of other data, or no snapshot.
        """
        if isinstance(snapshot, CandidateSnapshot):
            inner, seen = snapshot.inner, snapshot.seen
            check_seen(seen)
        else:
            inner, seen = snapshot, frozenset()
        self._base.checked(inner)
        if self._shown is None:
            self.env.reset()  # wrappers in between, OrderEnforcing for one, want to have seen it
        observation, info = self._base.restore(inner)
        return self._follow(observation, info, seen)

    # --- copies: see `Copied` --------------------------------------------------------------------

    _shared_by_copies = frozenset({"_choice"})
    _pickled: ClassVar = {
        "env": gymnasium.Env,
        "_k": int,
        "_mask_in_observation": bool,
        "_keep_edits": str,
        "_shown": bool,
        "_seen": frozenset,
    }

    def _packed(self, attributes: dict[str, Any]) -> dict[str, Any]:
        """All but the choice, which is made again; `_shown` says whether it is up to date."""
        current = self._shown is not None and self._shown is self._base.state
        return attributes | {"_choice": None, "_shown": current}

    def _unpack(self, attributes: dict[str, Any]) -> None:
        super()._unpack(attributes | {"_shown": None})
        if attributes["_shown"]:
            self._shown = self._base.state
            self._choice = self._choose(self._shown)

    # --- what there is to choose from ------------------------------------------------------------

    def _current(self) -> Choice:
        """The choice of the present state, whoever has led the environment there.

        Raises:
            gymnasium.error.ResetNeeded: there is no state yet.
        """
        state = self._base.state
        if self._choice is None or self._shown is not state:
            self._show(state, frozenset())
        assert self._choice is not None
        return self._choice

    def _show(self, state: State, seen: frozenset[str]) -> None:
        self._shown, self._choice = state, self._choose(state)
        self._seen = seen | {files_key(state.task.id, state.files)}

    def _follow(
        self, observation: Any, info: dict[str, Any], seen: frozenset[str]
    ) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
        """What the environment below has said, as this one says it."""
        self._show(self._base.state, seen)
        assert self._choice is not None
        mask = self.action_masks()
        features = self._choice.features.copy()
        features[~mask] = 0.0
        budget = np.log1p(observation["budget"].astype(np.float32)) / 8.0
        mine: dict[str, npt.NDArray[Any]] = {
            "candidates": features.ravel(),
            "budget": np.minimum(budget, 1.0),
        }
        if self._mask_in_observation:
            mine["action_mask"] = mask.astype(np.int8)
        return mine, info | {"action_mask": mask.astype(np.int8)}

    def _choose(self, state: State) -> Choice:
        base = self._base
        assert isinstance(base.interface, EditInterface)
        failure = (state.outcome.message, state.outcome.line) if state.outcome else ("", 0)
        files = files_key(state.task.id + state.task.prompt, state.files)
        key = (self._propose, self._k, base.interface, files, state.cursor, failure)
        choice = _CHOICES.get(key)
        if choice is None:
            choice = _CHOICES[key] = choose(state, base.interface, self._propose, self._k)
            if len(_CHOICES) > _KEPT:
                _CHOICES.popitem(last=False)
        return choice


def make_candidates(
    benchmark: str | Benchmark,
    *,
    k: int = 128,
    propose: str | Propose | None = None,
    mask_in_observation: bool = False,
    keep_edits: KeepEdits = "if_better",
    proposals: str = "rules",
    **options: Any,
) -> CandidateActions:
    """What `gymnasium.make` calls for `<Name>-Candidates-v0`.

    Args:
        benchmark: As of `SoftwareEnv`.
        k: As of `CandidateActions`, and so are the next three.
        propose: State -> candidates, or the `module:function` of it.
        mask_in_observation: Whether the observation holds the mask, too.
        keep_edits: `if_better` or `always`.
        proposals: `rules` or `ranked`.
        options: Whatever else `SoftwareEnv` takes.
    """
    return CandidateActions(
        SoftwareEnv(benchmark, **options), k, propose, mask_in_observation, keep_edits, proposals
    )


# `gymnasium.make` asks the entry point which ways to render there are.
make_candidates.metadata = SoftwareEnv.metadata  # type: ignore[attr-defined]
