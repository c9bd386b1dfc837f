"""Supervised learning of repairs as canvas actions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from hrmgym.hrm.edit_model import EditModel
from hrmgym.hrm.losses import edit_loss
from hrmgym.policies.distribution import edit_distribution
from hrmgym.trainers.data.batches import collate
from hrmgym.trainers.data.bug_stream import Sample
from hrmgym.trainers.data.selector import Selector
from hrmgym.trainers.loss_terms import Weighted, weighted_sum
from hrmgym.trainers.losses import Repairs, supervised_terms
from hrmgym.trainers.supervised import SupervisedLearner
from hrmgym.trainers.supervised_config import SupervisedConfig


class Learner(SupervisedLearner[Sample]):
    """Learns the action that repairs.

    Args:
        model: Trained in place.
        config: Rates; `learning_rate`, `weight_decay` and `batch_size` must be given.
        device: Where the network runs.
        selector: Is told what the network misses.

    Raises:
        ConfigError: `losses` names a term that is not for this network.
    """

    def __init__(
        self,
        model: EditModel,
        config: SupervisedConfig,
        device: str = "cpu",
        selector: Selector | None = None,
    ) -> None:
        super().__init__(model, config, device)
        self.selector = selector
        self.terms = supervised_terms(model, config.loss, config.losses)

    def weight(self, samples: Sequence[Sample]) -> int:
        """Actions to learn from; each counts the same."""
        return count_targets(samples)

    def loss(self, samples: Sequence[Sample]) -> tuple[Tensor, dict[str, float]]:
        """See `repair_loss`."""
        loss, metrics, exact = repair_loss(self.model, samples, self.device, self.terms)
        if self.selector is not None:
            for sample, right in zip(samples, exact, strict=True):
                self.selector.report(sample.operator, sample.kind, 1.0 - right)
        return loss, metrics


def count_targets(samples: Sequence[Sample]) -> int:
    """Actions to learn from in a batch; each counts the same."""
    return sum(1 + len(one.others) for one in samples)


def repair_loss(
    model: EditModel, samples: Sequence[Sample], device: str, terms: Sequence[Weighted]
) -> tuple[Tensor, dict[str, float], list[bool]]:
    """Loss of the repairing actions, scalar, metrics, and which greedy actions are right.

    A sample with several targets is encoded once; each target counts the same in the loss and its
    parts, and the greedy action of a sample is right if it is any of them. The best network is the
    same for both kinds of loss, since every choice has a distribution of its own.

    Args:
        model: The network.
        samples: Bugs and their repairs.
        device: Where the network is.
        terms: What the loss is made of: see `supervised_terms`.
    """
    batch = {key: value.to(device) for key, value in collate(samples).items()}
    action = batch.pop("action")
    encoded = model.encode(batch)
    several = any(one.others for one in samples)
    row = torch.arange(len(samples), device=action.device)
    if several:
        number = torch.tensor([1 + len(one.others) for one in samples], device=action.device)
        row = row.repeat_interleave(number)
        every = [target for one in samples for target in (one.action, *one.others)]
        action = torch.from_numpy(np.stack(every)).to(action.device)
        batch = {key: batch[key][row] for key in ("roles", "budget")}
    edits = edit_distribution(model, encoded.rows(row) if several else encoded, batch)
    repair = edit_loss(edits, action)
    right = torch.zeros(len(samples), dtype=torch.int64, device=action.device)
    right = right.index_add(0, row, repair.exact.long()) > 0
    seen = Repairs(
        model=model,
        samples=samples,
        encoded=encoded,
        row=row,
        actions=action,
        edits=edits,
        repair=repair,
        right=right,
    )
    loss, found = weighted_sum(terms, seen)
    metrics = {**repair.metrics, **repair.parts.logged()}
    metrics["exact"] = float(right.float().mean())
    metrics |= {tag.removeprefix("learn/"): value for tag, value in found.items()}
    return loss, metrics, right.tolist()
