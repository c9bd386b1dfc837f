"""Ready-made samples of a benchmark's training split, with what its visible tests really say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hrmgym.envs.bugs.making import Bug
from hrmgym.envs.bugs.operators import Mutation, mutations
from hrmgym.envs.edits.edit import apply, inverse
from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.state import Cursor, State
from hrmgym.envs.task import Task
from hrmgym.envs.workspace import Files
from hrmgym.trainers.data.bug_stream import Sample
from hrmgym.trainers.data.dressing import Surroundings, dress

#: An endless loop among the made bugs costs this much, not the task's whole limit.
_LOOP_CPU_S = 0.1
_PROMPT_SHARE = 0.5
_FAILURE_SHARE = 0.7


def benchmark_examples(
    env: SoftwareEnv,
    tasks: Sequence[Task],
    *,
    seed: int,
    max_span: int,
    per_program: int = 80,
    dressed: float = 0.0,
) -> list[Sample]:
    """Samples of a benchmark's training tasks, with what their visible tests really said.

    Every task gives one, its first step towards the known solution; every solution gives up to
    `per_program` more, with a bug just made in it that a visible test sees.

    Args:
        env: Of the benchmark, with the `edit` interface; its sandbox runs the tests.
        tasks: Tasks to learn from; never those that scores are made on.
        seed: Draws the bugs.
        max_span: Most tokens that an action may replace.
        per_program: Most bugs made in one solution.
        dressed: Share of these that are shown in a file with more in it, the prompt for docstring.
    """
    rng = np.random.default_rng(seed)
    samples: list[Sample] = []
    solutions: dict[str, Task] = {}
    for task in tasks:
        state = _begun(env, task, task.workspace.start)
        action = env.interface.toward(state, task.reference)
        if action[0] == 0:
            operator = task.tags[0] if task.tags else ""
            samples.append(Sample(env.interface.observe(state), action, operator))
        if task.language == "python" and len(task.reference) == 1:
            solutions.setdefault(next(iter(task.reference.values())), task)
    for code, task in solutions.items():
        found = mutations(code)
        chosen = rng.permutation(len(found))[:per_program]
        samples += filter(
            None, (_made(env, task, code, found[index], rng, dressed) for index in chosen)
        )
    return [one for one in samples if one.action[2] - one.action[1] <= max_span]


def _made(
    env: SoftwareEnv,
    task: Task,
    code: str,
    mutation: Mutation,
    rng: np.random.Generator,
    dressed: float = 0.0,
) -> Sample | None:
    """The known solution with one bug; None where no visible test sees it."""
    (path,) = task.reference
    bug = Bug(apply(code, mutation.edit), (inverse(code, mutation.edit),), (mutation.operator,))
    if rng.random() < dressed:
        bug = dress(bug, Surroundings(task.prompt), rng)
    (repair,) = bug.repairs
    state = _begun(env, task, task.workspace.start.with_text(path, bug.code))
    outcome = state.outcome
    assert outcome is not None, "_begun has run the tests"
    if outcome.resolved:
        return None
    # Few programs, many bugs: without prompt or failure at times, neither is learned by heart.
    if rng.random() > _PROMPT_SHARE:
        state = replace(state, task=replace(task.public, prompt=""))
    if rng.random() > _FAILURE_SHARE:
        state = replace(state, outcome=replace(outcome, message=""))
    interface = env.interface
    assert isinstance(interface, EditInterface)
    action = interface.encode_edit(state, repair.start, repair.end, repair.text)
    if action is None:
        return None
    observation = interface.observe(state)
    observation["budget"][:2] = int(rng.integers(1, 17))
    return Sample(observation, action, mutation.operator)


def _begun(env: SoftwareEnv, task: Task, files: Files) -> State:
    """The state that an episode of the task would begin in if it began with these files."""
    limits = replace(task.limits, cpu_s=min(task.limits.cpu_s, _LOOP_CPU_S))
    outcome = env.sandbox.run_tests(files, task.visible_tests, limits)
    state = State(
        task=task.public,
        files=files,
        cursor=Cursor(next(iter(task.reference))),
        outcome=outcome,
        max_steps=env.max_steps,
        max_test_runs=env.max_test_runs,
    )
    return env.interface.start(state)
