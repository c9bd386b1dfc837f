"""Several runs at once, each a process of its own: what a `sweep:` describes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrmgym.errors import DataError
from hrmgym.experiments.evaluate.reading import read_report
from hrmgym.experiments.run import RunFolder
from hrmgym.experiments.schema import Experiment
from hrmgym.trainers.stopping import stop_signals
from hrmgym.trainers.threads import usable_cpus

#: What a run's process prints, in its folder.
OUTPUT = "output.txt"

_POLL = 0.2  # seconds
#: Exit status of a run whose results are in part without a verdict: it has finished.
_FINISHED = (0, 3)
#: `python -m` would name the module's file in run.json.
_START = "import sys; from hrmgym.cli import main; sys.exit(main(sys.argv[1:]))"


@dataclass(frozen=True, slots=True)
class SweptRun:
    """What became of one run."""

    run: RunFolder
    status: int
    """Exit status of its process, as of `hrmgym train`; below 0: the signal that killed it."""
    seconds: float

    @property
    def report(self) -> Mapping[str, Any] | None:
        """The trained policy's report; None: it did not get there, or the file is broken."""
        try:
            return read_report(self.run.scores / "trained.json")
        except DataError:
            return None

    @property
    def said(self) -> str:
        """The last line that it printed, where it did not finish."""
        if self.status in _FINISHED:
            return ""
        with suppress(OSError):
            lines = (self.run.path / OUTPUT).read_text(errors="replace").split("\n")
            return next((line for line in reversed(lines) if line.strip()), "")
        return ""


def default_workers(experiments: Sequence[Experiment]) -> int:
    """Runs at once, so that no processor has two threads to compute with."""
    most = max(experiment.threads or 1 for experiment in experiments)
    return max(1, min(len(experiments), usable_cpus() // most))


def train_all(
    runs: Sequence[RunFolder],
    workers: int,
    on_run: Callable[[RunFolder, SweptRun | None], None] = lambda run, done: None,
) -> list[SweptRun]:
    """Trains runs, so many at once; a run that fails does not keep the others from theirs.

    Ctrl-C, SIGTERM and SIGHUP are passed on: every run that has begun saves its state and ends.

    Args:
        runs: New run folders, or some to go on with.
        workers: Runs at once.
        on_run: Called when a run begins, with None, and when it has ended.

    Returns:
        What became of each, in the order of `runs`.

    Raises:
        KeyboardInterrupt: After a signal, when all have ended.
    """
    waiting = list(runs)
    working: dict[subprocess.Popen[bytes], tuple[RunFolder, float]] = {}
    done: dict[Path, SweptRun] = {}
    threads = max(1, usable_cpus() // workers)

    def collect() -> None:
        for process, (run, started) in list(working.items()):
            status = process.poll()
            if status is not None:
                del working[process]
                done[run.path] = SweptRun(run, status, time.monotonic() - started)
                on_run(run, done[run.path])

    with stop_signals():
        try:
            while waiting or working:
                while waiting and len(working) < workers:
                    run = waiting.pop(0)
                    on_run(run, None)
                    working[_start(run, threads)] = run, time.monotonic()
                time.sleep(_POLL)
                collect()
        except BaseException:
            for process in working:
                process.terminate()
            for process in list(working):
                process.wait()
            collect()
            raise
    return [done[run.path] for run in runs]


def _start(run: RunFolder, threads: int) -> subprocess.Popen[bytes]:
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    with (run.path / OUTPUT).open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-c", _START, "train", "--resume", str(run.path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # a terminal's Ctrl-C is passed on, once
        )
