"""Scores of a policy's proposals, without an episode: what one look at the bug is worth.

`fixes`: held-out bugs whose repair is known; a proposal is right when the program after it is the
known one, to the letter. `proposals`: a benchmark's tasks; each proposal is one complete edit of
the original program, run on the visible tests. The first that passes them is submitted, and the
hidden tests decide.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from hrmgym.envs.bugs.real_edits import VERSION
from hrmgym.envs.failures import REPEATS, failures_block, modes_block
from hrmgym.envs.scoring import Estimate, estimate
from hrmgym.envs.task import Reason
from hrmgym.errors import ConfigError, SandboxError, SandboxUnavailableError, UnknownNameError
from hrmgym.experiments.schema import HELD_OUT, Experiment
from hrmgym.search.stages import Ran, TestRuns, Try, in_stages, limits_of
from hrmgym.search.steps import step_within

if TYPE_CHECKING:
    from hrmgym.envs.software import SoftwareEnv
    from hrmgym.policies.base import Proposer
    from hrmgym.trainers.fixes import Fix

#: Splits of the held-out fixes.
FIX_SPLITS = ("made", "real")
_MADE_SEED = 0  # the set is the same whatever the experiment's seed
_MOST_LINES = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemScore:
    """How one bug or task went."""

    task: str
    tags: tuple[str, ...]
    values: Mapping[str, float]
    """Score name -> value, 0 to 1."""
    detail: Mapping[str, int | None]
    """Numbers of the proposals that the values follow from; None: there was none. Of `proposals`,
    numbers of test runs, which are the same without `sandbox.stages`; with them, also `TestRuns`.
    """
    reason: str
    """How it ended: a `hrmgym.envs.task.Reason`; of a submission, else of the last test run."""
    failure: str = ""
    """Why there is no verdict: a `hrmgym.envs.task.FailureCode`; `values` are then the worst."""
    seconds: float = field(default=0.0, compare=False)

    @property
    def failures(self) -> tuple[str, ...]:
        """`failure`, if it is one."""
        return (self.failure,) if self.failure else ()

    @property
    def solved(self) -> int:
        """1 if any of the proposals did it."""
        return int(any(value > 0 for value in self.values.values()))


@dataclass(frozen=True, kw_only=True)
class ProposalReport:
    """Scores of proposals with everything that it takes to believe them."""

    mode: str
    benchmark: Mapping[str, Any]
    """Name, version, split, number of tasks."""
    experiment: Experiment
    policy: Mapping[str, Any]
    checkpoint: str | None
    budget: int
    """Proposals for each task at most; of `proposals`, also runs of the visible tests at most."""
    items: tuple[ItemScore, ...]
    modes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Task -> how its tests run, and why so; see `hrmgym.envs.sandboxes.verdicts.modes`."""

    @property
    def failures(self) -> int:
        """Number of tasks without a verdict."""
        return sum(bool(item.failure) for item in self.items)

    @property
    def complete(self) -> bool:
        """Whether every task was looked at."""
        return len(self.items) == int(self.benchmark["tasks"])

    def scores(self, items: Sequence[ItemScore]) -> dict[str, Estimate]:
        """Mean of every value over those items that have a verdict, with its interval."""
        config = self.experiment.score
        items = [item for item in items if not item.failure]
        names = items[0].values if items else ()
        return {
            name: estimate(
                [item.values[name] for item in items],
                binary=name != "mrr",
                method="bootstrap" if name == "mrr" else config.interval,
                confidence=config.confidence,
                seed=self.experiment.seed,
            )
            for name in names
        }

    def _bounds(self, value: float) -> dict[str, float]:
        """Every score, had each value of the tasks without a verdict been this."""
        names = self.items[0].values if self.items else ()
        return {
            name: math.fsum(value if item.failure else item.values[name] for item in self.items)
            / len(self.items)
            for name in names
        }

    def _test_runs(self) -> dict[str, Any]:
        """With stages, the sums of each task's `TestRuns`."""
        if self.mode != "proposals" or not self.experiment.sandbox.stages:
            return {}
        names = TestRuns().to_dict()
        return {
            "test_runs": {
                name: sum(item.detail.get(name) or 0 for item in self.items) for name in names
            }
        }

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data in a fixed order."""
        tags = sorted({tag for item in self.items for tag in item.tags})
        by_tag = {tag: [item for item in self.items if tag in item.tags] for tag in tags}
        return {
            "mode": self.mode,
            "benchmark": dict(self.benchmark),
            "complete": self.complete,
            "tasks_played": len(self.items),
            "seed": self.experiment.seed,
            "proposals_per_task": self.budget,
            "environment": self.experiment.env.model_dump(mode="json"),
            # Reports are published; a token is not.
            "sandbox": self.experiment.sandbox.model_dump(mode="json", exclude={"auth_token"}),
            "policy": dict(self.policy),
            "checkpoint_hash": self.checkpoint,
            "scores": {name: asdict(one) for name, one in self.scores(self.items).items()},
            "failures": failures_block(
                {item.task: [item.failure] for item in self.items if item.failure},
                self._bounds(0.0),
                self._bounds(1.0),
            ),
            "tests_apart": modes_block(self.modes),
            **self._test_runs(),
            "by_tag": {
                tag: {
                    "tasks": len(items),
                    **{name: asdict(one) for name, one in self.scores(items).items()},
                }
                for tag, items in by_tag.items()
            },
            "outcomes": [
                {
                    "task": item.task,
                    "tags": list(item.tags),
                    "reason": item.reason,
                    "failure": item.failure,
                    **dict(item.detail),
                }
                for item in self.items
            ],
        }

    def to_json(self) -> str:
        """The report as JSON text: the same bytes for the same outcomes."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def timing_json(self) -> str:
        """Wall-clock seconds of each task, as JSON text."""
        each = {item.task: round(item.seconds, 3) for item in self.items}
        return json.dumps({"seconds": each, "total": round(sum(each.values()), 3)}, indent=2) + "\n"


