"""Config blocks of the trainers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, SerializeAsAny, model_validator

from hrmgym.config import Block, Count, Fraction, NonNegative, Rate, Seconds
from hrmgym.registry import OneOf
from hrmgym.trainers.base import TRAINERS, Trainer
from hrmgym.trainers.loss_terms import RolloutLosses, SupervisedLosses

if TYPE_CHECKING:  # experiment files are read without torch
    from hrmgym.hrm.edit_model import EditModel
    from hrmgym.trainers.job import Job

#: Keys whose default depends on the trainer.
_Samples = Annotated[
    Count,
    Field(
        description="Bugs to learn from; none is made from a task that is scored. May be raised at"
        " a resume."
    ),
]
_Schedule = Annotated[
    Literal["cosine", "constant"],
    Field(
        description="`cosine`: down to a tenth of the rate at the end of `samples` or `seconds`."
        " `constant`: the run can be extended for as long as one likes, and the rate"
        " decays in `finish` alone."
    ),
]
_Average = Annotated[
    Annotated[float, Field(ge=0, lt=1)] | None,
    Field(
        description="Decay of the moving average of the weights, which is what is evaluated and"
        " saved; null keeps none."
    ),
]
_WarmUp = Annotated[int, Field(ge=0, description="Samples over which the rate rises from 0.")]
_EvaluateEvery = Annotated[
    Count,
    Field(description="Updates between two evaluations on held-out bugs."),
]


class SupervisedConfig(Block):
    """Supervised training on bugs and their repairs: what a warm start and pretraining share."""

    samples: _Samples = 20_000
    batch_size: Count | None = None
    """Bugs for each update; null takes what suits the network's width."""
    part_tokens: Annotated[int, Field(ge=64)] = 4096
    """A batch is computed in parts of at most this many tokens, padding counted, whose gradients
    are added up: the same update in less memory and, on a CPU, in less time."""
    optimizer: Literal["adamw", "adam_atan2"] = "adamw"
    """AdamW, or Adam with atan2 in place of the division (HRM's)."""
    learning_rate: Rate | None = None
    """Step size of the optimiser; null takes what suits the network's width."""
    weight_decay: NonNegative | None = None
    """Decoupled weight decay; null takes what suits the network's width."""
    loss: Literal["likelihood", "balanced"] = "likelihood"
    """`likelihood`: of the whole action. `balanced`: its choices weighted, so that a long
    replacement does not drown where the edit belongs: tool + 2 start + end + the mean over the
    replacement's entries. To both come the halting head's (0.5), and a learned router's (0.01)."""
    losses: SupervisedLosses = Field(default_factory=dict)
    """Weights of the loss's terms by name, in place of those of `loss`: `likelihood`, `tool`,
    `start`, `end`, `replacement`, `per_entry`, `halting`, `balance`; or a registered term, or
    `module:function` of one. 0 leaves a term out, null takes its own weight."""
    schedule: _Schedule = "cosine"
    warm_up: _WarmUp = 2000
    finish: Annotated[float, Field(gt=0, le=1)] = 0.15
    """With `schedule: constant`: after `samples`, or when `hrmgym train --finish` asks for it, the
    rate decays to 0 over further samples, this share of those seen so far."""
    ema: _Average = None
    benchmark_share: Fraction = 0.0
    """Part of the samples that is made from the benchmark's training split: its tasks, and more
    bugs in their solutions, with what the visible tests say about them."""
    real_share: Fraction = 0.0
    """Part of the samples that are real edits between releases of the training packages, undone.
    What `benchmark_share`, `real_share` and `tested_share` leave are bugs made in functions."""
    tested_share: Fraction = 0.0
    """Part of the samples that are bugs in functions for which tests were found by calling them in
    a sandbox, with what these tests say; looked for on first use."""
    operators: Literal["hand", "uniform", "fitted", "blended"] = "hand"
    """How often each operator makes a bug: `hand` is a plain list of single edits; `fitted` follows
    real edits of the training packages, in number too; `blended` is half of each; `uniform` takes
    all alike."""
    places: Annotated[int, Field(ge=1, le=8)] | None = None
    """Bugs are made in 1 to this many places of a canvas, each number alike, and each place is a
    target: more is learned from one run of the network. Null: as many places as `operators` says,
    of which one is the target."""
    dressed: Fraction = 0.0
    """Part of the made bugs that are shown in a file with more in it: imports, docstring, other
    functions. Without it, a network takes these for the bug."""
    packages: bool = False
    """Also make bugs in functions of the training packages (downloaded on first use), not only of
    the standard library."""
    selector: bool = False
    """Prefer bugs of the kinds that the network misses. Such a run is not repeated to the bit: what
    is preferred depends on how far the workers are ahead."""
    max_lines: Annotated[int, Field(ge=3, le=30)] = 30
    """Longest function that bugs are made in; short ones train faster."""
    seconds: Seconds | None = None
    """Stop after this much wall-clock time; null runs through all samples."""
    evaluate_every: _EvaluateEvery = 100
    held_out: Count = 256
    """Held-out samples of each kind (made bugs, real edits) in an evaluation."""
    save_every: Seconds = 120.0
    """Seconds between two saved states."""
    workers: Annotated[int, Field(ge=0)] = 1
    """Processes that make samples ahead of the trainer; 0 makes them in the trainer's own. The
    samples do not depend on it."""

    @model_validator(mode="after")
    def _shares(self) -> SupervisedConfig:
        total = self.benchmark_share + self.real_share + self.tested_share
        if total > 1 + 1e-9:
            raise ValueError(
                f"benchmark_share + real_share + tested_share is {total:g}; it must be at most 1"
            )
        return self

    def fitted(self, width: int) -> Self:
        """The same with every null that follows from the network's width filled in.

        The rate falls with the square root of the width, from 1.5e-3 at 128; batches grow with
        the square root of the number of parameters.
        """
        rate, size = 1.5e-3 * (128 / width) ** 0.5, 32 * max(1, width // 128)
        return self.model_copy(
            update={
                "learning_rate": self.learning_rate or round(rate, 6),
                "batch_size": self.batch_size or size,
                "weight_decay": 0.05 if self.weight_decay is None else self.weight_decay,
            }
        )

    def check(self, network: EditModel) -> None:
        """Refuses losses that are not for that network: see `Trainer.check`."""
        from hrmgym.trainers.losses import supervised_terms  # imports torch

        supervised_terms(network, self.loss, self.losses)


class WarmStartConfig(SupervisedConfig):
    """Supervised training on made bugs, before reinforcement learning."""


class PretrainConfig(SupervisedConfig, Trainer):
    """Supervised training alone: long, and resumable to the sample."""

    kind: Literal["pretrain"]
    """Tag of this block."""
    samples: _Samples = 2_000_000
    schedule: _Schedule = "constant"
    ema: _Average = 0.999
    warm_up: _WarmUp = 20_000
    evaluate_every: _EvaluateEvery = 1000
    calibrate: bool = False
    """At the end, fit the temperature of where edits start on the tasks of the benchmark's
    `valid_split`: what was trained on made bugs is too sure elsewhere."""

    def train(self, job: Job[Any], *, resume: bool = False) -> Path:
        """Pretrains: see `hrmgym.trainers.pretrain`."""
        from hrmgym.trainers.pretrain import train_pretrain  # imports torch

        return train_pretrain(job, resume=resume)

    def finish_early(self, job: Job[Any]) -> Path:
        """Lets the rate decay from the saved state: see `hrmgym.trainers.pretrain`."""
        from hrmgym.trainers.pretrain import train_pretrain  # imports torch

        return train_pretrain(job, only_finish=True)

    @property
    def evaluates(self) -> bool:
        """The temperature is fitted on the `valid_split`."""
        return self.calibrate

    @property
    def supervised(self) -> SupervisedConfig:
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
        from hrmgym.trainers.ppo import train_ppo  # imports torch

        return train_ppo(job, resume=resume)

    def check(self, network: EditModel) -> None:
        """Refuses losses that are not for that network."""
        from hrmgym.trainers.losses import rollout_terms  # imports torch

        rollout_terms(network, self.losses)
        if self.warm_start is not None:
            self.warm_start.check(network)

    @property
    def evaluates(self) -> bool:
        """Whether it is asked to."""
        return self.eval_every is not None

    @property
    def supervised(self) -> SupervisedConfig | None:
        """The warm start."""
        return self.warm_start


TrainerConfig = Annotated[SerializeAsAny[Trainer], OneOf(TRAINERS)]
"""What an experiment's `trainer:` may be: one of the registered, or `module:Class` of one."""
