"""Config blocks of the policies; `kind` tells them apart."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hrmgym.config import Block, Count, PathWord
from hrmgym.hrm.config import EditConfig

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


class HRMPolicyConfig(EditConfig):
    """The hierarchical reasoning model; without a checkpoint, one of that shape, untrained."""

    kind: Literal["hrm"]
    """Tag of this block."""
    size: Size | None = None
    """One word for width, heads and layers, each of which may still be given; the trainer's step
    size, batch size and weight decay follow from the width."""
    checkpoint: PathWord | None = None
    """Checkpoint folder to start from. The shape is then the checkpoint's; a key that is given
    here and says otherwise is an error."""
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


class NgramConfig(Block):
    """Ranks all small edits by how much likelier an n-gram model of code finds what they make."""

    kind: Literal["ngram"]
    """Tag of this block."""
    file: PathWord | None = None
    """Fitted file to start from, as `python -m hrmgym.trainers.ngram FILE` writes it; null takes
    one fitted to the functions that networks are trained on, made on first use and then cached."""
    packages: bool = False
    """With `file: null`: also learn from functions of the training packages (downloaded on first
    use), not only of the standard library."""

    @model_validator(mode="after")
    def _consistent(self) -> NgramConfig:
        if self.file is not None and self.packages:
            raise ValueError("packages: says what to fit to, but file is fitted; leave one out")
        return self


#: What legal edits may be put in order by.
By = Literal["frequencies", "spectrum", "hrm"]


class RankedConfig(Block):
    """Puts the legal edits of a program in order; for `score.mode: proposals`."""

    kind: Literal["ranked"]
    """Tag of this block."""
    by: Annotated[tuple[By, ...], Field(strict=False)] = ()
    """What each edit's probability is the product of: `frequencies` of its kind among real fixes;
    `spectrum`, how suspicious its lines are by what failing and passing visible tests run, which
    takes a test run; `hrm`, the network's probability of it. Empty: chance alone, the control."""
    checkpoint: PathWord | None = None
    """Checkpoint folder of `hrm`."""
    shortlist: Count | None = None
    """`hrm` is asked of so many edits alone, those that the others find most probable; the rest get
    the least probability of these. Null: of all, which takes some milliseconds for ten edits."""
    feedback: bool = False
    """Whether every edit that fails changes the order of those that are left: by what it changes in
    what the failing tests do, its place becomes more or less probable. Takes the test run that
    `spectrum` takes."""
    most: Count = 50_000
    """No more edits of a program are put in order; those of kinds with few members come first."""

    @model_validator(mode="after")
    def _consistent(self) -> RankedConfig:
        if len(set(self.by)) < len(self.by):
            raise ValueError("by: a value is repeated")
        if ("hrm" in self.by) != (self.checkpoint is not None):
            raise ValueError("checkpoint: goes with hrm among `by`; give both, or neither")
        if self.shortlist is not None and ("hrm" not in self.by or len(self.by) < 2):
            raise ValueError("shortlist: goes with hrm and at least one other among `by`")
        return self


class SearchConfig(RankedConfig):
    """Searches for a repair of one edit or more, by a tree over programs whose legal edits are put
    in order as `ranked` does with `feedback`; for `score.mode: proposals`."""

    kind: Literal["search"]  # type: ignore[assignment]
    """Tag of this block."""
    by: Annotated[tuple[By, ...], Field(strict=False)] = ("frequencies", "spectrum")
    """As for `ranked`."""
    feedback: Literal[True] = True
    """Always: see `ranked`."""
    rule: Literal["puct", "ucb1", "swe-search"] = "puct"
    """Which program is gone on from, and when: AlphaZero's rule, UCB1, or SWE-Search's."""
    most_edits: Count = 3
    """Edits of one repair, at most."""


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
    HRMPolicyConfig
    | NgramConfig
    | RankedConfig
    | SearchConfig
    | RandomConfig
    | ReferenceConfig
    | NoopConfig,
    Field(discriminator="kind"),
]
