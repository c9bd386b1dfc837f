"""Tries many texts of one file, one after the other, in one process. Runs inside the sandbox only.

The process is as that of an ordinary run: forked for it, without powers, ended when it is through.
It holds the task's visible tests with what they expect, beside foreign code that can reach all of
it: what it says is worth nothing until an ordinary run has said the same. Standard library only.
"""

# The guest starts faster without pathlib.
from __future__ import annotations

import _signal
import gc
import mmap
import os
import signal
import struct
import sys
import time
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, NoReturn, Protocol

from hrmgym.envs.sandboxes.screening import behaviour, pristine, timing, tracing

#: Of one text: a status, how the last of its tests failed, how many of them ran, microseconds of
#: CPU, and the rest of what that test did, as `behaviour.Said` has it.
RECORD = struct.Struct("<BBHIHHIII")
_HEAD = struct.Struct("<IHH")
#: Statuses. `UNSURE`: no screen can tell, an ordinary run has to.
OPEN, PASSED, FAILED, CUT, UNSURE = range(5)
#: How a process ended by itself: through, of no more use, or unable to try any text. Foreign code
#: can say so, too.
THROUGH, _STALE, BROKEN = 1, 2, 3
_MOST_WATCHED = 200  # files
#: New objects after which garbage is looked for; what texts leave is little, and soon thrown away.
_YOUNG = 5000
#: Seconds that a process may take until it comes to its first text.
PREPARE_S = 60.0
_OUT_OF_CPU = (-signal.SIGPROF, -signal.SIGXCPU)


class Board:
    """Memory that a process and the one that watches it share: where it is, and what it found."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._memory = mmap.mmap(-1, _HEAD.size + RECORD.size * size)

    def begin(self, at: int) -> None:
        """Forget how the process before has ended; the next one goes on with this text."""
        _HEAD.pack_into(self._memory, 0, at, 0, False)

    def reach(self, at: int) -> None:
        """Say which text is being tried."""
        _HEAD.pack_into(self._memory, 0, at, 0, True)

    def end(self, at: int, how: int) -> None:
        """Say how the process ends."""
        _HEAD.pack_into(self._memory, 0, at, how, True)

    @property
    def reached(self) -> tuple[int, int]:
        """The text that is being tried, and how the process has ended by itself, if it has."""
        at, how, _ = _HEAD.unpack_from(self._memory)
        return at, how

    @property
    def started(self) -> bool:
        """Whether the process has come to its first text."""
        return bool(_HEAD.unpack_from(self._memory)[2])

    def write(
        self,
        at: int,
        status: int,
        tests: int,
        cpu_s: float,
        said: behaviour.Said = behaviour.NOTHING,
    ) -> None:
        """Say what a text came to."""
        micros = min(int(cpu_s * 1e6), (1 << 32) - 1)
        place = _HEAD.size + RECORD.size * at
        how, number, turned, *rest = said
        few = min(tests, 0xFFFF), micros, min(number, 0xFFFF), min(turned, 0xFFFF)
        RECORD.pack_into(self._memory, place, status, how, *few, *rest)

    def status(self, at: int) -> int:
        """What a text came to."""
        return self._memory[_HEAD.size + RECORD.size * at]

    def records(self, end: int) -> bytes:
        """What the texts before `end` came to."""
        return self._memory[_HEAD.size : _HEAD.size + RECORD.size * end]


class Trial(Protocol):
    """Tests of one kind, ready to be tried on texts."""

    own: frozenset[str]
    """Names of the workspace's modules, of its folders, too."""
    said: behaviour.Said
    """What the last test did, if it failed and was told of."""

    def attempt(
        self, text: str, watch: Callable[[], None], more_time: Callable[[], None]
    ) -> tuple[int, int, bool]:
        """Try a text.

        Args:
            text: The whole text.
            watch: To be called before anything runs that may leave something behind.
            more_time: To be called before tests that have a time of their own.

        Returns:
            Its status, how many tests ran, and whether it can have left nothing behind.

        Raises:
            MemoryError: There was not enough, perhaps because of what ran here before.
        """

    def single(self, number: int) -> int:
        """The status of one test on the untouched text."""

    def intact(self) -> bool:
        """Whether the tests and the code that they test are as they were."""


