"""The keys of supervised training, which a warm start and pretraining share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from hrmgym.config import Block, Count, Fraction, NonNegative, Rate, Seconds
from hrmgym.registry import call
from hrmgym.trainers.loss_terms import SupervisedLosses

if TYPE_CHECKING:  # experiment files are read without torch
    from hrmgym.hrm.edit_model import EditModel

#: Keys whose default depends on the trainer.
Samples = Annotated[
    Count,
    Field(
        description="Bugs to learn from; none is made from a task that is scored. May be raised at"
        " a resume."
    ),
]
Schedule = Annotated[
    Literal["cosine", "constant"],
    Field(
        description="`cosine`: down to a tenth of the rate at the end of `samples` or `seconds`."
        " `constant`: the run can be extended for as long as one likes, and the rate"
        " decays in `finish` alone."
    ),
]
Average = Annotated[
    Annotated[float, Field(ge=0, lt=1)] | None,
    Field(
        description="Decay of the moving average of the weights, which is what is evaluated and"
        " saved; null keeps none."
    ),
]
WarmUp = Annotated[int, Field(ge=0, description="Samples over which the rate rises from 0.")]
EvaluateEvery = Annotated[
    Count,
    Field(description="Updates between two evaluations on held-out bugs."),
]


class LearningConfig(Block):
    """What all supervised training says: how much, how fast, and how it is watched."""

    samples: Samples = 20_000
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
    schedule: Schedule = "cosine"
    warm_up: WarmUp = 2000
    finish: Annotated[float, Field(gt=0, le=1)] = 0.15
    """With `schedule: constant`: after `samples`, or when `hrmgym train --finish` asks for it, the
    rate decays to 0 over further samples, this share of those seen so far."""
    ema: Average = None
    dressed: Fraction = 0.0
    """Part of the made bugs that are shown in a file with more in it: imports, docstring, other
    functions. Without it, a network takes these for the bug."""
    packages: bool = False
    """Also make bugs in functions of the training packages (downloaded on first use), not only of
    the standard library."""
    max_lines: Annotated[int, Field(ge=3, le=30)] = 30
    """Longest function that bugs are made in; short ones train faster."""
    seconds: Seconds | None = None
    """Stop after this much wall-clock time; null runs through all samples."""
    evaluate_every: EvaluateEvery = 100
    held_out: Count = 256
    """Held-out samples of each kind (made bugs, real edits) in an evaluation."""
    save_every: Seconds = 120.0
    """Seconds between two saved states."""
    workers: Annotated[int, Field(ge=0)] = 1
    """Processes that make samples ahead of the trainer; 0 makes them in the trainer's own. The
    samples do not depend on it."""

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


class SupervisedConfig(LearningConfig):
    """Supervised training on bugs and their repairs: what a warm start and pretraining share."""

    loss: Literal["likelihood", "balanced"] = "likelihood"
    """`likelihood`: of the whole action. `balanced`: its choices weighted, so that a long
    replacement does not drown where the edit belongs: tool + 2 start + end + the mean over the
    replacement's entries. To both come the halting head's (0.5), and a learned router's (0.01)."""
    losses: SupervisedLosses = Field(default_factory=dict)
    """Weights of the loss's terms by name, in place of those of `loss`: `likelihood`, `tool`,
    `start`, `end`, `replacement`, `per_entry`, `halting`, `balance`; or a registered term, or
    `module:function` of one. 0 leaves a term out, null takes its own weight."""
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
    selector: bool = False
    """Prefer bugs of the kinds that the network misses. Such a run is not repeated to the bit: what
    is preferred depends on how far the workers are ahead."""

    @model_validator(mode="after")
    def _shares(self) -> SupervisedConfig:
        total = self.benchmark_share + self.real_share + self.tested_share
        if total > 1 + 1e-9:
            raise ValueError(
                f"benchmark_share + real_share + tested_share is {total:g}; it must be at most 1"
            )
        return self

    def check(self, network: EditModel) -> None:
        """Refuses losses that are not for that network: see `Trainer.check`."""
        call("hrmgym.trainers.losses:supervised_terms", network, self.loss, self.losses)
