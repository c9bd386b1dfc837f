"""Supervised warm start: the network learns to take self-made bugs out again.

Reinforcement learning then starts from a policy that sometimes succeeds, not from nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.logger import Logger
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from hrmgym.errors import CheckpointError
from hrmgym.hrm.losses import edit_loss
from hrmgym.policies.hrm import HRMPolicy
from hrmgym.trainers.bug_stream import BugStream, Sample
from hrmgym.trainers.config import WarmStartConfig
from hrmgym.trainers.gradients import gradient_norms

#: Batches that are sorted by length together, so that a batch holds little padding.
_BUCKET = 8
_WARM_UP = 0.05
_LOG_EVERY = 20

Batch = dict[str, Tensor]


class Batches(IterableDataset[Batch]):
    """Batches of similar length from a bug stream, from sample `start` to sample `stop`."""

    def __init__(self, stream: BugStream, batch_size: int, start: int, stop: int) -> None:
        self.stream, self.batch_size = stream, batch_size
        self.start, self.stop = start, stop

    def __iter__(self) -> Iterator[Batch]:
        size = self.batch_size
        for first in range(self.start, self.stop, size * _BUCKET):
            last = min(first + size * _BUCKET, self.stop)
            samples = [self.stream.sample(index) for index in range(first, last)]
            samples.sort(key=lambda one: int(np.count_nonzero(one.observation["tokens"])))
            groups = [samples[at : at + size] for at in range(0, len(samples), size)]
            order = np.random.default_rng(first).permutation(len(groups))
            for index in order:
                yield collate(groups[int(index)])


def collate(samples: list[Sample]) -> Batch:
    """Observations [B, ...] and `action` [B, 3 + R]."""
    batch = {
        key: torch.from_numpy(np.stack([one.observation[key] for one in samples]))
        for key in samples[0].observation
    }
    batch["action"] = torch.from_numpy(np.stack([one.action for one in samples]))
    return batch


@dataclass(frozen=True, slots=True)
class Progress:
    """What a progress bar shows after each update."""

    samples: int
    total: int
    samples_per_s: float
    loss: float


def warm_start(
    policy: HRMPolicy,
    stream: BugStream,
    held_out: list[Sample],
    config: WarmStartConfig,
    logger: Logger,
    state_file: Path,
    on_update: Callable[[Progress], None] = lambda progress: None,
) -> None:
    """Trains the policy's network in place.

    The state is kept in `state_file` at every evaluation and on Ctrl-C; where the file exists, the
    run goes on behind its last sample.

    Args:
        policy: Holds the network.
        stream: Training samples.
        held_out: Samples of programs that the stream does not hold.
        config: Sizes and rates.
        logger: Gets the `hrm/` tags.
        state_file: Weights, optimiser and position.
        on_update: Called after each update.
    """
    model = policy.model
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    done = _restore(state_file, policy, optimizer) if state_file.exists() else 0
    if done >= config.samples:
        return
    batches = Batches(stream, config.batch_size, done, config.samples)
    loader = DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=_BUCKET)
    started_s, first = time.monotonic(), done
    policy.set_training_mode(True)
    recent: list[dict[str, float]] = []
    try:
        for update, batch in enumerate(loader, start=1):
            elapsed_s = time.monotonic() - started_s
            progress = max(done / config.samples, elapsed_s / (config.seconds or math.inf))
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * _schedule(progress)
            recent.append(_update(policy, optimizer, batch))
            done += len(batch["action"])
            rate = (done - first) / (time.monotonic() - started_s)
            on_update(Progress(done, config.samples, rate, recent[-1]["nll"]))
            if update % _LOG_EVERY == 0:
                _log(logger, recent, model, done, rate)
                recent = []
            # The bucket's border: the stream can be taken up again exactly here.
            border = (done - batches.start) % (config.batch_size * _BUCKET) == 0
            if border and update % config.evaluate_every < _BUCKET:
                evaluate(policy, held_out, logger, done, config.batch_size)
                _save(state_file, policy, optimizer, done)
            if elapsed_s > (config.seconds or math.inf):
                break
    except KeyboardInterrupt:
        # Samples of an unfinished bucket are drawn again on resume.
        _save(state_file, policy, optimizer, done - done % (config.batch_size * _BUCKET))
        raise
    evaluate(policy, held_out, logger, done, config.batch_size)
    _save(state_file, policy, optimizer, config.samples)


def _schedule(progress: float) -> float:
    """Linear warm-up, then a cosine to a tenth of the rate."""
    if progress < _WARM_UP:
        return (progress + 1e-3) / _WARM_UP
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (progress - _WARM_UP) / (1 - _WARM_UP)))


def _update(policy: HRMPolicy, optimizer: torch.optim.Optimizer, batch: Batch) -> dict[str, float]:
    batch = {key: value.to(policy.device) for key, value in batch.items()}
    action = batch.pop("action")
    _, edits = policy.encode(batch)
    loss = edit_loss(edits, action)
    optimizer.zero_grad(set_to_none=True)
    loss.loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(policy.model.parameters(), 1.0)
    optimizer.step()
    return loss.metrics


def _log(
    logger: Logger, recent: list[dict[str, float]], model: Any, done: int, rate: float
) -> None:
    for name in recent[0]:
        logger.record(f"hrm/warm_start_{name}", float(np.mean([one[name] for one in recent])))
    logger.record("hrm/warm_start_samples_per_s", rate)
    for name, norm in gradient_norms(model).items():
        logger.record(f"hrm/grad_norm_{name}", norm)
    logger.dump(done)


def evaluate(
    policy: HRMPolicy, samples: list[Sample], logger: Logger, done: int, batch_size: int
) -> dict[str, float]:
    """Greedy accuracies on held-out samples, logged as `hrm/held_out_*`."""
    if not samples:
        return {}
    policy.set_training_mode(False)
    totals: dict[str, float] = {}
    for at in range(0, len(samples), batch_size):
        chunk = samples[at : at + batch_size]
        batch = {key: value.to(policy.device) for key, value in collate(chunk).items()}
        action = batch.pop("action")
        with torch.no_grad():
            metrics = edit_loss(policy.encode(batch)[1], action).metrics
        for name, value in metrics.items():
            totals[name] = totals.get(name, 0.0) + value * len(chunk) / len(samples)
    policy.set_training_mode(True)
    for name, value in totals.items():
        logger.record(f"hrm/held_out_{name}", value)
    logger.dump(done)
    return totals


def _save(path: Path, policy: HRMPolicy, optimizer: torch.optim.Optimizer, done: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".partial")
    state = {
        "model": policy.model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "samples": done,
    }
    torch.save(state, scratch)
    scratch.replace(path)


def _restore(path: Path, policy: HRMPolicy, optimizer: torch.optim.Optimizer) -> int:
    """Takes up a saved state; the number of samples that it has seen."""
    try:
        state = torch.load(path, map_location=policy.device, weights_only=True)
        policy.model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        return int(state["samples"])
    except (OSError, RuntimeError, KeyError, ValueError, EOFError, UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{path}: not the state of this model's warm start: {reason}"
        ) from error