def act(
    kind: Callable[[Mapping[str, Any], str], Trial], request: Mapping[str, Any], root: str, out: int
) -> NoReturn:
    """Try texts from number `from` on, and exit.

    Args:
        kind: Makes the tests.
        request: files, path, texts (bytes), board, from, slice_s, stop, first, told, limits, and
            what the tests' kind needs.
        root: The workspace, which holds the files.
        out: Not used.
    """
    os.chdir(root)
    _signal.setitimer(_signal.ITIMER_PROF, request["limits"]["cpu_s"] + request["slice_s"])
    gc.enable()
    trial = kind(request, root)
    gc.freeze()
    try_texts(request, Bench(request, root, trial))


class Bench:
    """What texts are tried on, and how all was before.

    Args:
        request: See `act`.
        root: The workspace.
        trial: The tests.
    """

    def __init__(self, request: Mapping[str, Any], root: str, trial: Trial) -> None:
        gc.set_threshold(_YOUNG, 10, 10)
        self.root, self.trial = root, trial
        self.timer = timing.Timer(request["limits"]["cpu_s"])
        self._paths = (
            root,
            *(f"{root}/{name}" for name in islice(request["files"], _MOST_WATCHED)),
        )
        self._state: pristine.Pristine | None = None

    def note(self) -> None:
        """Note how all is, before anything runs that can change it."""
        if self._state is None:
            self._state = pristine.Pristine(self._paths, self.trial.own)
            gc.freeze()  # no garbage among that
            if self.timer.armed:
                self.timer.start()  # that was not the doing of the code that is about to run

    def intact(self) -> bool:
        """Whether all is as it was noted; False where nothing was."""
        if self._state is None:
            return False
        gc.collect()  # what garbage does at its end it does now
        return self.trial.intact() and self._state.intact()


def try_texts(request: Mapping[str, Any], bench: Bench) -> NoReturn:
    """`act`, once the tests are there."""
    board: Board = request["board"]
    slice_s = request["slice_s"]
    trial, timer = bench.trial, bench.timer
    lines: tracing.Lines | None = request["lines"]
    first = at = request["from"]
    if first:  # code that is interrupted needs it, and most processes but the first follow such
        bench.note()
    depth = sys.getrecursionlimit()  # programs raise it, and it is soon put back
    clock = time.process_time
    began = now = clock()
    while at < board.size:
        board.reach(at)
        text = request["texts"][at].decode("utf-8", "surrogateescape")
        timer.rang, trial.said = False, behaviour.NOTHING
        timer.start()
        try:
            try:
                if lines is not None:
                    with lines.of(at, f"{bench.root}/{request['edited']}"):
                        status, tests, harmless = trial.single(at), 1, True
                else:
                    status, tests, harmless = trial.attempt(text, bench.note, timer.start)
            finally:
                timer.armed = False  # no call, which could be interrupted
        except timing.OutOfTime:
            timer.armed = False
            status, tests, harmless = CUT, 1, False
        except MemoryError:
            if at > first:
                end(board, at, _STALE)
            status, tests, harmless = FAILED, 1, False
        if timer.rang:  # whatever the code made of it
            status, harmless = CUT, False
        sys.setrecursionlimit(depth)
        before, now = now, clock()
        said = trial.said if status == FAILED else behaviour.NOTHING
        board.write(at, status, tests, now - before, said)
        at += 1
        if not harmless:
            _signal.setitimer(_signal.ITIMER_PROF, slice_s)
            if not bench.intact():
                end(board, at, _STALE)
        if now - began > slice_s or (status == PASSED and request["stop"]):
            break
    end(board, at, THROUGH)


def end(board: Board, at: int, how: int) -> NoReturn:
    """End this process, which has tried the texts before `at`."""
    board.end(at, how)
    os._exit(0)


def settle(board: Board, first: int, status: int | None, request: Mapping[str, Any]) -> int:
    """Settle what a process that has ended has left open.

    Args:
        board: What it has said.
        first: The text that it began with.
        status: Its exit code; None where it came no further for too long.
        request: See `act`.

    Returns:
        The number of the text to go on with; `first` only where no text can be tried.
    """
    at, how = board.reached
    at, most = min(at, board.size), first
    while most < at and board.status(most) != OPEN:
        most += 1
    if most == first and (how == BROKEN or not board.started):
        return first
    if how and most > first:  # it ended by itself: as far as it says, or foreign code in its name
        return most
    if most == board.size or (not how and board.status(most) != OPEN):  # it ended after that
        return min(most + 1, board.size)
    if status is None or status in _OUT_OF_CPU:
        board.write(most, CUT, 1, request["limits"]["cpu_s"])
        return most + 1
    if most > first:  # it may have been the doing of one before
        return most
    unsure = how or status == -signal.SIGKILL
    board.write(most, UNSURE if unsure else FAILED, 1, 0.0)
    return most + 1
