"""Where training episodes start: near the solution first, further away as success grows.

A start of depth j is the known solution with j bugs made in it, so j edits from done. Each task has
a depth of its own, its frontier, which follows the success there (Florensa et al. 2017, arXiv
1707.05300; Salimans and Chen 2018, arXiv 1812.03381). Past the deepest made start, episodes begin
where the task does, and tasks are drawn by p (1 - p), p the share of them solved.
"""

from __future__ import annotations

import json
import os
from collections import deque
from pathlib import Path
from typing import Any, Literal, NamedTuple, SupportsFloat

import gymnasium
import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from hrmgym.envs.bugs.making import Bug, Mix, make_bug
from hrmgym.envs.bugs.operators import WEIGHTS
from hrmgym.envs.editable import may_edit
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import Task
from hrmgym.errors import CheckpointError, ConfigError, DataError, did_you_mean
from hrmgym.jsonfile import check_keys, read_object, shown

#: Depth of the deepest made start.
MAX_DEPTH = 5
#: Episodes from the frontier that decide whether it moves.
WINDOW = 32
_RISE, _FALL = 0.8, 0.2
#: Shares of the episodes that start at the frontier, and at a shallower depth; the rest are full.
_FRONTIER, _SHALLOWER = 0.7, 0.2
#: Bugs drawn for one start, until one has the depth and is seen by a visible test.
_ATTEMPTS = 5
#: A task solved always or never is still drawn at times.
_LEAST_PRIORITY = 0.02
#: Must differ from the run's seed.
_SEED = 5_000_011


class Start(NamedTuple):
    """Where an episode starts."""

    task: str
    depth: int
    """Edits from the solution; 0: where the task itself starts."""


class Curriculum:
    """Chooses starts, and learns from how the episodes end.

    Args:
        mode: `reverse`, or `uniform`: every depth alike, its control.
        seed: Draws everything.
    """

    def __init__(self, mode: Literal["reverse", "uniform"], seed: int) -> None:
        self.mode = mode
        self.rng = np.random.default_rng(seed + _SEED)
        self.frontier: dict[str, int] = {}
        """Task -> depth that it is trained at; `MAX_DEPTH + 1`: full starts."""
        self._at_frontier: dict[str, deque[bool]] = {}
        self._full: dict[str, deque[bool]] = {}

    def add(self, task: str, made_starts: bool) -> None:
        """Makes a task known; `made_starts`: whether bugs can be made in its solution."""
        if task not in self.frontier:
            self.frontier[task] = 1 if made_starts else MAX_DEPTH + 1
        self._at_frontier.setdefault(task, deque(maxlen=WINDOW))
        self._full.setdefault(task, deque(maxlen=WINDOW))

    def draw(self) -> Start:
        """The next episode's start."""
        tasks = sorted(self.frontier)
        task = tasks[int(self.rng.integers(len(tasks)))]
        depth = self.frontier[task]
        if self.mode == "uniform":
            return Start(task, int(self.rng.integers(MAX_DEPTH + 1)))
        if depth > MAX_DEPTH:
            done = [one for one in tasks if self.frontier[one] > MAX_DEPTH]
            weights = np.array([self._priority(one) for one in done])
            return Start(done[int(self.rng.choice(len(done), p=weights / weights.sum()))], 0)
        kind = self.rng.random()
        if kind < _FRONTIER or (kind < _FRONTIER + _SHALLOWER and depth == 1):
            return Start(task, depth)
        if kind < _FRONTIER + _SHALLOWER:
            return Start(task, int(self.rng.integers(1, depth)))
        return Start(task, 0)

    def _priority(self, task: str) -> float:
        seen = self._full[task]
        p = (sum(seen) + 1) / (len(seen) + 2)  # a task that was never tried counts as half solved
        return max(_LEAST_PRIORITY, p * (1 - p))

    def report(self, start: Start, solved: bool) -> None:
        """Says how the episode from a start ended."""
        task, depth = start
        if depth == 0:
            self._full[task].append(solved)
        if self.mode == "uniform" or depth != self.frontier[task]:
            return
        window = self._at_frontier[task]
        window.append(solved)
        rate = sum(window) / WINDOW
        if len(window) == WINDOW and (rate > _RISE or (rate < _FALL and depth > 1)):
            self.frontier[task] += 1 if rate > _RISE else -1
            window.clear()

    def metrics(self) -> dict[str, float]:
        """Mean depth, share of tasks past the deepest made start, success from full starts."""
        depths = list(self.frontier.values())
        ends = [solved for window in self._full.values() for solved in window]
        found = {
            "depth": float(np.mean(depths)),
            "forward": float(np.mean([depth > MAX_DEPTH for depth in depths])),
        }
        return found | ({"full_success": float(np.mean(ends))} if ends else {})

    def save(self, path: Path) -> None:
        """Writes what `load` takes up."""
        scratch = path.with_suffix(".partial")
        state = {
            "frontier": self.frontier,
            "at_frontier": {task: list(seen) for task, seen in self._at_frontier.items()},
            "full": {task: list(seen) for task, seen in self._full.items()},
        }
        scratch.write_text(json.dumps(state), encoding="utf-8")
        scratch.replace(path)

    def load(self, path: Path) -> None:
        """Takes up a saved state, if there is one; every task has been made known before.

        Raises:
            CheckpointError: it is broken, or knows a task that is not played here.
        """
        if not os.path.lexists(path):
            return
        state = read_object(path, CheckpointError)
        names = ("frontier", "at_frontier", "full")
        wrong = check_keys(state, dict.fromkeys(names, dict), path)
        for name, task in ((n, t) for n in names for t in state[n]) if not wrong else ():
            if task not in self.frontier:
                near = did_you_mean(task, self.frontier)
                wrong = f"{path}: {name}: unknown task {shown(task)}{near}"
        for task, depth in state["frontier"].items() if not wrong else ():
            if type(depth) is not int or not 1 <= depth <= MAX_DEPTH + 1:
                legal = f"should be a whole number from 1 to {MAX_DEPTH + 1}, not {shown(depth)}"
                wrong = f"{path}: frontier.{task}: {legal}"
        for name in ("at_frontier", "full") if not wrong else ():
            for task, seen in state[name].items():
                if not isinstance(seen, list) or not all(type(one) is bool for one in seen):
                    wrong = f"{path}: {name}.{task}: should be a list of true and false"
        if wrong:
            raise CheckpointError(wrong)
        self.frontier.update(state["frontier"])
        for kept, name in ((self._at_frontier, "at_frontier"), (self._full, "full")):
            kept.update({task: deque(seen, maxlen=WINDOW) for task, seen in state[name].items()})


