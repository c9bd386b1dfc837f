"""Training losses: HRM's own, and those of the edit policy.

B batch, S positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hrmgym.errors import ActionError
from hrmgym.hrm.copying import PAD
from hrmgym.hrm.edit_distribution import EditDistribution, Evaluation
from hrmgym.hrm.halting import Carry
from hrmgym.hrm.model import HRM, Outputs

#: Label of a position that does not count (HRM, models/losses.py).
IGNORE_LABEL = -100


class ActLoss(Tensor):
    """Result of `act_loss`: the loss itself, which unpacks into all that came with it.

    loss = act_loss(model, carry, batch)                            # a scalar tensor
    carry, loss, metrics, outputs = act_loss(model, carry, batch)   # or all four
    """

    # What is computed from it is a plain tensor.
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    carry: Carry
    """For the next segment."""
    loss: Tensor
    """Summed over the batch, scalar; divide by the global batch size before the backward pass."""
    metrics: dict[str, Tensor]
    """Sums, not means. `count`, `accuracy`, `exact_accuracy`, `q_halt_accuracy` and `steps` are
    over the rows that halted and have a label; `lm_loss`, `q_halt_loss` and `q_continue_loss`
    over all rows."""
    outputs: Outputs
    """What the model returned, detached."""

    @classmethod
    def of(
        cls, carry: Carry, loss: Tensor, metrics: dict[str, Tensor], outputs: Outputs
    ) -> ActLoss:
        """Puts the four together."""
        made = loss.as_subclass(cls)
        made.carry, made.loss, made.metrics, made.outputs = carry, loss, metrics, outputs
        return made

    def __iter__(self) -> Iterator[Any]:
        return iter((self.carry, self.loss, self.metrics, self.outputs))


class EditParts(NamedTuple):
    """Negative log-likelihoods of an action's choices in nats, weighted means, scalars.

    The first four add up to the loss.
    """

    tool: Tensor
    start: Tensor
    end: Tensor
    replacement: Tensor
    per_entry: Tensor
    """`replacement`, of each row divided by the number of its entries first."""

    def logged(self) -> dict[str, float]:
        """As metrics."""
        return {f"nll_{name}": float(getattr(self, name).detach()) for name in self._fields[:4]}


class EditLoss(NamedTuple):
    """Result of `edit_loss`."""

    loss: Tensor
    """Weighted mean negative log-likelihood in nats, scalar."""
    metrics: dict[str, float]
    """`nll`; `tool_accuracy`; `exact` (share of rows whose greedy action is the target);
    `start_accuracy` and `span_accuracy` (greedy start; start and end), over the rows that edit
    (0 where none does)."""
    exact: Tensor
    """Whether the greedy action is the target, bool [B]: the target of `halt_loss`."""
    parts: EditParts


def stablemax_cross_entropy(logits_BSV: Tensor, labels_BS: Tensor) -> Tensor:
    """Cross entropy with stablemax in place of softmax; 0 where the label is `IGNORE_LABEL`.

    Stablemax (Prieto et al. 2025, arXiv 2501.04697) puts s(x) = x + 1 for x >= 0 and 1 / (1 - x)
    below in the place of exp(x). In fp64, as HRM has it, except on MPS, which has no fp64.

    Returns:
        [B, S].
    """
    wide = logits_BSV.to(torch.float32 if logits_BSV.device.type == "mps" else torch.float64)
    # Each branch sees only arguments on its own side, so that neither gradient can overflow.
    s_BSV = torch.where(wide < 0, 1 / (1 - wide.clamp(max=0)), wide.clamp(min=0) + 1)
    valid_BS = labels_BS != IGNORE_LABEL
    index_BS1 = torch.where(valid_BS, labels_BS, 0).long().unsqueeze(-1)
    log_p_BS = s_BSV.gather(-1, index_BS1).squeeze(-1).log() - s_BSV.sum(-1).log()
    return -torch.where(valid_BS, log_p_BS, 0.0)


def act_loss(model: HRM, carry: Carry, batch: Mapping[str, Tensor]) -> ActLoss:
    """Runs one segment and returns its loss (HRM, models/losses.py, `ACTLossHead`).

    Sum over rows of the mean token loss + 0.5 * (q_halt towards "the whole sequence is right" +
    q_continue towards its bootstrapped target). Labels that do not count must be `IGNORE_LABEL`:
    the released data sets write 0 there, and HRM's loader replaces it.

    Returns:
        The summed loss, a scalar tensor in fp64; see `ActLoss` for what else it holds. Gradients of
        puzzle rows are in `model.inner.puzzle_emb.local_weights.grad` after the backward pass.
    """
    carry, outputs = model(carry, batch)
    labels_BS = carry.current_data["labels"]
    with torch.no_grad():
        valid_BS = labels_BS != IGNORE_LABEL
        count_B = valid_BS.sum(-1)
        divisor_B = count_B.clamp(min=1)
        hits_B = (valid_BS & (outputs["logits"].argmax(-1) == labels_BS)).sum(-1)
        right_B = hits_B == count_B
        counted_B = carry.halted & (count_B > 0)
        halts_right_B = (outputs["q_halt_logits"] >= 0) == right_B
        metrics = {
            "count": counted_B.sum(),
            "accuracy": torch.where(counted_B, hits_B / divisor_B, 0.0).sum(),
            "exact_accuracy": (counted_B & right_B).sum(),
            "q_halt_accuracy": (counted_B & halts_right_B).sum(),
            "steps": torch.where(counted_B, carry.steps, 0).sum(),
        }
    token_loss_BS = stablemax_cross_entropy(outputs["logits"], labels_BS)
    lm_loss = (token_loss_BS / divisor_B.unsqueeze(-1)).sum()
    metrics["lm_loss"] = lm_loss.detach()
    q_loss = F.binary_cross_entropy_with_logits(
        outputs["q_halt_logits"], right_B.to(outputs["q_halt_logits"].dtype), reduction="sum"
    )
    metrics["q_halt_loss"] = q_loss.detach()
    if "target_q_continue" in outputs:
        q_continue_loss = F.binary_cross_entropy_with_logits(
            outputs["q_continue_logits"], outputs["target_q_continue"], reduction="sum"
        )
        metrics["q_continue_loss"] = q_continue_loss.detach()
        q_loss = q_loss + q_continue_loss
    detached = Outputs({key: value.detach() for key, value in outputs.items()})
    return ActLoss.of(carry, lm_loss + 0.5 * q_loss, metrics, detached)


def edit_loss(
    distribution: EditDistribution, actions: Tensor, weights: Tensor | None = None
) -> EditLoss:
    """Negative log-likelihood of target actions.

    Args:
        distribution: of the observations.
        actions: targets, int64 [B, 3 + R].
        weights: of each row, not negative [B]; all 1 by default.

    Raises:
        ActionError: when a target is not a legal action.
    """
    result = distribution.evaluate(actions, hits=True)
    illegal = result.log_prob.detach() == -torch.inf
    if bool(illegal.any()):
        row = int(illegal.nonzero()[0])
        raise ActionError(f"row {row}: target {actions[row].tolist()} is not a legal action")
    if weights is None:
        weights = torch.ones_like(result.log_prob)
    loss = -(weights * result.log_prob).sum() / weights.sum()
    parts = _parts(result, actions, weights / weights.sum())
    assert result.hits is not None
    hits, edits_B = result.hits, actions[:, 0] == 0
    edits = edits_B.sum().clamp(min=1)
    exact_B = hits.tool & hits.start & hits.end & hits.replacement
    values = torch.stack(
        [
            loss.detach(),
            hits.tool.float().mean(),
            exact_B.float().mean(),
            (hits.start & edits_B).sum() / edits,
            (hits.start & hits.end & edits_B).sum() / edits,
        ]
    ).tolist()
    names = ("nll", "tool_accuracy", "exact", "start_accuracy", "span_accuracy")
    return EditLoss(loss, dict(zip(names, values, strict=True)), exact_B, parts)


def _parts(result: Evaluation, actions: Tensor, share_B: Tensor) -> EditParts:
    """The choices' shares in the log-probabilities of legal actions."""
    replacement_B = result.log_prob - sum(result.choices)
    entries_B = (actions[:, 3:] != PAD).sum(1).clamp(min=1)  # the END counts

    def mean(part_B: Tensor) -> Tensor:
        return -(share_B * part_B).sum()

    return EditParts(*map(mean, (*result.choices, replacement_B, replacement_B / entries_B)))


def value_loss(value_B: Tensor, returns_B: Tensor) -> Tensor:
    """Half the mean squared error of predicted returns, scalar."""
    return 0.5 * F.mse_loss(value_B, returns_B)


def halt_loss(q_halt_B: Tensor, right_B: Tensor) -> Tensor:
    """Mean binary cross entropy of the halting logit towards "the answer is right", scalar."""
    return F.binary_cross_entropy_with_logits(q_halt_B, right_B.to(q_halt_B.dtype))
