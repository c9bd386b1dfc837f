"""Config blocks of the trainers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hrmgym.config import Block, Count, Fraction, NonNegative, Rate, Seconds


class WarmStartConfig(Block):
    """Supervised training on made bugs, before reinforcement learning."""

    samples: Count = 20_000
    """Bugs to learn from; none is made from a task that is scored."""
    batch_size: Count = 64
    """Bugs for each update."""
    learning_rate: Rate = 1e-3
    """Step size of AdamW."""
    weight_decay: NonNegative = 0.1
    """Decoupled weight decay of AdamW."""
    benchmark_share: Fraction = 0.0
    """Part of the samples that is made from the benchmark's training split: its tasks, and more
    bugs in their solutions, with what the visible tests say about them. The rest are bugs made in
    functions of Python's standard library."""
    max_lines: Annotated[int, Field(ge=3, le=30)] = 30
    """Longest function of the standard library that is used; short ones train faster."""
    seconds: Seconds | None = None
    """Stop after this much wall-clock time; null runs through all samples."""
    evaluate_every: Count = 100
    """Updates between two evaluations on held-out bugs."""


class PPOConfig(Block):
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
