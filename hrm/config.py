"""What a network is made of: frozen, checked descriptions that a checkpoint stores as JSON.

Sources: "HRM" is sapientinc/HRM, models/hrm/hrm_act_v1.py and config/arch/hrm_v1.yaml (paper: Wang
et al. 2025, arXiv 2506.21734); "TRM" is SamsungSAILMontreal/TinyRecursiveModels (paper:
Jolicoeur-Martineau 2025, arXiv 2510.04871).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hrmgym.config import Block, Count, NonNegative

if TYPE_CHECKING:  # experiment files are read without torch
    import torch

Gradient = Literal["last_step", "last_recursion"]
DType = Literal["float32", "bfloat16", "float64"]


class RecursionConfig(BaseModel):
    """The two recurrent stacks and how often each runs."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )

    hidden_size: int = Field(ge=2)
    """D, width of every state (HRM: 512)."""
    num_heads: int = Field(ge=1)
    """H, attention heads; each of D / H, which must be even (HRM: 8)."""
    H_layers: int = Field(ge=1)
    """Blocks of the high-level stack (HRM: 4). Unused when `shared_levels` is on."""
    L_layers: int = Field(ge=1)
    """Blocks of the low-level stack (HRM: 4)."""
    H_cycles: int = Field(ge=1)
    """High-level updates in one segment (HRM: 2)."""
    L_cycles: int = Field(ge=1)
    """Low-level updates before each high-level update (HRM: 2)."""
    expansion: float = Field(default=4.0, gt=0)
    """Feed-forward width: 2/3 of `expansion` * D, rounded up to a multiple of 256 (HRM: 4)."""
    rms_norm_eps: float = Field(default=1e-5, gt=0)
    """Added to the mean square before the root (HRM: 1e-5)."""
    rope_theta: float = Field(default=10000.0, gt=0)
    """Base of the rotary frequencies (HRM: 10000)."""
    forward_dtype: DType = "bfloat16"
    """Type of the activations; parameters stay fp32 and are cast at each use (HRM: bfloat16)."""
    gradient: Gradient = "last_step"
    """`last_step`: only the last call of each stack is differentiated (HRM, section "approximate
    gradient"). `last_recursion`: the whole last high-level cycle is (TRM, section 4.1)."""
    shared_levels: bool = False
    """One stack, `L_level`, updates both states (TRM, section 4.3)."""

    architecture: Literal["hrm", "transformer"] = "hrm"
    """`transformer`: both stacks run once, the low one on the input and the high one on what it
    gives: a plain transformer of the same parameters, to compare with."""

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.hidden_size % (2 * self.num_heads):
            raise ValueError(
                f"hidden_size={self.hidden_size} is not a multiple of 2 * num_heads="
                f"{2 * self.num_heads}"
            )
        return self

    @property
    def dtype(self) -> torch.dtype:
        """`forward_dtype` as torch has it."""
        import torch

        dtype: torch.dtype = getattr(torch, self.forward_dtype)
        return dtype


class HRMConfig(RecursionConfig):
    """HRM-ACT v1, with the keys of the released configuration, plus the switches of TRM."""

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


class EditModelConfig(RecursionConfig):
    """The policy network over a token canvas."""

    vocab_size: int = Field(ge=5)
    """V, tokens; 0 to 3 are PAD, END, CLS and SEP."""
    num_roles: int = Field(ge=1)
    """Kinds of canvas position."""
    num_languages: int = Field(ge=1)
    """Programming languages."""
    max_length: int = Field(ge=2, le=2**20)
    """L, the longest canvas; tables of positions are made for all of it."""
    budget_size: int = Field(default=8, ge=1)
    """Counts in the budget observation."""
    num_tools: int = Field(default=7, ge=1)
    """T, tools; tool 0 is the edit."""
    R: int = Field(default=16, ge=1)
    """Most replacement entries of one edit."""
    max_span: int = Field(default=32, ge=1)
    """Most canvas tokens that one edit replaces."""
    segments: int = Field(default=1, ge=1)
    """Segments run per observation; the carry between them is detached, so only the last one is
    differentiated (HRM, section "deep supervision")."""
    halting: bool = False
    """A row stops before `segments` once its halting logit is above 0 (HRM, section "adaptive
    computational time"; TRM's rule, which needs no `q_continue`). HRM halts in training alone; here
    it is evaluation that saves the time, and supervised training draws a number of segments for
    each batch, so that a row may stop after any."""
    forward_dtype: DType = "float32"
    """Type of the recursion's activations; embeddings and heads always compute in fp32."""
    gradient: Gradient = "last_recursion"
    """As in `RecursionConfig`; the default is the better one of TRM's ablation (table 1)."""
    carry: Literal["reset", "keep"] = "reset"
    """`keep`: the recursion starts from the states of the episode's last step ("Carry Z" of
    HRM-Agent, 2025, arXiv 2510.22832); training carries them over one step."""
    latent_samples: int = Field(default=1, ge=1)
    """Runs of the recursion in evaluation, of which the one with the highest halting logit counts
    (PTRM, 2026, arXiv 2605.19943); the first is without noise."""
    latent_noise: float = Field(default=0.1, ge=0)
    """Deviation of the Gaussian noise on the states before each segment of the other runs; states
    have unit mean square."""
    specialists: SpecialistsConfig = SpecialistsConfig()
    """Adapters around the recursion."""
    reverse: ReverseConfig = ReverseConfig()
    """Feedback from the last action."""

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

    @property
    def recalls_states(self) -> bool:
        """Whether a step needs the states of the step before it."""
        return self.carry == "keep" or self.reverse.kind == "gate"

    @property
    def remembers(self) -> bool:
        """Whether what a step does depends on the step before it in any way."""
        return self.recalls_states or self.specialists.kind == "tool"