def with_curriculum(
    env: gymnasium.Env[Any, Any], curriculum: Curriculum
) -> gymnasium.Env[Any, Any]:
    """The environment with its episodes started by a curriculum, which others may share.

    Raises:
        ConfigError: it is no SoftwareEnv that runs the tests by itself.
    """
    base = env.unwrapped
    if not isinstance(base, SoftwareEnv) or not base.auto_test:
        raise ConfigError("trainer.curriculum needs an environment with auto_test")
    return CurriculumStarts(env, base, curriculum)


class CurriculumStarts(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Starts episodes where a curriculum says, and tells it how they end."""

    def __init__(
        self, env: gymnasium.Env[Any, Any], base: SoftwareEnv, curriculum: Curriculum
    ) -> None:
        super().__init__(env)
        self._base, self._curriculum = base, curriculum
        self._tasks = {task.id: task for task in base.tasks}
        for task in self._tasks.values():
            curriculum.add(task.id, _solution(task) is not None)
        self._start: Start | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """As the environment's own; with `options` the curriculum has no say."""
        self._start = None
        if options:
            return self.env.reset(seed=seed, options=options)
        start = self._curriculum.draw()
        for _ in range(_ATTEMPTS if start.depth else 0):
            files = self._made(start)
            if files is None:
                continue
            found = self.env.reset(seed=seed, options={"task": start.task, "files": files})
            outcome = self._base.state.outcome
            if outcome is None:  # the sandbox failed; the next step says so
                return found
            if not outcome.resolved:
                self._start = start
                return found
        self._start = Start(start.task, 0)
        return self.env.reset(seed=seed, options={"task": start.task})

    def _made(self, start: Start) -> dict[str, str] | None:
        """The solution with as many bugs as the start is deep; None: no such bug was found."""
        solution = _solution(self._tasks[start.task])
        if solution is None:
            return None
        path, code = solution
        bug = made_bug(code, start.depth, self._curriculum.rng)
        return None if bug is None else {path: bug.code}

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """As the environment's own."""
        found = self.env.step(action)
        if (found[2] or found[3]) and self._start is not None:
            if not found[4]["failure"]:
                self._curriculum.report(self._start, bool(found[4]["is_success"]))
            self._start = None
        return found


def made_bug(code: str, depth: int, rng: np.random.Generator) -> Bug | None:
    """A bug in `code` that exactly `depth` edits take out; None: none was found, or not Python."""
    counts = tuple(float(number == depth) for number in range(1, depth + 1))
    try:
        bug = make_bug(code, rng, Mix(WEIGHTS, counts))
    except DataError:
        return None
    return bug if bug is not None and len(bug.repairs) == depth else None


def _solution(task: Task) -> tuple[str, str] | None:
    """Path and text of a known solution of one editable Python file."""
    if task.language != "python" or len(task.reference) != 1:
        return None
    ((path, code),) = task.reference.items()
    return (path, code) if may_edit(task.editable, path) else None


class CurriculumTags(BaseCallback):
    """Logs the `curriculum/` tags."""

    def __init__(self, curriculum: Curriculum) -> None:
        super().__init__()
        self._curriculum = curriculum

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        for name, value in self._curriculum.metrics().items():
            self.logger.record(f"curriculum/{name}", value)
