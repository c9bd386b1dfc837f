"""Batches of similar length from a sample stream, made by worker processes ahead of the trainer."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hrmgym.errors import WorkerError
from hrmgym.trainers.data.bug_stream import Sample
from hrmgym.trainers.data.shown import S, S_co

#: Batches that are sorted by length together, so that a batch holds little padding.
BUCKET = 8

Batch = dict[str, Tensor]


class Stream(Protocol[S_co]):
    """Where samples come from; it is copied into every worker process."""

    def sample(self, index: int) -> S_co:
        """Sample number `index`, from 0; it depends on nothing else."""
        ...


class Buckets(Dataset[list[list[S]]]):
    """Bucket number b: samples b * size to (b + 1) * size, as `BUCKET` batches in random order.

    What a bucket holds depends on its number alone, not on which worker makes it.
    """

    def __init__(self, stream: Stream[S], batch_size: int) -> None:
        self.stream, self.batch_size = stream, batch_size

    @property
    def size(self) -> int:
        """Samples in a bucket."""
        return self.batch_size * BUCKET

    def __getitem__(self, number: int) -> list[list[S]]:
        first = number * self.size
        samples = [self.stream.sample(index) for index in range(first, first + self.size)]
        samples.sort(key=lambda one: int(np.count_nonzero(one.observation["tokens"])))
        order = np.random.default_rng(number).permutation(BUCKET)
        size = self.batch_size
        return [samples[at * size : (at + 1) * size] for at in order.tolist()]


def batches(
    stream: Stream[S], batch_size: int, start: int, workers: int
) -> Generator[list[S], None, None]:
    """Batches from sample `start` on, without end; the same whatever the number of workers.

    Args:
        stream: Samples.
        batch_size: Samples of a batch.
        start: A multiple of `batch_size`.
        workers: Processes that make samples; 0 makes them here.

    Raises:
        WorkerError: a worker process died.
    """
    buckets = Buckets(stream, batch_size)
    first, skipped = divmod(start // batch_size, BUCKET)
    loader = DataLoader(
        buckets,
        batch_size=None,
        sampler=_count_from(first),
        num_workers=workers,
        prefetch_factor=2 if workers else None,
        worker_init_fn=_start_worker,
        collate_fn=_as_it_is,
    )
    found = iter(loader)
    while True:
        with named_losses():
            bucket = next(found)
        yield from bucket[skipped:]
        skipped = 0


@contextmanager
def named_losses() -> Iterator[None]:
    """Inside, the death of a process that makes samples is a `WorkerError`.

    torch reports it as a RuntimeError, from wherever the trainer is when the signal arrives.

    Raises:
        WorkerError: a worker process died.
    """
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise WorkerError(
            f"a process that makes training samples died ({error}); most often the machine has run "
            "out of memory; lower trainer.workers, or resume"
        ) from error


def collate(samples: Sequence[Sample]) -> Batch:
    """Observations [B, ...] and `action` [B, 3 + R]."""
    batch = {
        key: torch.from_numpy(np.stack([one.observation[key] for one in samples]))
        for key in samples[0].observation
    }
    batch["action"] = torch.from_numpy(np.stack([one.action for one in samples]))
    return batch


class _count_from:
    """The numbers from `first` on."""

    def __init__(self, first: int) -> None:
        self.first = first

    def __iter__(self) -> Iterator[int]:
        number = self.first
        while True:
            yield number
            number += 1


def _as_it_is(bucket: list[list[S]]) -> list[list[S]]:
    return bucket


def _start_worker(worker: int) -> None:
    # Ctrl-C reaches every process of the terminal; the trainer decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
