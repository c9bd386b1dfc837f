"""The loss terms that ship, and what they look at.

B rows, N targets of them, R slots of a replacement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from hrmgym.hrm.edit_distribution import EditDistribution
from hrmgym.hrm.edit_model import EditModel, Encoded
from hrmgym.hrm.losses import EditLoss, halt_loss
from hrmgym.hrm.reverse import outcome_loss
from hrmgym.trainers.data.bug_stream import Sample
from hrmgym.trainers.loss_terms import Weighted, in_force, loss_term

#: Weight of the halting loss, as in HRM.
_HALT = 0.5
#: Weight of the load-balance loss of a learned router, as in Switch Transformers.
_BALANCE = 0.01
#: Weight of where an edit starts in the balanced loss: the hardest choice.
_START = 2.0

#: What belongs to each kind of supervised loss.
_USUAL: Mapping[str, tuple[str, ...]] = {
    "likelihood": ("likelihood", "halting", "balance"),
    "balanced": ("tool", "start", "end", "per_entry", "halting", "balance"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairs:
    """What a supervised term looks at: a batch of bugs and what the network makes of it."""

    model: EditModel
    samples: Sequence[Sample]
    """B of them."""
    encoded: Encoded
    """The network's states and logits, one row for each sample."""
    row: Tensor
    """The sample of each target, int64 [N]."""
    actions: Tensor
    """Targets, int64 [N, 3 + R]."""
    edits: EditDistribution
    """Over actions, one row for each target."""
    repair: EditLoss
    """Negative log-likelihood of the targets, in all and by choice."""
    right: Tensor
    """Whether a sample's greedy action is one of its targets, bool [B]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What a term of the rollout looks at: steps, and what their tests said."""

    model: EditModel
    encoded: Encoded
    """The network's states and logits, B rows."""
    actions: Tensor
    """What was done, int64 [B, 3 + R]."""
    shares: Tensor
    """Share of the visible tests that passed then, float [B]."""
    known: Tensor
    """Whether the tests were run, bool [B]."""


def supervised_terms(
    model: EditModel, kind: str = "likelihood", given: Mapping[str, float | None] | None = None
) -> list[Weighted]:
    """The terms of supervised training: those of a kind of loss, changed by `trainer.losses`.

    Errors are those of `in_force`.
    """
    return in_force("supervised", _USUAL[kind], given or {}, model)


def rollout_terms(model: EditModel, given: Mapping[str, float | None]) -> list[Weighted]:
    """The terms that PPO's own loss does not have; there may be none.

    Errors are those of `in_force`.
    """
    return in_force("rollout", ("outcome", "balance"), given, model)


# --- supervised ----------------------------------------------------------------------------------


@loss_term(tag="learn/nll")
def likelihood(batch: Repairs) -> Tensor:
    """Negative log-likelihood of the whole repairing action, in nats."""
    return batch.repair.loss


@loss_term(tag="learn/nll_tool")
def tool(batch: Repairs) -> Tensor:
    """Its part for the tool."""
    return batch.repair.parts.tool


@loss_term(tag="learn/nll_start", weight=_START)
def start(batch: Repairs) -> Tensor:
    """Its part for where the edit starts."""
    return batch.repair.parts.start


@loss_term(tag="learn/nll_end")
def end(batch: Repairs) -> Tensor:
    """Its part for where the edit ends."""
    return batch.repair.parts.end


@loss_term(tag="learn/nll_replacement")
def replacement(batch: Repairs) -> Tensor:
    """Its part for the replacement."""
    return batch.repair.parts.replacement


@loss_term(tag="learn/nll_per_entry")
def per_entry(batch: Repairs) -> Tensor:
    """Its part for the replacement, of each target divided by the number of its entries."""
    return batch.repair.parts.per_entry


@loss_term(tag="learn/halt_loss", weight=_HALT)
def halting(batch: Repairs) -> Tensor:
    """Cross entropy of the halting head towards "the greedy action is right", in nats."""
    return halt_loss(batch.encoded.q_halt, batch.right)


@loss_term(tag="learn/balance", weight=_BALANCE, part="specialists.router")
def balance(batch: Repairs) -> Tensor:
    """Load-balance loss of the learned router."""
    assert batch.encoded.balance is not None
    return batch.encoded.balance


# --- rollout -------------------------------------------------------------------------------------


@loss_term(
    tag="hrm/outcome_loss",
    weight=lambda network: network.reverse.outcome_weight,
    phase="rollout",
    part="outcome_head",
)
def outcome(batch: Outcomes) -> tuple[Tensor, dict[str, float]]:
    """Cross entropy of the foretold verdict of the tests, in nats."""
    foretold = batch.model.foretell(batch.encoded, batch.actions)
    wrong, metrics = outcome_loss(foretold, batch.shares, batch.known)
    return wrong, {"hrm/outcome_accuracy": metrics["outcome_accuracy"]}


@loss_term(tag="hrm/balance", weight=_BALANCE, phase="rollout", part="specialists.router")
def rollout_balance(batch: Outcomes) -> Tensor:
    """Load-balance loss of the learned router."""
    assert batch.encoded.balance is not None
    return batch.encoded.balance
