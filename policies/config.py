"""Config blocks of the policies; `kind` tells them apart."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hrmgym.config import Block, Count, NonNegative, PathWord
from hrmgym.hrm.config import ReverseConfig, SpecialistsConfig

Size = Literal["tiny", "mini", "small", "base", "large"]

#: Size -> shape. With the vocabulary of 8,192 tokens: 0.7, 2.4, 6.7, 36 and 81 million parameters;
#: those of the recursion alone: 0.13, 1.1, 3.4, 27 (the released HRM's shape) and 64 million.
SIZES: dict[str, dict[str, int]] = {
    "tiny": {"hidden_size": 64, "num_heads": 2, "H_layers": 1, "L_layers": 1},
    "mini": {"hidden_size": 128, "num_heads": 4, "H_layers": 2, "L_layers": 2},
    "small": {"hidden_size": 256, "num_heads": 4, "H_layers": 2, "L_layers": 2},
    "base": {"hidden_size": 512, "num_heads": 8, "H_layers": 4, "L_layers": 4},
    "large": {"hidden_size": 768, "num_heads": 12, "H_layers": 4, "L_layers": 5},
}


class HRMConfig(Block):
    """The hierarchical reasoning model."""

    kind: Literal["hrm"]
    """Tag of this block."""
    size: Size | None = None
    """One word for width, heads and layers, each of which may still be given; the trainer's step
    size, batch size and weight decay follow from the width."""
    architecture: Literal["hrm", "transformer"] = "hrm"
    """`transformer`: the same blocks run once, one after the other, without recursion: a baseline
    of equal size."""
    checkpoint: PathWord | None = None
    """Checkpoint folder to start from. The shape is then the checkpoint's; a key that is given
    here and says otherwise is an error."""
    hidden_size: Count = 128
    """Width of the network."""
    num_heads: Count = 4
    """Attention heads; twice their number divides `hidden_size`."""
    H_layers: Count = 2
    """Layers of the slow (H) module."""
    L_layers: Count = 2
    """Layers of the fast (L) module."""
    H_cycles: Count = 2
    """Updates of the H module in one segment."""
    L_cycles: Count = 2
    """Updates of the L module for each update of the H module."""
    segments: Count = 1
    """Segments of computation for each action; at most so many with `halting`."""
    halting: bool = False
    """Stop before `segments` once the halting head holds the greedy action for right; supervised
    training then draws a number of segments for each batch."""
    gradient: Literal["last_recursion", "last_step"] = "last_recursion"
    """How far back the gradient goes: through the last H cycle, or through its last step only."""
    expansion: Annotated[float, Field(gt=0)] = 4.0
    """Width of the feed-forward layers, as a multiple of `hidden_size`."""
    max_span: Count = 32
    """Longest run of tokens that one edit may replace."""
    shared_levels: bool = False
    """One network for both modules (TRM, arXiv 2510.04871); `H_layers` is then not used."""
    carry: Literal["reset", "keep"] = "reset"
    """Whether an episode's steps begin where the step before left the network's states
    (HRM-Agent, arXiv 2510.22832)."""
    latent_samples: Count = 1
    """Runs of the network for each action outside training, all but the first with noise on its
    states; the one that the halting head ranks highest counts (PTRM, arXiv 2605.19943)."""
    latent_noise: NonNegative = 0.1
    """Deviation of that noise; states have unit mean square."""
    specialists: SpecialistsConfig = SpecialistsConfig()
    """Small adapters by language, tool, ..."""
    reverse: ReverseConfig = ReverseConfig()
    """What came of the last action, fed to the next."""

    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Type of the recursion's activations; `auto` takes bfloat16 where the hardware multiplies in
    it (CUDA, or a CPU with AMX or AVX-512 BF16), else float32. Weights are float32 always."""
    products: Literal["exact", "int8"] = "exact"
    """How the recursion multiplies on a CPU outside training. `int8` rounds weights (by row) and
    activations (by call, so what a canvas gets depends a little on its batch) to 8 bits: each
    product is off by some 2 % and takes half to two thirds of the time in a wide network; a narrow
    one gains little."""

    @model_validator(mode="before")
    @classmethod
    def _sized(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("size"), str):
            return {**SIZES.get(data["size"], {}), **data}
        return data

    @model_validator(mode="after")
    def _consistent(self) -> HRMConfig:
        if self.hidden_size % (2 * self.num_heads):  # rotary positions turn pairs
            raise ValueError(
                f"hidden_size: {self.hidden_size} is not a multiple of twice num_heads: "
                f"{self.num_heads}"
            )
        return self


class NgramConfig(Block):
    """Ranks all small edits by how much likelier an n-gram model of code finds what they make."""

    kind: Literal["ngram"]
    """Tag of this block."""
    packages: bool = False
    """Also learn from functions of the training packages (downloaded on first use), not only of
    the standard library."""


class RandomConfig(Block):
    """Draws uniformly from the action space."""

    kind: Literal["random"]
    """Tag of this block."""


class ReferenceConfig(Block):
    """Replays the known solution: an upper bound, and a check of benchmark and environment."""

    kind: Literal["reference"]
    """Tag of this block."""


class NoopConfig(Block):
    """Submits the untouched task: a lower bound."""

    kind: Literal["noop"]
    """Tag of this block."""


PolicyConfig = Annotated[
    HRMConfig | NgramConfig | RandomConfig | ReferenceConfig | NoopConfig,
    Field(discriminator="kind"),
]