def held_out_fixes(experiment: Experiment) -> list[Fix]:
    """The bugs that a `fixes` experiment scores.

    Raises:
        UnknownNameError: the split is not one of `FIX_SPLITS`, or a named bug is not in it.
    """
    from hrmgym.envs.interfaces.edit import EditInterface
    from hrmgym.policies.config import HRMConfig
    from hrmgym.trainers.sources import held_out_programs, made_fixes, real_fixes

    split, wanted = experiment.benchmark.eval_split, experiment.benchmark.tasks
    if split not in FIX_SPLITS:
        raise UnknownNameError("split", split, FIX_SPLITS, f"benchmark {HELD_OUT!r}: ")
    interface = EditInterface(experiment.env.canvas)
    policy = experiment.policy
    # The same for every policy, whatever the spans that it can write.
    span = HRMConfig(kind="hrm").max_span if policy.kind != "hrm" else policy.max_span
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
) -> ItemScore:
    """Scores one bug; more proposals are asked for only while the fix is not among them."""
    from hrmgym.envs.interfaces.edit import EditInterface
    from hrmgym.trainers.fixes import Found, look, rates

    interface = env.interface
    assert isinstance(interface, EditInterface)
    started = time.perf_counter()
    if hasattr(policy, "seed"):  # what it draws depends on this bug alone
        policy.seed(seed)
    found = Found(None, None, 0)
    for k in sorted(ks):
        actions = [one.action for one in policy.propose(fix.sample.observation, k).actions]
        found = look(fix, actions, interface)
        if found.rank is not None:
            break
    return ItemScore(
        task=fix.name,
        tags=(fix.group, fix.sample.operator) if fix.sample.operator != fix.group else (fix.group,),
        values=rates([found], ks),
        detail={"rank": found.rank, "location": found.location},
        reason=(Reason.FAILED if found.rank is None else Reason.SOLVED).value,
        seconds=time.perf_counter() - started,
    )


def score_task(
    task: str,
    tags: tuple[str, ...],
    policy: Proposer,
    env: SoftwareEnv,
    ks: Sequence[int],
    seed: int,
    stop: Callable[[], bool] = lambda: False,
) -> ItemScore | None:
    """Scores one task: `solved@k` (the first to pass the visible tests) and `oracle@k` (any).

    k counts test runs, repeats of what timed out included.

    A task whose sandbox fails is tried again, and then has no verdict. None if `stop` came true
    before the end.

    Raises:
        ConfigError: as `tries` does.
    """
    started = time.perf_counter()
    for _ in range(1 + REPEATS):
        item = _score_task(task, tags, policy, env, ks, seed, stop)
        if item is None or not item.failure:
            break
        with suppress(SandboxError):  # the next try starts a new sandbox
            env.close()
    return None if item is None else replace(item, seconds=time.perf_counter() - started)


