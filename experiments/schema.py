"""What an experiment file may say: one frozen model per block, one attribute docstring per key.

A block with several kinds (`policy`, `sandbox`) is a union told apart by its tag: adding a kind is
adding a model to the union.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hrmgym.config import Block, Count, PathWord, Word
from hrmgym.envs.config import EnvConfig
from hrmgym.envs.sandboxes.config import LocalSandboxConfig, SandboxConfig
from hrmgym.policies.config import PolicyConfig
from hrmgym.trainers.config import TrainerConfig

#: What `score.mode: edits` scores on, in place of a benchmark: it has no tests to run.
HELD_OUT = "heldout-edits"

#: Blocks that may be written as one word, and the key that the word stands for: `policy: noop` is
#: `policy: {kind: noop}`. A layer that names another word replaces the block below it.
TAGS = {"benchmark": "name", "sandbox": "type", "policy": "kind", "trainer": "kind"}
_LEGAL_EDITS = ("ranked", "search")  # policies


class BenchmarkConfig(Block):
    """Which tasks."""

    name: Word
    """A name of the catalogue (`hrmgym tasks` lists them), or `module:Class`."""
    path: PathWord | None = None
    """Data file or folder, for benchmarks that take one."""
    train_split: Word = "train"
    """Split that the trainer draws tasks from."""
    valid_split: Word = "valid"
    """Split that the trainer's own evaluations draw tasks from; it is never scored."""
    eval_split: Word = "test"
    """Split that is scored."""
    tasks: Annotated[tuple[Word, ...], Field(strict=False, min_length=1)] | None = None
    """Ids of the tasks to score; null scores the whole split."""


class ScoreConfig(Block):
    """How a policy is scored."""

    mode: Literal["episodes", "proposals", "edits"] = "episodes"
    """`episodes` plays tasks. `proposals` runs the visible tests on each of the policy's best edits
    of the original program, submits the first that passes, and lets the hidden tests decide.
    `edits` asks at which proposal the policy makes the known repair of held-out bugs (benchmark
    `heldout-edits`, splits `made` and `real`)."""
    made: Count = 500
    """Bugs in the split `made` of `heldout-edits`."""
    episodes: Count = 1
    """Episodes of each task."""
    k: Annotated[tuple[Count, ...], Field(strict=False, min_length=1)] = (1,)
    """The k of each pass@k to report; none may be more than `episodes`. In the other modes,
    numbers of proposals; of `proposals`, each is one test run, and so is each repeat of one that
    timed out under `sandbox.stages`."""
    seeds: Count = 1
    """In the mode `proposals`: how often each task is tried, each time with another seed of what
    the policy draws (`random`, and `ranked` among edits that it finds equally probable)."""
    deterministic: bool = True
    """Take the most probable action instead of drawing one."""
    correct: bool = False
    """Also call what is solved with inputs that stand in no test, and compare with the reference:
    reports then say how much is correct, beside solved, and how much could not be judged."""
    outcomes: PathWord | None = None
    """SQLite file in which scores with `policy: ranked` share what edits came to, made where there
    is none: an edit that another score has run is not run again, and counts as if it had been.
    Results are the same; seconds then mean nothing."""
    workers: Count = 1
    """Processes that work on tasks; the report does not depend on it."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Level of the intervals."""
    interval: Literal["auto", "wilson", "bootstrap"] = "auto"
    """Kind of the intervals: Wilson's score interval needs one episode for each task, the
    bootstrap resamples tasks; `auto` is Wilson's where it applies."""
    before: bool = False
    """Also score the policy as it was before training."""

    @model_validator(mode="after")
    def _consistent(self) -> ScoreConfig:
        if self.mode != "episodes" and (self.episodes > 1 or self.before):
            raise ValueError(f"mode: {self.mode} takes no episodes or before")
        if self.mode != "proposals" and self.seeds > 1:
            raise ValueError(f"seeds: goes with mode: proposals, not with mode: {self.mode}")
        if self.mode == "edits" and self.correct:
            raise ValueError("mode: edits runs nothing, so correct: true has nothing to call")
        if self.mode == "episodes" and max(self.k) > self.episodes:
            raise ValueError(f"k: {max(self.k)} is more than episodes: {self.episodes}")
        if len(set(self.k)) < len(self.k):
            raise ValueError("k: a value is repeated")
        for name, times in (("episodes", self.episodes), ("seeds", self.seeds)):
            if self.interval == "wilson" and times > 1:
                raise ValueError(
                    f"interval: wilson needs {name}: 1, not {times}; use bootstrap or auto"
                )
        return self


