"""Samples with what failing tests really say, made in programs that nobody wrote tests for.

A benchmark's training split has few programs, which are soon known by heart; here every sample is
a bug just made in one of many functions, and run on the tests that were found for it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from hrmgym.envs.bugs.making import Bug, Mix, make_bug
from hrmgym.envs.edits.edit import Edit
from hrmgym.envs.interfaces.edit import BUDGET, EditInterface
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.state import Cursor, State
from hrmgym.envs.task import Limits, Outcome, PublicTask, Workspace
from hrmgym.errors import ConfigError
from hrmgym.trainers.data.bug_stream import Sample, first_paragraph, target_sample
from hrmgym.trainers.data.dressing import Surroundings, dress
from hrmgym.trainers.data.found_tests import CheckedFunction

_SEED = 6_000_011
_ATTEMPTS = 50
_PROMPT_SHARE = 0.6
_FAILURE_SHARE = 0.85
_RAISED_SHARE = 0.4
"""Of the bugs that a test meets as an exception, this share is kept: it tells where they are."""
_PLACES = (0.5, 0.3, 0.2)
"""Chance of one place to repair, of two, of three; with more, no result can be read any more."""
_LIMITS = Limits(cpu_s=0.1, wall_s=2.0, memory_mb=256)


class TestedStream:
    """Bugs that a test of their program sees, with its message.

    Args:
        programs: Functions with tests.
        interface: Lays out the canvases.
        seed: With the index, all that a sample depends on.
        max_span: Most tokens that an action may replace.
        weights: How often each operator makes a bug.
        dressed: Share of the programs that are shown in a file with more in it.

    Raises:
        ConfigError: there are no programs.
    """

    __test__ = False  # not a pytest class

    def __init__(
        self,
        programs: Sequence[CheckedFunction],
        interface: EditInterface,
        *,
        seed: int,
        max_span: int,
        weights: Mapping[str, float],
        dressed: float = 0.0,
    ) -> None:
        if not programs:
            raise ConfigError("tested_share: no function has tests; use a larger max_lines")
        self._programs, self._interface, self._seed = programs, interface, seed
        self._max_span, self._dressed = max_span, dressed
        self._recipe = Mix(weights, _PLACES)
        self._alone = [one.code for one in programs if not one.imports]
        self._sandbox: tuple[int, Sandbox] | None = None

    def sample(self, index: int) -> Sample:
        """Sample number `index`."""
        rng = np.random.default_rng((self._seed + _SEED, index))
        for _ in range(_ATTEMPTS):
            program = self._programs[int(rng.integers(len(self._programs)))]
            bug = make_bug(program.code, rng, self._recipe)
            made = None if bug is None else self._shown(program, bug, rng)
            if made is not None:
                return made
        raise ConfigError(
            f"{_ATTEMPTS} programs in a row have no bug that their tests see and the canvas shows"
        )

    def _shown(self, program: CheckedFunction, bug: Bug, rng: np.random.Generator) -> Sample | None:
        above = len(program.imports)
        moved = tuple(Edit(one.start + above, one.end + above, one.text) for one in bug.repairs)
        bug = Bug(program.imports + bug.code, moved, bug.operators)
        if rng.random() < self._dressed:
            drawn = rng.integers(len(self._alone), size=2) if self._alone else ()
            others = [self._alone[int(at)] for at in drawn]
            bug = dress(bug, Surroundings(program.docstring, *others), rng)
        outcome = self._run(bug.code, program)
        if outcome.resolved or outcome.trouble:
            return None
        if " raised " in outcome.message and rng.random() > _RAISED_SHARE:
            return None
        if rng.random() > _FAILURE_SHARE:
            outcome = replace(outcome, message="", path="", line=0)
        prompt = first_paragraph(program.docstring) if rng.random() < _PROMPT_SHARE else ""
        path = program.tests.path
        task = PublicTask(
            id=program.name,
            benchmark="self-made",
            language="python",
            split="train",
            prompt=prompt,
            workspace=Workspace(files={path: bug.code}),
            editable=(path,),
            visible_tests=program.tests,
        )
        state = State(task=task, files=task.workspace.start, cursor=Cursor(path), outcome=outcome)
        sample = target_sample(
            self._interface.start(state), bug, self._interface, self._max_span, rng
        )
        if sample is not None:
            steps = int(rng.integers(1, 17))
            budget = sample.observation["budget"]
            for name in ("steps_left", "test_runs_left"):
                budget[BUDGET.index(name)] = steps
        return sample

    def _run(self, code: str, program: CheckedFunction) -> Outcome:
        if self._sandbox is None or self._sandbox[0] != os.getpid():
            self._sandbox = (os.getpid(), Sandbox())
        return self._sandbox[1].run_tests({program.tests.path: code}, program.tests, _LIMITS)
