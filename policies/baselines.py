"""Policies without weights: random, reference (replays the known solution), noop (gives up)."""

from __future__ import annotations

import gymnasium
import numpy as np
import numpy.typing as npt

from hrmgym.envs.editable import may_edit
from hrmgym.envs.interfaces import EditInterface, canvas
from hrmgym.envs.interfaces.base import TOOLS
from hrmgym.envs.interfaces.edit import REPLACEMENT, legal_tools, tool_action, tool_number
from hrmgym.envs.interfaces.shell import SUBMIT
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.tokens import Tokens, load_tokens
from hrmgym.errors import ConfigError
from hrmgym.policies.base import Action, Observation, PolicyState, Proposal, Proposals


def software_env(env: gymnasium.Env[object, object]) -> SoftwareEnv:
    """The SoftwareEnv below an environment's wrappers.

    Raises:
        ConfigError: there is none.
    """
    if not isinstance(env.unwrapped, SoftwareEnv):
        raise ConfigError(f"this policy acts in a SoftwareEnv, not in {env.unwrapped}")
    return env.unwrapped


class RandomPolicy:
    """Draws a legal tool, then for `edit` a legal span and a short replacement, all uniformly.

    Half of the replacement entries are lexemes copied from the canvas.
    """

    def __init__(self, env: gymnasium.Env[object, object], seed: int = 0) -> None:
        interface = software_env(env).interface
        if not isinstance(interface, EditInterface):
            raise ConfigError("the random policy acts through the edit interface only")
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
    """

    def __init__(self, env: gymnasium.Env[object, object]) -> None:
        self._env = software_env(env)

    def begin(self, env: gymnasium.Env[object, object]) -> None:
        """Plays in another environment from here on."""
        self._env = software_env(env)

    def act(
        self,
        observation: Observation,
        *,
        state: PolicyState = None,
        deterministic: bool = False,
    ) -> tuple[Action, PolicyState]:
        """`submit`, once the solution is in place."""
        now = self._env.state
        task = now.task
        # What nobody may edit does not reach a grade.
        solution = {
            path: text for path, text in task.reference.items() if may_edit(task.editable, path)
        }
        if any(now.files.get(path) != text for path, text in solution.items()):
            self._env.reset(options={"task": task.id, "files": solution})
        return _submit(self._env), None


class NoopPolicy:
    """Submits the task untouched: the lower bound, which must score 0."""

    def __init__(self, env: gymnasium.Env[object, object]) -> None:
        self._submit = _submit(software_env(env))

    def act(
        self,
        observation: Observation,
        *,
        state: PolicyState = None,
        deterministic: bool = False,
    ) -> tuple[Action, PolicyState]:
        """`submit`."""
        return self._submit, None


def _submit(env: SoftwareEnv) -> Action:
    """The action that submits."""
    return tool_action("submit") if isinstance(env.interface, EditInterface) else SUBMIT


assert tool_number("edit") == 0, "policies and the network take tool 0 for edit"