class Experiment(Block):
    """One run: what is trained or scored, on what, where and how."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._=+-]*$", max_length=100)]
    """Names the run folder."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """The one seed that everything random is derived from."""
    benchmark: BenchmarkConfig
    """Which tasks."""
    env: EnvConfig = EnvConfig()
    """How a task becomes an episode."""
    sandbox: SandboxConfig = LocalSandboxConfig.model_validate({})
    """Where foreign code runs."""
    policy: PolicyConfig
    """What acts."""
    trainer: TrainerConfig | None = None
    """How the policy is trained; null for experiments that only score."""
    score: ScoreConfig = ScoreConfig()
    """How the policy is scored."""
    rollouts: Literal["local"] = "local"
    """What runs episodes: processes on this machine."""
    threads: Count | None = None
    """Threads that the network computes with while it trains; null takes one for a small network,
    which is faster than many, and for a large one those that the trainer's `workers` leave. Scoring
    takes one for each of its workers, so that a report depends on neither."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:[0-9]+)?)$")] = "auto"
    """Where the network runs; `auto` takes CUDA, then MPS, then the CPU."""

    @model_validator(mode="after")
    def _consistent(self) -> Experiment:
        if (self.score.mode == "edits") != (self.benchmark.name == HELD_OUT):
            raise ValueError(
                f"score.mode: edits goes with benchmark {HELD_OUT!r}, and with no other"
            )
        trains = self.trainer is not None and self.trainer.takes_stages
        if self.sandbox.stages and self.score.mode != "proposals" and not trains:
            raise ValueError(
                f"sandbox.stages goes with trainer: ppo or score.mode: proposals, not with "
                f"score.mode: {self.score.mode}; a scored episode runs its tests under the task's "
                "own limits"
            )
        if self.trainer is not None and self.score.mode == "edits":
            raise ValueError(
                "score.mode: edits has nothing to train on; score the checkpoint apart"
            )
        if self.score.outcomes is not None and self.policy.kind not in _LEGAL_EDITS:
            raise ValueError(
                f"score.outcomes is of legal edits: it goes with policy: ranked or search, not "
                f"{self.policy.kind}"
            )
        if self.policy.kind in _LEGAL_EDITS and self.score.mode != "proposals":
            raise ValueError(
                f"policy {self.policy.kind!r} tries legal edits; it needs score.mode: proposals, "
                f"not {self.score.mode}"
            )
        if self.policy.kind == "hrm":
            if self.env.interface != "edit":
                raise ValueError("policy 'hrm' needs env.interface: edit")
            if self.score.deterministic and self.score.episodes > 1:
                raise ValueError(
                    f"score.deterministic: true would play the same episode "
                    f"{self.score.episodes} times; set it to false, or score.episodes to 1"
                )
        if self.trainer is not None:
            if self.policy.kind != "hrm":
                raise ValueError(
                    f"policy {self.policy.kind!r} cannot be trained; use policy: hrm, "
                    "or trainer: null"
                )
        elif self.score.before:
            raise ValueError("score.before: true needs a trainer")
        return self

    def env_kwargs(self, split: str) -> dict[str, Any]:
        """Arguments of `SoftwareEnv` for tasks of that split, as plain data."""
        return {
            "benchmark": self.benchmark.name,
            "benchmark_path": self.benchmark.path,
            "split": split,
            "sandbox": self.sandbox,
            **self.env.model_dump(),
        }
