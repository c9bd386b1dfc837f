"""Config blocks of the trainers.

They name what trains, and do not import it: that imports torch, and needs these blocks.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, SerializeAsAny, model_validator

from hrmgym.config import Count, Fraction, NonNegative, Rate
from hrmgym.registry import OneOf, call
from hrmgym.trainers.base import TRAINERS, Trainer
from hrmgym.trainers.loss_terms import RolloutLosses
from hrmgym.trainers.supervised_config import (
    Average,
    EvaluateEvery,
    LearningConfig,
    Samples,
    Schedule,
    SupervisedConfig,
    WarmUp,
)

if TYPE_CHECKING:  # experiment files are read without torch
    from hrmgym.hrm.edit_model import EditModel
    from hrmgym.trainers.job import Job


class WarmStartConfig(SupervisedConfig):
    """Supervised training on made bugs, before reinforcement learning."""


class PretrainConfig(SupervisedConfig, Trainer):
    """Supervised training alone: long, and resumable to the sample."""

    kind: Literal["pretrain"]
    """Tag of this block."""
    samples: Samples = 2_000_000
    schedule: Schedule = "constant"
    ema: Average = 0.999
    warm_up: WarmUp = 20_000
    evaluate_every: EvaluateEvery = 1000
    calibrate: bool = False
    """At the end, fit the temperature of where edits start on the tasks of the benchmark's
    `valid_split`: what was trained on made bugs is too sure elsewhere."""

    def train(self, job: Job[Any], *, resume: bool = False) -> Path:
        """Pretrains: see `hrmgym.trainers.pretrain`."""
        made: Path = call("hrmgym.trainers.pretrain:train_pretrain", job, resume=resume)
        return made

    def finish_early(self, job: Job[Any]) -> Path:
        """Lets the rate decay from the saved state: see `hrmgym.trainers.pretrain`."""
        made: Path = call("hrmgym.trainers.pretrain:train_pretrain", job, only_finish=True)
        return made

    @property
    def evaluates(self) -> bool:
        """The temperature is fitted on the `valid_split`."""
        return self.calibrate

    @property
    def supervised(self) -> SupervisedConfig:
        """It is nothing else."""
        return self


class RankConfig(LearningConfig, Trainer):
    """Supervised training of a network that ranks legal edits: see `policy.ranking`."""

    kind: Literal["rank"]
    """Tag of this block."""
    samples: Samples = 200_000
    ema: Average = 0.999
    warm_up: WarmUp = 4000
    evaluate_every: EvaluateEvery = 250
    real_share: Fraction = 0.0
    """Part of the samples that are real fixes of the training packages which are one legal edit
    (which ones is looked for on first use, for some minutes)."""
    tested_share: Fraction = 0.0
    """Part of the samples that are bugs in functions for which tests were found by calling them in
    a sandbox, with what some of these tests say and run; looked for on first use."""
    benchmark_share: Fraction = 0.0
    """Part of the samples that are bugs made in the solutions of the benchmark's training split, of
    tasks with call tests, with what some of these say and run. What the three shares leave are bugs
    made in functions without tests."""

    @model_validator(mode="after")
    def _shares(self) -> RankConfig:
        total = self.real_share + self.tested_share + self.benchmark_share
        if total > 1 + 1e-9:
            raise ValueError(
                f"real_share + tested_share + benchmark_share is {total:g}; it must be at most 1"
            )
        return self

    def train(self, job: Job[Any], *, resume: bool = False) -> Path:
        """Trains to rank: see `hrmgym.trainers.rank`."""
        made: Path = call("hrmgym.trainers.rank:train_rank", job, resume=resume)
        return made

    def finish_early(self, job: Job[Any]) -> Path:
        """Lets the rate decay from the saved state: see `hrmgym.trainers.rank`."""
        made: Path = call("hrmgym.trainers.rank:train_rank", job, only_finish=True)
        return made

    def scored(self, checkpoint: Path) -> dict[str, Any]:
        """By the order that it gives legal edits."""
        return {"kind": "ranked", "by": ["hrm"], "checkpoint": str(checkpoint)}

    @property
    def supervised(self) -> LearningConfig:
        """It is nothing else."""
        return self


class PPOConfig(Trainer):
    """Proximal policy optimisation; the names are those of Stable-Baselines3's PPO."""

    kind: Literal["ppo"]
    """Tag of this block."""
    total_timesteps: Count = 100_000
    """Environment steps to train for, over all environments."""
    n_envs: Count = 8
    """Environments that are stepped together."""
    n_steps: Count = 128
    """Steps of each environment for one update."""
    batch_size: Count = 256
    """Steps in one minibatch; a divisor of `n_envs * n_steps`."""
    n_epochs: Count = 4
    """Passes over the rollout in one update."""
    learning_rate: Rate = 3e-4
    """Step size of the optimiser."""
    gamma: Fraction = 0.99
    """Discount factor."""
    gae_lambda: Fraction = 0.95
    """Trade-off between bias and variance of the advantage (generalised advantage estimation)."""
    clip_range: Rate = 0.2
    """How far the probability ratio may leave 1 before its gradient is cut."""
    ent_coef: NonNegative = 0.0
    """Weight of the entropy bonus."""
    vf_coef: NonNegative = 0.5
    """Weight of the value loss."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 0.5
    """Norm that gradients are clipped to."""
    target_kl: Annotated[float, Field(gt=0)] | None = None
    """Ends an update early once the policy has moved this far; null never does."""
    checkpoint_every: Count = 50_000
    """Environment steps between two checkpoints."""
    eval_every: Count | None = None
    """Environment steps between two evaluations on the benchmark's `valid_split`; null never
    evaluates."""
    eval_episodes: Count = 32
    """Episodes of one evaluation."""
    warm_start: WarmStartConfig | None = None
    """Supervised training to start from; null starts from the policy as it is."""
    losses: RolloutLosses = Field(default_factory=dict)
    """Weights of what is learned beside PPO's own loss, by name: `outcome` (the head that foretells
    the tests' verdict; null: `policy.reverse.outcome_weight`), `balance` (a learned router, 0.01);
    or a registered term of the rollout, or `module:function` of one. 0 leaves a term out."""
    curriculum: Literal["none", "reverse", "uniform"] = "none"
    """Where training episodes start. `reverse`: one edit from the solution, further away as success
    grows; `uniform`: any number of edits away (its control); `none`: where the tasks do.
    Evaluations always start where the tasks do."""

    @model_validator(mode="after")
    def _consistent(self) -> PPOConfig:
        rollout = self.n_envs * self.n_steps
        if rollout < 2:  # advantages are normalised over the rollout
            raise ValueError("n_envs * n_steps must be at least 2")
        if rollout % self.batch_size:
            raise ValueError(
                f"batch_size: {self.batch_size} does not divide n_envs * n_steps = {rollout}"
            )
        return self

    def train(self, job: Job[Any], *, resume: bool = False) -> Path:
        """Trains by PPO: see `hrmgym.trainers.ppo`."""
        made: Path = call("hrmgym.trainers.ppo:train_ppo", job, resume=resume)
        return made

    @property
    def takes_stages(self) -> bool:
        """Steps that a stage cuts off are taken again before an episode is given up."""
        return True

    def check(self, network: EditModel) -> None:
        """Refuses losses that are not for that network."""
        call("hrmgym.trainers.losses:rollout_terms", network, self.losses)
        if self.warm_start is not None:
            self.warm_start.check(network)

    @property
    def evaluates(self) -> bool:
        """Whether it is asked to."""
        return self.eval_every is not None

    @property
    def supervised(self) -> LearningConfig | None:
        """The warm start."""
        return self.warm_start


TrainerConfig = Annotated[SerializeAsAny[Trainer], OneOf(TRAINERS)]
"""What an experiment's `trainer:` may be: one of the registered, or `module:Class` of one."""
