"""One update of supervised learning, the moving average, and the state to resume from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic

import numpy as np
import torch
from torch import Tensor

from hrmgym.errors import CheckpointError, first_line
from hrmgym.hrm.edit_model import EditModel
from hrmgym.hrm.optim import EMA, AdamATan2
from hrmgym.trainers.data.shown import S
from hrmgym.trainers.supervised_config import LearningConfig

_DEPTH_SEED = 5_000_011
#: Gradients are clipped to this norm.
_CLIP = 1.0


class SupervisedLearner(ABC, Generic[S]):
    """A network, its optimiser and its moving average; what it learns is for a subclass to say.

    Args:
        model: Trained in place.
        config: Rates; `learning_rate`, `weight_decay` and `batch_size` must be given.
        device: Where the network runs.
    """

    def __init__(self, model: EditModel, config: LearningConfig, device: str = "cpu") -> None:
        assert config.learning_rate is not None
        assert config.weight_decay is not None
        self.model = model.to(device)
        self.device, self.config = device, config
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

    @abstractmethod
    def weight(self, samples: Sequence[S]) -> int:
        """How much samples count among those of a batch."""

    @abstractmethod
    def loss(self, samples: Sequence[S]) -> tuple[Tensor, dict[str, float]]:
        """Mean loss of some samples, scalar, and metrics with `nll` among them."""

    def update(self, samples: Sequence[S], rate: float) -> dict[str, float]:
        """One step on a batch, in parts whose gradients are added up (see `part_tokens`).

        Args:
            samples: The batch.
            rate: Times the configured learning rate.

        Returns:
            Means over the batch, by what follows `learn/` in their tags (`hrmgym.trainers.tags`).
        """
        assert self.config.learning_rate is not None
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * rate
        self.optimizer.zero_grad(set_to_none=True)
        totals: dict[str, float] = {}
        whole = self.weight(samples)
        with self._drawn_depth():
            for part in parts_of(samples, self.config.part_tokens):
                loss, metrics = self.loss(part)
                share = self.weight(part) / whole
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


def parts_of(samples: Sequence[S], tokens: int) -> list[list[S]]:
    """Samples by length, in parts that hold at most so many tokens once they are padded.

    A part holds one sample at least.
    """
    lengths = [int(np.count_nonzero(one.observation["tokens"])) for one in samples]
    parts: list[list[S]] = []
    for at in sorted(range(len(samples)), key=lengths.__getitem__):
        if not parts or (len(parts[-1]) + 1) * lengths[at] > tokens:
            parts.append([])
        parts[-1].append(samples[at])
    return parts
