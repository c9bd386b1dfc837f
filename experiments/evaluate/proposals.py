"""Scores of a policy's proposals, without an episode: what one look at the bug is worth.

`edits`: held-out bugs whose repair is known; a proposal is right when the program after it is the
known one, to the letter. `proposals`: a benchmark's tasks; each proposal is one complete edit of
the original program, run on the visible tests. The first that passes them is submitted, and the
hidden tests decide.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hrmgym.envs.failures import REPEATS
from hrmgym.envs.outcome_file import OutcomeFile
from hrmgym.envs.task import Outcome, Reason
from hrmgym.envs.transitions import reason
from hrmgym.errors import SandboxError, SandboxUnavailableError, UnknownNameError
from hrmgym.experiments.evaluate.correct import UNASKED, UNSOLVED, judge_state
from hrmgym.experiments.evaluate.records import Attempt, TaskRecord
from hrmgym.experiments.schema import HELD_OUT, Experiment
from hrmgym.search.stages import TestRuns
from hrmgym.search.steps import passed
from hrmgym.search.tries import AnyProposer, looked_up, tries, tries_legal_edits
from hrmgym.trainers.data.real_edits import VERSION

if TYPE_CHECKING:
    from hrmgym.envs.software import SoftwareEnv
    from hrmgym.envs.state import State
    from hrmgym.policies.base import Action, Proposer
    from hrmgym.trainers.fixes import Fix

#: Splits of the held-out fixes.
FIX_SPLITS = ("made", "real")
_MADE_SEED = 0  # the set is the same whatever the experiment's seed
_MOST_LINES = 30


def held_out_fixes(experiment: Experiment) -> list[Fix]:
    """The bugs that an `edits` experiment scores.

    Raises:
        UnknownNameError: the split is not one of `FIX_SPLITS`, or a named bug is not in it.
    """
    from hrmgym.envs.interfaces.edit import EditInterface
    from hrmgym.policies.config import HRMPolicyConfig
    from hrmgym.trainers.sources import held_out_programs, made_fixes, real_fixes

    split, wanted = experiment.benchmark.eval_split, experiment.benchmark.tasks
    if split not in FIX_SPLITS:
        raise UnknownNameError("split", split, FIX_SPLITS, f"benchmark {HELD_OUT!r}: ")
    interface = EditInterface(experiment.env.canvas)
    policy = experiment.policy
    # The same for every policy, whatever the spans that it can write.
    span = HRMPolicyConfig(kind="hrm").max_span if policy.kind != "hrm" else policy.max_span
    if split == "real":
        fixes = real_fixes("valid", interface, max_span=span)
    else:
        programs = held_out_programs(_MOST_LINES)
        most = experiment.score.made
        fixes = made_fixes(programs, interface, seed=_MADE_SEED, max_span=span, most=most)
    if wanted is None:
        return fixes
    named = {fix.name: fix for fix in fixes}
    for name in wanted:
        if name not in named:
            raise UnknownNameError("task", name, named, f"benchmark {HELD_OUT!r}: ")
    return [named[name] for name in wanted]


def fix_benchmark(experiment: Experiment, fixes: Sequence[Fix]) -> dict[str, Any]:
    """How a report names the held-out bugs."""
    split = experiment.benchmark.eval_split
    return {"name": HELD_OUT, "version": str(VERSION), "split": split, "tasks": len(fixes)}


def score_fix(
    fix: Fix, policy: Proposer, env: SoftwareEnv, ks: Sequence[int], seed: int
) -> TaskRecord:
    """Scores one bug; more proposals are asked for only while the fix is not among them."""
    from hrmgym.envs.interfaces.edit import EditInterface
    from hrmgym.trainers.fixes import look

    interface = env.interface
    assert isinstance(interface, EditInterface)
    started = time.perf_counter()
    if hasattr(policy, "seed"):  # what it draws depends on this bug alone
        policy.seed(seed)

    def ask(_: Sequence[int], k: int) -> list[list[Action]]:
        return [[one.action for one in policy.propose(fix.sample.observation, k).actions]]

    (found,) = looked_up(1, ks, ask, lambda _, actions: look(fix, actions, interface))
    solved = found.rank is not None
    return TaskRecord(
        task=fix.name,
        tags=(fix.group, fix.sample.operator) if fix.sample.operator != fix.group else (fix.group,),
        attempts=(
            Attempt(
                solved=solved,
                plausible=solved,
                test_runs=found.proposals if found.rank is None else found.rank,
                solved_after=found.rank,
                reason=(Reason.SOLVED if solved else Reason.FAILED).value,
                numbers={"location": found.location},
            ),
        ),
        seconds=time.perf_counter() - started,
    )


def score_task(
    task: str,
    tags: tuple[str, ...],
    policy: AnyProposer,
    env: SoftwareEnv,
    ks: Sequence[int],
    seeds: Sequence[int],
    stop: Callable[[], bool] = lambda: False,
    *,
    correct: bool = False,
    outcomes: OutcomeFile | None = None,
) -> TaskRecord | None:
    """Scores one task: `solved@k` (the first to pass the visible tests) and `oracle@k` (any).

    k counts test runs, repeats of what timed out included.

    It is tried once with each seed. Where the sandbox fails it is tried again, and then has no
    verdict. None if `stop` came true before the end. With `correct`, what is solved is also judged
    on inputs that stand in no test. What `outcomes` has of legal edits is not run.

    Raises:
        ConfigError: as `tries` does.
    """
    started = time.perf_counter()
    attempts: list[Attempt] = []
    for seed in seeds:
        for _ in range(1 + REPEATS):
            one = _attempt(task, policy, env, max(ks), seed, stop, correct, outcomes)
            if one is None:
                return None
            if not one.failure:
                break
            with suppress(SandboxError):  # the next try starts a new sandbox
                env.close()
        assert one is not None
        attempts.append(one)
    seconds = time.perf_counter() - started
    return TaskRecord(task=task, tags=tags, attempts=tuple(attempts), seconds=seconds)


def _attempt(
    task: str,
    policy: AnyProposer,
    env: SoftwareEnv,
    most: int,
    seed: int,
    stop: Callable[[], bool],
    correct: bool,
    outcomes: OutcomeFile | None,
) -> Attempt | None:
    passes, solves = None, None
    submitted, ended, failure = False, Reason.FAILED.value, ""
    counts, judged = TestRuns(), UNSOLVED if correct else UNASKED
    try:
        for one in tries(policy, env, task, most, seed, outcomes):
            if stop():
                return None
            if passes is None and one.number >= counts.proposals:  # as the last one's verdict is
                ended = reason(one.result) or Reason.FAILED.value  # a screen has none
            counts.add(one)
            if not passed(one.result):
                continue
            grade = _graded(env, one.result, outcomes)
            if passes is None:
                passes, submitted, ended = one.run, grade.resolved, grade.reason.value
                if correct and submitted:
                    judged = judge_state(env, one.result)
            if grade.resolved:
                solves = one.run
                break  # every value is settled
        if passes is None and counts.timed_out:
            ended = Reason.TIMEOUT.value
    except SandboxUnavailableError:
        raise
    except SandboxError as error:
        ended, failure = Reason.INFRASTRUCTURE.value, error.code
        passes, solves, submitted, judged = None, None, False, UNASKED
    staged = {name: number for name, number in counts.to_dict().items() if name != "test_runs"}
    return Attempt(
        solved=submitted,
        plausible=passes is not None,
        test_runs=counts.runs,
        solved_after=passes if submitted else None,
        reason=ended,
        failure=failure,
        correct=judged.equal,
        numbers={
            **judged.numbers(),
            "first_passing": passes,
            "first_solving": solves,
            **(staged if env.sandbox_config.stages or tries_legal_edits(policy) else {}),
        },
    )


def _graded(env: SoftwareEnv, state: State, outcomes: OutcomeFile | None) -> Outcome:
    """The grade of a state; it is kept with the outcomes, where there is a file of them."""
    if outcomes is None:
        return env.grade(state)
    known, own_s = outcomes.of(env), env.task.limits.cpu_s
    found = known.recall("grade", state.files, own_s, Outcome)
    if found is None:
        found = env.grade(state)
        known.keep("grade", state.files, own_s, found)
    return found
