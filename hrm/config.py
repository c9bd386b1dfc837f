"""What a network is made of: frozen, checked descriptions that a checkpoint stores as JSON.

    RecursionConfig          the shape of the recursion
    |- CoreConfig            and how it computes
    |  '- HRMConfig          the released network for puzzles
    '- EditConfig            the policy network: what an experiment's `policy:` block may say
       '- EditModelConfig    (a CoreConfig too) with what the interface adds: a checkpoint's JSON

Sources: "HRM" is sapientinc/HRM, models/hrm/hrm_act_v1.py and config/arch/hrm_v1.yaml (paper: Wang
et al. 2025, arXiv 2506.21734); "TRM" is SamsungSAILMontreal/TinyRecursiveModels (paper:
Jolicoeur-Martineau 2025, arXiv 2510.04871).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from hrmgym.config import Block, Count, NonNegative

if TYPE_CHECKING:  # experiment files are read without torch
    import torch


class Mark(Enum):
    """What a key has to do with a network that is there already; stands beside its range."""

    STATED = "a checkpoint's JSON must say it: its default is for new networks"
    FREE = "weights fit whatever it is"
    ADDED = "may add parts to weights that lack them; the parts begin as the identity"


def marked(kind: type[BaseModel], mark: Mark) -> Iterator[str]:
    """The keys of a block that have a mark."""
    return (name for name, field in kind.model_fields.items() if mark in field.metadata)


_Stated = Annotated[Count, Mark.STATED]
Gradient = Annotated[
    Literal["last_recursion", "last_step"],
    Field(
        description="How far back the gradient goes: through the last high-level cycle as a whole"
        " (TRM, section 4.1; the better one of its ablation, table 1), or through the last call of"
        ' each stack (HRM, section "approximate gradient").'
    ),
]
DType = Annotated[
    Literal["float32", "bfloat16", "float64"],
    Field(
        description="Type of the recursion's activations; parameters stay float32 and are cast at"
        " each use, and embeddings and heads of the policy network compute in float32 (HRM:"
        " bfloat16)."
    ),
]


class RecursionConfig(Block):
    """The two recurrent stacks and how often each runs."""

    hidden_size: Annotated[int, Field(ge=2), Mark.STATED] = 128
    """D, width of every state (HRM: 512)."""
    num_heads: _Stated = 4
    """H, attention heads; twice their number divides `hidden_size` (HRM: 8)."""
    H_layers: _Stated = 2
    """Blocks of the slow, high-level (H) stack (HRM: 4). Not used with `shared_levels`."""
    L_layers: _Stated = 2
    """Blocks of the fast, low-level (L) stack (HRM: 4)."""
    H_cycles: _Stated = 2
    """Updates of the high-level state in one segment (HRM: 2)."""
    L_cycles: _Stated = 2
    """Updates of the low-level state before each of the high-level one (HRM: 2)."""
    expansion: Annotated[float, Field(gt=0)] = 4.0
    """Width of the feed-forward layers: 2/3 of `expansion` * D, rounded up to a multiple of 256
    (HRM: 4)."""
    gradient: Gradient = "last_recursion"
    shared_levels: bool = False
    """One stack updates both states (TRM, arXiv 2510.04871, section 4.3)."""
    architecture: Literal["hrm", "transformer"] = "hrm"
    """`transformer`: both stacks run once, the low one on the input and the high one on what it
    gives, without recursion: a plain transformer of the same parameters, to compare with."""

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.hidden_size % (2 * self.num_heads):  # rotary positions turn pairs
            raise ValueError(
                f"hidden_size: {self.hidden_size} is not a multiple of twice num_heads: "
                f"{self.num_heads}"
            )
        return self


class CoreConfig(RecursionConfig):
    """The recursion, and how it computes."""

    rms_norm_eps: Annotated[float, Field(gt=0)] = 1e-5
    """Added to the mean square before the root (HRM: 1e-5)."""
    rope_theta: Annotated[float, Field(gt=0)] = 10000.0
    """Base of the rotary frequencies (HRM: 10000)."""
    forward_dtype: DType = "float32"

    @property
    def dtype(self) -> torch.dtype:
        """`forward_dtype` as torch has it."""
        import torch

        dtype: torch.dtype = getattr(torch, self.forward_dtype)
        return dtype


class HRMConfig(CoreConfig):
    """HRM-ACT v1, with the keys of the released configuration, plus the switches of TRM."""

    gradient: Gradient = "last_step"
    forward_dtype: DType = "bfloat16"
    batch_size: int = Field(ge=1)
    """Part of the released configuration; the network here takes a batch of any size."""
    seq_len: int = Field(ge=1)
    """S, positions of a puzzle (Sudoku: 81, ARC and Maze: 900)."""
    puzzle_emb_ndim: int = Field(default=0, ge=0)
    """Width of a puzzle's embedding; 0 turns it off (HRM: 512)."""
    num_puzzle_identifiers: int = Field(ge=1)
    """Rows of the puzzle table."""
    vocab_size: int = Field(ge=2)
    """V, tokens (Sudoku: 11, ARC: 12, Maze: 6)."""
    pos_encodings: Literal["rope", "learned"] = "rope"
    """Rotary or learned positions (HRM: rope)."""
    halt_max_steps: int = Field(ge=1)
    """Most segments of one row (HRM: 16)."""
    halt_exploration_prob: float = Field(default=0.1, ge=0, le=1)
    """How often a row in training gets a random least number of segments (HRM: 0.1)."""
    continue_pass: bool = True
    """Learn `q_continue` from a second forward pass (HRM). Off: a row halts when q_halt > 0, one
    pass per training step (TRM, section 4.6)."""

    @property
    def puzzle_positions(self) -> int:
        """P, positions that the puzzle embedding takes before the tokens."""
        return -(-self.puzzle_emb_ndim // self.hidden_size)


class SpecialistsConfig(Block):
    """Small adapters around the shared recursion; see `hrmgym.hrm.specialists`."""

    kind: Literal["none", "language", "tool", "random", "learned", "generalist"] = "none"
    """What chooses a row's adapter: nothing; its language; the tool used last; a fixed random
    partition (the placebo); a learned router. `generalist`: one adapter with the parameters of all,
    for every row (the control of equal size)."""
    rank: Count = 8
    """Rank of each adapter."""
    count: Count | None = None
    """Adapters of `random`, `learned` and `generalist`; null: as many as languages."""

    @model_validator(mode="after")
    def _counted(self) -> Self:
        if self.count is not None and self.kind in ("none", "language", "tool"):
            raise ValueError(f"count: kind {self.kind!r} has a number of adapters of its own")
        return self


class ReverseConfig(Block):
    """What came of the last action, fed to the next; see `hrmgym.hrm.reverse`."""

    kind: Literal["off", "gate", "mlp"] = "off"
    """`gate`: the outcome-to-plan gate. `mlp`: the same parameters, which see the present canvas
    and no outcome (a control)."""
    feedback: Literal["own", "shuffled", "zero"] = "own"
    """`shuffled`: each step gets another one's outcome. `zero`: the gate is shut in evaluation,
    and as it is in training. Controls both."""
    outcome_weight: NonNegative = 0.0
    """Weight of the loss of the head that foretells the visible tests' verdict on an action; 0: no
    such head."""


class RankingConfig(Block):
    """What ranks a list of legal edits; see `hrmgym.hrm.ranking`."""

    kinds: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Kinds of edits that it knows; empty: the network ranks no lists. `kind: rank` of the trainer
    takes all that there are."""
    kind_logits: bool = True
    """Whether a kind has a score of its own, beside what its places give it."""
    trace: bool = True
    """Whether it sees which lines failing and passing tests run, and where the first one failed."""


class EditConfig(RecursionConfig):
    """The shape of the policy network, without what follows from the interface."""

    max_span: Count = 32
    """Longest run of canvas tokens that one edit may replace."""
    segments: Annotated[Count, Mark.FREE] = 1
    """Segments of computation for each action, at most so many with `halting`; the carry between
    them is detached, so only the last one is differentiated (HRM, section "deep supervision")."""
    halting: Annotated[bool, Mark.FREE] = False
    """Stop before `segments` once the halting head holds the greedy action for right: its logit is
    above 0 (HRM, section "adaptive computational time"; TRM's rule, which needs no `q_continue`).
    HRM halts in training alone; here it is evaluation that saves the time, and supervised training
    draws a number of segments for each batch, so that a row may stop after any."""
    carry: Annotated[Literal["reset", "keep"], Mark.FREE] = "reset"
    """`keep`: an episode's steps begin where the step before left the network's states ("Carry Z"
    of HRM-Agent, 2025, arXiv 2510.22832); training carries them over one step."""
    latent_samples: Annotated[Count, Mark.FREE] = 1
    """Runs of the network for each action outside training, all but the first with noise on its
    states; the one that the halting head ranks highest counts (PTRM, 2026, arXiv 2605.19943)."""
    latent_noise: Annotated[NonNegative, Mark.FREE] = 0.1
    """Deviation of that Gaussian noise, before each segment; states have unit mean square."""
    specialists: Annotated[SpecialistsConfig, Mark.ADDED] = SpecialistsConfig()
    """Small adapters around the recursion, by language, tool, ..."""
    reverse: Annotated[ReverseConfig, Mark.ADDED] = ReverseConfig()
    """What came of the last action, fed to the next."""
    ranking: Annotated[RankingConfig, Mark.ADDED] = RankingConfig()
    """What ranks lists of legal edits."""

    @model_validator(mode="after")
    def _recursive(self) -> Self:
        if self.architecture == "transformer":
            for key, value, plain in (
                ("carry", self.carry, "reset"),
                ("halting", self.halting, False),
                ("latent_samples", self.latent_samples, 1),
                ("reverse.kind", self.reverse.kind, "off"),
                ("shared_levels", self.shared_levels, False),
            ):
                if value != plain:
                    raise ValueError(f"{key}: {value!r} needs architecture 'hrm'")
        if self.halting and self.latent_samples > 1:
            raise ValueError("latent_samples: more than 1 needs halting: false")
        return self


class EditModelConfig(EditConfig, CoreConfig):
    """The policy network over a token canvas."""

    vocab_size: Annotated[int, Field(ge=5)]
    """V, tokens; 0 to 3 are PAD, END, CLS and SEP."""
    num_roles: Count
    """Kinds of canvas position."""
    num_languages: Count
    """Programming languages."""
    max_length: Annotated[int, Field(ge=2, le=2**20)]
    """L, the longest canvas; tables of positions are made for all of it."""
    budget_size: Count = 8
    """Counts in the budget observation."""
    num_tools: Count = 7
    """T, tools; tool 0 is the edit."""
    R: Count = 16
    """Most replacement entries of one edit."""

    @property
    def traced(self) -> bool:
        """Whether it sees what tests run."""
        return bool(self.ranking.kinds) and self.ranking.trace

    @property
    def recalls_states(self) -> bool:
        """Whether a step needs the states of the step before it."""
        return self.carry == "keep" or self.reverse.kind == "gate"

    @property
    def remembers(self) -> bool:
        """Whether what a step does depends on the step before it in any way."""
        return self.recalls_states or self.specialists.kind == "tool"
