"""Policies without weights: random, reference (replays the known solution), noop (gives up)."""

from __future__ import annotations

from collections.abc import Sequence

import gymnasium
import numpy as np
import numpy.typing as npt

from hrmgym.envs.editable import may_edit
from hrmgym.envs.interfaces import canvas
from hrmgym.envs.interfaces.base import TOOLS
from hrmgym.envs.interfaces.edit import REPLACEMENT, legal_tools, tool_action, tool_number
from hrmgym.envs.interfaces.shell import SUBMIT
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.tokens import Tokens, load_tokens
from hrmgym.errors import ConfigError
from hrmgym.policies.base import Action, Observation, PolicyState, Proposal, Proposals, Spaces


def edits_only(spaces: Spaces, policy: str) -> None:
    """Checks that a policy can act.

    Raises:
        ConfigError: the spaces are not those of the `edit` interface.
    """
    if spaces.interface != "edit":
        where = f"the {spaces.interface} interface" if spaces.interface else spaces.action_space
        raise ConfigError(f"the {policy} policy acts through the edit interface only, not {where}")


class RandomPolicy:
    """Draws a legal tool, then for `edit` a legal span and a short replacement, all uniformly.

    Half of the replacement entries are lexemes copied from the canvas.
    """

    def __init__(self, spaces: Spaces, seed: int = 0) -> None:
        edits_only(spaces, "random")
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Seeds what `act` draws from here on."""
        self._rng = np.random.default_rng(seed)

    def act(
        self,
        observation: Observation,
        *,
        state: PolicyState = None,
        deterministic: bool = False,
    ) -> tuple[Action, PolicyState]:
        """One legal action."""
        rng = self._rng
        tools = legal_tools(observation["budget"], observation["roles"])
        tool = int(rng.choice(np.flatnonzero(tools)))
        if TOOLS[tool] != "edit":
            return tool_action(TOOLS[tool]), None
        return self._edit(observation["tokens"], observation["roles"], rng), None

    def propose(self, observation: Observation, k: int) -> Proposals:
        """Up to k different legal edits, drawn uniformly as `act` does; all score the same."""
        drawn: dict[bytes, Action] = {}
        for _ in range(4 * k):  # few edits are legal on a tiny canvas
            action = self._edit(observation["tokens"], observation["roles"], self._rng)
            drawn[action.tobytes()] = action
            if len(drawn) == k:
                break
        return Proposals([Proposal(action, 0.0) for action in drawn.values()], 0.0)

    def propose_batch(self, observations: Sequence[Observation], k: int) -> list[Proposals]:
        """What `propose` says of each in turn."""
        return [self.propose(one, k) for one in observations]

    def _edit(
        self, tokens: npt.NDArray[np.int32], roles: npt.NDArray[np.int32], rng: np.random.Generator
    ) -> Action:
        can_edit = canvas.editable(roles)
        start = int(rng.choice(np.flatnonzero(can_edit)))
        end = start + int(rng.integers(0, 4))
        end = start + int(np.argmin(np.append(can_edit[start:end], False)))
        entries = []
        for _ in range(int(rng.integers(0 if end > start else 1, 4))):
            if rng.random() < 0.5:
                at = int(rng.choice(np.flatnonzero(canvas.lexeme_start(roles))))
                entries.append(load_tokens().size + at)
            else:
                entries.append(int(rng.integers(Tokens.SEP + 1, load_tokens().size)))
        action = tool_action("edit")
        action[1:3] = start, end
        action[3 : 3 + len(entries)] = entries
        if len(entries) < REPLACEMENT:
            action[3 + len(entries)] = Tokens.END
        return action


class ReferencePolicy:
    """Submits the known solution: the upper bound of a benchmark, and a test of it.

    It is the bound of the benchmark and not of a budget, so it does not edit: it has the episode
    begin anew with the whole solution in place (`SoftwareEnv.reset`, option `files`), and submits
    that. Steps, test runs, `auto_submit` and `keep_edits` have no say in it. That an interface can
    make the edits is for `Interface.toward` to show.

    Alone among the policies it is given the environment, by `begin`, and so sees everything.
    """

    knows_solutions = True

    def __init__(self, spaces: Spaces) -> None:
        self._submit = _submit(spaces)
        self._env: SoftwareEnv | None = None

    def begin(self, env: gymnasium.Env[object, object]) -> None:
        """Plays in this environment from here on."""
        assert isinstance(env.unwrapped, SoftwareEnv), "_submit has looked"
        self._env = env.unwrapped

    def act(
        self,
        observation: Observation,
        *,
        state: PolicyState = None,
        deterministic: bool = False,
    ) -> tuple[Action, PolicyState]:
        """`submit`, once the solution is in place.

        Raises:
            ConfigError: nobody has called `begin`.
        """
        if self._env is None:
            raise ConfigError("the reference policy must be told where it plays: call begin(env)")
        task, files = self._env.task, self._env.state.files
        # What nobody may edit does not reach a grade.
        solution = {
            path: text for path, text in task.reference.items() if may_edit(task.editable, path)
        }
        if any(files.get(path) != text for path, text in solution.items()):
            self._env.reset(options={"task": task.id, "files": solution})
        return self._submit, None


class NoopPolicy:
    """Submits the task untouched: the lower bound, which must score 0."""

    def __init__(self, spaces: Spaces) -> None:
        self._submit = _submit(spaces)

    def act(
        self,
        observation: Observation,
        *,
        state: PolicyState = None,
        deterministic: bool = False,
    ) -> tuple[Action, PolicyState]:
        """`submit`."""
        return self._submit, None


def _submit(spaces: Spaces) -> Action:
    """The action that submits.

    Raises:
        ConfigError: the spaces are not those of an interface.
    """
    if not spaces.interface:
        raise ConfigError(f"this policy acts in a SoftwareEnv, not in {spaces.action_space}")
    return tool_action("submit") if spaces.interface == "edit" else SUBMIT


assert tool_number("edit") == 0, "policies and the network take tool 0 for edit"
