"""Which losses there are: terms by name, each with a weight and a TensorBoard tag.

A loss is a weighted sum of terms; each is a small function of what one run of the network gave. One
from outside the package is a decorated function and, for a short name, one call:

    @loss_term(tag="learn/confidence", weight=0.1)
    def confidence(batch: Repairs) -> Tensor:
        return batch.encoded.q_halt.square().mean()

    register_loss("confidence", "my_package.losses:confidence")

`trainer.losses: {confidence: 0.2}` then adds it, and `"my_package.losses:confidence": null` does so
everywhere, with the term's own weight. Importing this needs no torch; the terms that ship are in
`hrmgym.trainers.losses`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator

from hrmgym.errors import ConfigError
from hrmgym.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from hrmgym.hrm.config import EditModelConfig
    from hrmgym.hrm.edit_model import EditModel

Phase = Literal["supervised", "rollout"]


@dataclass(frozen=True, slots=True)
class LossTerm:
    """One term; made by `loss_term`."""

    function: Callable[[Any], Tensor | tuple[Tensor, Mapping[str, float]]]
    """From a `Repairs` (supervised) or an `Outcomes` (rollout) to the term, a scalar, before its
    weight; and, if it likes, further metrics by TensorBoard tag."""
    tag: str
    """TensorBoard tag of its value: `learn/...` in supervised training, `hrm/...` in PPO."""
    weight: float | Callable[[EditModelConfig], float]
    """Its weight where the configuration gives none."""
    phase: Phase
    """Whether it is of supervised training or of PPO's rollouts."""
    part: str
    """The part of the network that it is about, `outcome_head`; networks without it do without the
    term. Empty: it is for all."""


@dataclass(frozen=True, slots=True)
class Weighted:
    """A term in force."""

    name: str
    term: LossTerm
    weight: float


def loss_term(
    *,
    tag: str,
    weight: float | Callable[[EditModelConfig], float] = 1.0,
    phase: Phase = "supervised",
    part: str = "",
) -> Callable[[Callable[[Any], Any]], LossTerm]:
    """Makes a function a loss term: see `LossTerm` for the arguments."""

    def made(function: Callable[[Any], Any]) -> LossTerm:
        return LossTerm(function, tag, weight, phase, part)

    return made


#: The terms that `trainer.losses` may name, by the phase that they belong to.
LOSSES: Mapping[Phase, Registry[LossTerm]] = {
    "supervised": Registry("loss", "a loss term", lambda found: isinstance(found, LossTerm)),
    "rollout": Registry("loss", "a loss term", lambda found: isinstance(found, LossTerm)),
}


def register_loss(name: str, entry_point: str, phase: Phase = "supervised") -> None:
    """Adds a loss term to those that `trainer.losses` may name.

    Args:
        name: For experiment files.
        entry_point: `module:function` of a `loss_term`; not imported before it is used.
        phase: Where it is computed: in supervised training, or after each of PPO's updates.

    Raises:
        ConfigError: the name stands for another term already.
    """
    LOSSES[phase].register(name, entry_point)


def _portable(phase: Phase) -> Callable[[dict[str, float | None]], dict[str, float | None]]:
    def read(given: dict[str, float | None]) -> dict[str, float | None]:
        found = {LOSSES[phase].portable(name): weight for name, weight in given.items()}
        if len(found) < len(given):
            raise ValueError("a loss is given twice, by its name and by its entry point")
        return found

    return read


SupervisedLosses = Annotated[dict[str, float | None], AfterValidator(_portable("supervised"))]
RolloutLosses = Annotated[dict[str, float | None], AfterValidator(_portable("rollout"))]


def in_force(
    phase: Phase,
    usual: Sequence[str],
    given: Mapping[str, float | None],
    network: EditModel,
) -> list[Weighted]:
    """The terms of a loss.

    Args:
        phase: Whose terms.
        usual: Names of those that belong to it; one that the network has no part for is left out.
        given: Name -> weight from the configuration, of these and of further ones; None is the
            term's own weight, and 0 leaves it out.
        network: What is trained.

    Raises:
        UnknownNameError: no such term.
        ConfigError: a term is of another phase, or of a part that the network does not have; or no
            term is left.
    """
    found: list[Weighted] = []
    for name in dict.fromkeys((*usual, *given)):
        term = LOSSES[phase].load(name)
        if term.phase != phase:
            raise ConfigError(f"losses: {name!r} is for the {term.phase} phase, not {phase}")
        weight = given.get(name)
        if weight is None:
            own = term.weight
            weight = float(own(network.config) if callable(own) else own)
        if not weight:
            continue
        if not _has(network, term.part):
            if name in given:
                raise ConfigError(f"losses: {name!r} needs a network with {term.part}")
            continue
        found.append(Weighted(name, term, weight))
    if not found and phase == "supervised":
        raise ConfigError("losses: every weight is 0, so there is nothing to learn")
    return found


def _has(network: object, part: str) -> bool:
    for name in filter(None, part.split(".")):
        if not hasattr(network, name):
            return False
        network = getattr(network, name)
    return True


def weighted_sum(terms: Sequence[Weighted], batch: Any) -> tuple[Tensor, dict[str, float]]:
    """The loss, a scalar, and the value of each term by its tag, before its weight.

    Args:
        terms: At least one.
        batch: What the terms look at.
    """
    total: Tensor | None = None
    metrics: dict[str, float] = {}
    for one in terms:
        found = one.term.function(batch)
        value, more = found if isinstance(found, tuple) else (found, {})
        metrics[one.term.tag] = float(value.detach())
        metrics |= more
        total = one.weight * value if total is None else total + one.weight * value
    assert total is not None
    return total, metrics


for _name in ("likelihood", "tool", "start", "end", "replacement", "per_entry"):
    register_loss(_name, f"hrmgym.trainers.losses:{_name}")
register_loss("halting", "hrmgym.trainers.losses:halting")
register_loss("balance", "hrmgym.trainers.losses:balance")
register_loss("outcome", "hrmgym.trainers.losses:outcome", "rollout")
register_loss("balance", "hrmgym.trainers.losses:rollout_balance", "rollout")
