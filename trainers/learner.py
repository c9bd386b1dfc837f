"""Supervised learning of repairs: one update, the moving average, and the state to resume from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hrmgym.errors import CheckpointError, first_line
from hrmgym.hrm.edit_model import EditModel
from hrmgym.hrm.losses import edit_loss
from hrmgym.hrm.optim import EMA, AdamATan2
from hrmgym.policies.distribution import edit_distribution
from hrmgym.trainers.data.batches import collate
from hrmgym.trainers.data.bug_stream import Sample
from hrmgym.trainers.data.selector import Selector
from hrmgym.trainers.loss_terms import Weighted, weighted_sum
from hrmgym.trainers.losses import Repairs, supervised_terms
from hrmgym.trainers.supervised_config import SupervisedConfig

_DEPTH_SEED = 5_000_011
#: Gradients are clipped to this norm.
_CLIP = 1.0


class Learner:
    """A network, its optimiser and its moving average.

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
        assert config.learning_rate is not None
        assert config.weight_decay is not None
        self.model = model.to(device)
        self.device, self.config, self.selector = device, config, selector
        self.terms = supervised_terms(model, config.loss, config.losses)
        self.optimizer: torch.optim.Optimizer
        if config.optimizer == "adam_atan2":
            self.optimizer = AdamATan2(
                model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
            )
        else:
            self.optimizer = torch.optim.AdamW(
                model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
            )
        self.ema = EMA(model, config.ema) if config.ema is not None else None
        self.done = 0
        """Samples seen."""
        self.updates = 0
        self.seconds = 0.0
        """Time trained, over all starts."""

    def update(self, samples: Sequence[Sample], rate: float) -> dict[str, float]:
        """One step on a batch, in parts whose gradients are added up (see `part_tokens`).

        Args:
            samples: The batch.
            rate: Times the configured learning rate.

        Returns:
            Means over the batch: see `hrmgym.trainers.tags.LEARNING_TAGS`, here without `learn/`.
        """
        assert self.config.learning_rate is not None
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * rate
        self.optimizer.zero_grad(set_to_none=True)
        totals: dict[str, float] = {}
        targets = count_targets(samples)
        with self._drawn_depth():
            for part in parts_of(samples, self.config.part_tokens):
                loss, metrics, exact = repair_loss(self.model, part, self.device, self.terms)
                if self.selector is not None:
                    for sample, right in zip(part, exact, strict=True):
                        self.selector.report(sample.operator, sample.kind, 1.0 - right)
                share = count_targets(part) / targets
                (loss * share).backward()  # type: ignore[no-untyped-call]
                for name, value in metrics.items():
                    totals[name] = totals.get(name, 0.0) + share * value
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), _CLIP)
        totals["grad_norm"] = float(norm)
        self.optimizer.step()
        self.updates += 1
        self.done += len(samples)
        if self.ema is not None:
            assert self.config.ema is not None
            # The average of few updates must not be mostly the initial weights.
            self.ema.decay = min(self.config.ema, (1 + self.updates) / (10 + self.updates))
            self.ema.update()
        return totals

    @contextmanager
    def _drawn_depth(self) -> Iterator[None]:
        """Where rows halt by themselves, inside all of them run the same number of segments.

        It is drawn by the update's number alone: a resumed run draws the same.
        """
        shape = self.model.config
        if shape.halting:
            draw = np.random.default_rng((_DEPTH_SEED, self.updates))
            self.model.depth = int(draw.integers(1, shape.segments + 1))
        try:
            yield
        finally:
            self.model.depth = None

    @contextmanager
    def averaged(self) -> Iterator[EditModel]:
        """The network with the weights to ship, in evaluation mode, for the block."""
        self.model.eval()
        if self.ema is None:
            yield self.model
        else:
            with self.ema.applied():
                yield self.model

    def keep_average(self) -> None:
        """Makes the moving average the network's own weights."""
        if self.ema is not None:
            self.model.load_state_dict(self.ema.state_dict(), strict=False)

    def save(self, path: Path, **more: int) -> None:
        """Writes everything that `load` needs, so that a crash never leaves half of it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(".partial")
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": None if self.ema is None else self.ema.state_dict(),
            "samples": self.done,
            "updates": self.updates,
            "seconds": self.seconds,
            **more,
        }
        torch.save(state, scratch)
        scratch.replace(path)

    def load(self, path: Path) -> Mapping[str, Any]:
        """Takes up a saved state; rates stay those of the configuration.

        Raises:
            CheckpointError: it cannot be read, or is of another model or optimiser.
        """
        rates = [
            {key: group[key] for key in ("weight_decay",)} for group in self.optimizer.param_groups
        ]
        try:
            state: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            if self.ema is not None:
                # A run that begins to average starts from where it is.
                self.ema.load_state_dict(state["ema"] or dict(self.model.named_parameters()))
            self.done, self.updates = int(state["samples"]), int(state["updates"])
            self.seconds = float(state.get("seconds", 0.0))
        except Exception as error:  # a broken pickle may raise anything
            reason = first_line(error)
            raise CheckpointError(
                f"{path}: not the state of this model's supervised training: {reason}"
            ) from error
        for group, own in zip(self.optimizer.param_groups, rates, strict=True):
            group |= own
        return state


def parts_of(samples: Sequence[Sample], tokens: int) -> list[list[Sample]]:
    """Samples by length, in parts that hold at most so many tokens once they are padded.

    A part holds one sample at least.
    """
    lengths = [int(np.count_nonzero(one.observation["tokens"])) for one in samples]
    parts: list[list[Sample]] = []
    for at in sorted(range(len(samples)), key=lengths.__getitem__):
        if not parts or (len(parts[-1]) + 1) * lengths[at] > tokens:
            parts.append([])
        parts[-1].append(samples[at])
    return parts


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