def _score_task(
    task: str,
    tags: tuple[str, ...],
    policy: Proposer,
    env: SoftwareEnv,
    ks: Sequence[int],
    seed: int,
    stop: Callable[[], bool],
) -> ItemScore | None:
    passes, solves = None, None
    submitted, reason, failure = False, Reason.FAILED.value, ""
    counts = TestRuns()
    try:
        for one in tries(policy, env, task, max(ks), seed):
            if stop():
                return None
            if passes is None and one.number >= counts.proposals:  # as the last one's verdict is
                reason = one.result["reason"]
            counts.add(one)
            if not passed(one.result):
                continue
            info = one.result
            if passes is None:
                passes, submitted, reason = one.run, bool(info["is_success"]), info["reason"]
            if info["is_success"]:
                solves = one.run
                break  # every value is settled
        if passes is None and counts.timed_out:
            reason = Reason.TIMEOUT.value
    except SandboxUnavailableError:
        raise
    except SandboxError as error:
        reason, failure = Reason.INFRASTRUCTURE.value, error.code
        passes, solves, submitted = None, None, False
    staged = env.sandbox_config.stages
    return ItemScore(
        task=task,
        tags=tags,
        values={f"solved@{k}": float(submitted and (passes or 0) <= k) for k in ks}
        | {f"oracle@{k}": float(solves is not None and solves <= k) for k in ks},
        detail={"first_passing": passes, "first_solving": solves}
        | (counts.to_dict() if staged else {}),
        reason=reason,
        failure=failure,
    )


def passed(info: Mapping[str, Any]) -> bool:
    """Whether a try was an edit after which all visible tests passed, so that it was graded."""
    return bool(info["tool"] == "edit" and info["graded"])


def tries(
    policy: Proposer, env: SoftwareEnv, task: str, k: int, seed: int
) -> Iterator[Try[dict[str, Any]]]:
    """Tries the k best edits of a task's program, each on the original, best first.

    With `sandbox.stages` those that are cut off are repeated after the others: see `in_stages`.

    Args:
        policy: Makes the proposals.
        env: Where they are tried.
        task: The task's id.
        k: Most proposals, and most runs of the visible tests, repeats included.
        seed: Of the environment, and of a policy that draws.

    Yields:
        Each try, with the info of its step and `graded`: whether the episode ended with a grade;
        the environment is as the step left it.

    Raises:
        ConfigError: the environment does not run the tests by itself, or does not submit.
        SandboxError: the sandbox failed, so a try has no verdict.
    """
    if not (env.auto_test and env.auto_submit):
        raise ConfigError("score.mode: proposals needs env.auto_test and env.auto_submit: true")
    observation, info = env.reset(seed=seed, options={"task": task})
    _check(info)
    if hasattr(policy, "seed"):
        policy.seed(seed)
    limits = limits_of(env.sandbox_config.stages, env.state.task.limits.cpu_s)
    proposals = _proposals(policy, env, observation, k)
    yield from in_stages(proposals, partial(_run, env), limits, k)


def _run(env: SoftwareEnv, proposal: tuple[Any, Any], cpu_s: float) -> Ran[dict[str, Any]]:
    """Takes one step from a snapshot; its visible tests have `cpu_s`, a grade all its time."""
    snapshot, action = proposal
    env.restore(snapshot)
    ran = step_within(env, action, cpu_s)
    _, _, terminated, _, info = ran.result
    _check(info)
    return Ran(info | {"graded": terminated}, ran.cpu_s, ran.cut)


def _check(info: Mapping[str, Any]) -> None:
    if info["failure"]:
        raise SandboxError(f"task {info['task']!r} has no verdict", info["failure"])


def _proposals(policy: Proposer, env: SoftwareEnv, observation: Any, k: int) -> list[Any]:
    """The k best proposals over all windows of the file, each with the state that it is for."""
    from hrmgym.envs.interfaces.edit import BUDGET, tool_action

    found: list[tuple[float, Any, Any]] = []
    windows = int(observation["budget"][BUDGET.index("other_windows")]) + 1
    for window in range(windows):
        snapshot = env.save()
        for one in policy.propose(observation, k).actions:
            found.append((one.log_prob, snapshot, one.action))
        if window + 1 < windows:
            observation, _, terminated, truncated, _ = env.step(tool_action("next_window"))
            if terminated or truncated:
                break
    found.sort(key=lambda one: -one[0])  # stable: equal scores stay in the policy's order
    return [(snapshot, action) for _, snapshot, action in found[:k]]
