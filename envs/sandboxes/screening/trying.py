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

from hrmgym.envs.sandboxes.screening import pristine, tracing

#: Of one text: a status, how many of its tests ran, and microseconds of CPU.
RECORD = struct.Struct("<BxHI")
_HEAD = struct.Struct("<IHH")
#: Statuses. `UNSURE`: no screen can tell, an ordinary run has to.
OPEN, PASSED, FAILED, CUT, UNSURE = range(5)
#: How a process ended by itself: through, of no more use, or unable to try any text. Foreign code
#: can say so, too.
THROUGH, _STALE, BROKEN = 1, 2, 3
_MOST_WATCHED = 200  # files
#: CPU seconds that code has to come to an end once it was interrupted; then the process ends.
_GRACE_S = 0.02
_AGAIN_S = 0.001  # until the next interruption
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

    def write(self, at: int, status: int, tests: int, cpu_s: float) -> None:
        """Say what a text came to."""
        micros = min(int(cpu_s * 1e6), (1 << 32) - 1)
        place = _HEAD.size + RECORD.size * at
        RECORD.pack_into(self._memory, place, status, min(tests, 0xFFFF), micros)

    def status(self, at: int) -> int:
        """What a text came to."""
        return self._memory[_HEAD.size + RECORD.size * at]

    def records(self, end: int) -> bytes:
        """What the texts before `end` came to."""
        return self._memory[_HEAD.size : _HEAD.size + RECORD.size * end]


class _OutOfTime(BaseException):
    """Interrupts code that has had its time."""


class _Timer:
    """Interrupts code that has had its time, and ends the process where that is of no use.

    Code that swallows what interrupts it is interrupted again and again. Where it does not come to
    an end for all that, or is in a function that no signal interrupts, another timer's signal ends
    the process.
    """

    def __init__(self, cpu_s: float) -> None:
        self._cpu_s = cpu_s
        self.armed = False
        """Whether to interrupt; to be set to False as soon as there is nothing to interrupt."""
        self.rang = False
        """Whether it has interrupted."""
        _signal.signal(signal.SIGVTALRM, self._ring)

    def _ring(self, number: int, frame: object) -> None:
        if self.armed:
            self.rang = True
            raise _OutOfTime

    def start(self) -> None:
        """Give what follows its time; what has been interrupted stays so."""
        self.armed = True
        _signal.setitimer(_signal.ITIMER_PROF, self._cpu_s + _GRACE_S)
        _signal.setitimer(_signal.ITIMER_VIRTUAL, self._cpu_s, _AGAIN_S)


class Trial(Protocol):
    """Tests of one kind, ready to be tried on texts."""

    own: frozenset[str]
    """Names of the workspace's modules, of its folders, too."""

    def attempt(self, text: str, more_time: Callable[[], None]) -> tuple[int, int, bool]:
        """Try a text.

        Args:
            text: The whole text.
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
        request: files, path, texts (bytes), board, from, slice_s, stop, limits, and what the tests'
            kind needs.
        root: The workspace, which holds the files.
        out: Not used.
    """
    os.chdir(root)
    _signal.setitimer(_signal.ITIMER_PROF, request["limits"]["cpu_s"] + request["slice_s"])
    gc.enable()
    trial = kind(request, root)
    gc.freeze()
    try_texts(request, root, trial)


def try_texts(request: Mapping[str, Any], root: str, trial: Trial) -> NoReturn:
    """`act`, once the tests are there."""
    board: Board = request["board"]
    cpu_s, slice_s = request["limits"]["cpu_s"], request["slice_s"]
    gc.set_threshold(_YOUNG, 10, 10)
    timer = _Timer(cpu_s)
    files = (f"{root}/{name}" for name in islice(request["files"], _MOST_WATCHED))
    state = pristine.Pristine((root, *files), trial.own)
    lines: tracing.Lines | None = request["lines"]
    first = at = request["from"]
    depth = sys.getrecursionlimit()  # programs raise it, and it is soon put back
    clock = time.process_time
    began = now = clock()
    while at < board.size:
        board.reach(at)
        text = request["texts"][at].decode("utf-8", "surrogateescape")
        timer.rang = False
        timer.start()
        try:
            try:
                if lines is not None:
                    with lines.of(at, f"{root}/{request['edited']}"):
                        status, tests, harmless = trial.single(at), 1, True
                else:
                    status, tests, harmless = trial.attempt(text, timer.start)
            finally:
                timer.armed = False  # no call, which could be interrupted
        except _OutOfTime:
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
        board.write(at, status, tests, now - before)
        at += 1
        if not harmless:
            _signal.setitimer(_signal.ITIMER_PROF, slice_s)
            gc.collect()  # what its garbage does at its end it does now
            if not (trial.intact() and state.intact()):
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


def modules_of(files: Mapping[str, str]) -> frozenset[str]:
    """Dotted names under which the files of a workspace may be imported."""
    found: set[str] = set()
    for path in files:
        if path.endswith(".py"):
            parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
            found |= {".".join(parts[start:]) for start in range(len(parts))}
    return frozenset(found)


def folders_of(files: Mapping[str, str]) -> frozenset[str]:
    """Dotted names under which the folders of a workspace may be imported."""
    found: set[str] = set()
    for path in files:
        parts = path.split("/")[:-1]
        for end in range(1, len(parts) + 1):
            found |= {".".join(parts[start:end]) for start in range(end)}
    return frozenset(found)


def forget_own(own: frozenset[str]) -> None:
    """Have the workspace's modules imported anew."""
    for name in own:
        sys.modules.pop(name, None)
