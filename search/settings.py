"""The rule of a tree search, and its constants."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from hrmgym.errors import ConfigError, did_you_mean
from hrmgym.search.selection import C_BASE, C_INIT

Rule = Literal["puct", "ucb1", "swe-search", "gumbel"]
RULES: tuple[Rule, ...] = ("puct", "ucb1", "swe-search", "gumbel")


@dataclass(frozen=True, slots=True)
class TreeSettings:
    """How a tree search chooses.

    Raises:
        ConfigError: a value is out of its range.
    """

    rule: Rule = "puct"
    """See `selection`."""
    c_init: float = C_INIT
    """Of PUCT."""
    c_base: float = C_BASE
    """Of PUCT."""
    c: float = math.sqrt(2)
    """Weight of exploration of UCB1 and SWE-Search's rule."""
    considered: int = 16
    """Of the Gumbel rule: how many of the root's actions are considered."""
    noise: float = 1.0
    """Of the Gumbel rule: scale of its noise. 0 where it acts and does not make training data: with
    noise it chooses by chance among actions that it cannot tell apart."""
    discount: float = 1.0
    """Of what comes a step later."""
    widening: tuple[float, float] | None = None
    """(c, a): a node of N simulations has at most c N^a edges open, one at least (progressive
    widening, Coulom 2007). None: as many as the rule opens."""
    transpositions: bool = True
    """Whether an evaluation holds for all states of one key; statistics stay an edge's own."""
    virtual_loss: float = 1.0
    """How many lost simulations a pending one counts as."""
    most_depth: int = 32
    """Nothing is looked for below."""

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ConfigError(
                f"search rule {self.rule!r}: not one of {', '.join(RULES)}"
                f"{did_you_mean(self.rule, RULES)}"
            )
        positive = {"considered": self.considered, "most_depth": self.most_depth}
        for name, value in positive.items():
            if value < 1:
                raise ConfigError(f"search {name}: {value} is less than 1")
        zero = {"c_init": self.c_init, "c": self.c, "noise": self.noise}
        for name, amount in {**zero, "virtual_loss": self.virtual_loss}.items():
            if not amount >= 0:
                raise ConfigError(f"search {name}: {amount} is less than 0")
        if not 0 < self.discount <= 1:
            raise ConfigError(f"search discount: {self.discount} is not above 0 and at most 1")
        if self.widening is not None and not (self.widening[0] > 0 and 0 < self.widening[1] <= 1):
            raise ConfigError(f"search widening: {self.widening}: wanted (c > 0, 0 < a <= 1)")
