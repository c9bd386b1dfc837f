"""The stream of what a run logs: TensorBoard's event files, and whoever listens.

A run that is resumed does again what came after its last saved state, so what was logged of that is
taken out of the event files first: each step is there once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import (
    HParam,
    KVWriter,
    Logger,
    TensorBoardOutputFormat,
)
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter

#: Called with a step and the scalars that are logged at it, by tag.
OnMetrics = Callable[[int, Mapping[str, float]], None]


class StoppedByListener(Exception):
    """Who listens to the metrics has ended the training; its own error, if any, is the cause."""


class _Listener(KVWriter):
    """Passes scalars on as they are logged."""

    def __init__(self, on_metrics: OnMetrics) -> None:
        self._on_metrics = on_metrics

    def write(
        self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0
    ) -> None:
        scalars = {
            key: float(value)
            for key, value in key_values.items()
            if "tensorboard" not in key_excluded[key] and not isinstance(value, (str, HParam))
        }
        if not scalars:
            return
        try:
            self._on_metrics(step, scalars)
        except StoppedByListener:
            raise
        except (Exception, SystemExit) as error:  # Ray Tune ends a trial by `sys.exit`
            raise StoppedByListener from error

    def close(self) -> None:
        """Nothing is held."""


def make_logger(folder: Path, on_metrics: OnMetrics | None = None) -> Logger:
    """Logs to a TensorBoard folder, and to a listener, where what it raises is `StoppedByListener`.

    The listener comes last: what it is told is in the event files already.
    """
    writers: list[KVWriter] = [TensorBoardOutputFormat(str(folder))]
    if on_metrics is not None:
        writers.append(_Listener(on_metrics))
    return Logger(str(folder), writers)


def describe(
    logger: Logger, text: str, hparams: Mapping[str, Any], metrics: tuple[str, ...], step: int
) -> None:
    """Logs the resolved configuration, as text and for TensorBoard's HParams tab.

    Args:
        logger: Where to.
        text: The configuration, as YAML.
        hparams: The same by dotted key; lists and such are written as text.
        metrics: Tags of the scalars that the tab shows beside them.
        step: Of the run.
    """
    plain = {
        key: value if isinstance(value, (bool, int, float, str)) else str(value)
        for key, value in hparams.items()
    }
    aside = ("stdout", "log", "json", "csv")
    logger.record("run/config", f"```yaml\n{text}\n```", exclude=aside)
    logger.record("run/hparams", HParam(plain, dict.fromkeys(metrics, 0.0)), exclude=aside)
    logger.dump(step)


def drop_after(folder: Path, time: float) -> int:
    """Takes out of a folder's event files what was logged after a point in time.

    Args:
        folder: Of TensorBoard; folders in it are left alone.
        time: In seconds since the epoch.

    Returns:
        Number of events taken out.
    """
    dropped = 0
    for path in sorted(folder.glob("events.out.tfevents.*")):
        if not path.is_file():
            continue
        records = list(RawEventFileLoader(str(path)).Load())
        kept = [one for one in records if Event.FromString(one).wall_time <= time]
        if len(kept) == len(records):
            continue
        dropped += len(records) - len(kept)
        if not kept:
            path.unlink()
            continue
        scratch = path.with_name(f".partial-{path.name}")
        with scratch.open("wb") as file:
            writer = RecordWriter(file)
            for record in kept:
                writer.write(record)
        scratch.replace(path)
    return dropped
