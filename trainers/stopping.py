"""Being asked to stop: Ctrl-C, SIGTERM (a scheduler, `timeout`) and SIGHUP (a lost terminal) alike.

Importing this imports no torch.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

#: The signals that ask a run to save and to end.
STOPS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Stopped(KeyboardInterrupt):
    """A signal has asked the process to stop.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def stop_signals() -> Iterator[Asked]:
    """Inside, SIGTERM and SIGHUP raise `Stopped` as Ctrl-C raises KeyboardInterrupt.

    What has been asked to stop is busy with saving: a second SIGTERM or SIGHUP changes nothing, a
    second Ctrl-C acts at once. A signal that was ignored before stays so (`nohup`). Outside the
    main thread, which alone may handle signals, this does nothing.

    Yields:
        Which signal has asked, for those who end without passing the exception on.

    Raises:
        Stopped: Also in place of the plain KeyboardInterrupt of what was stopped by a signal.
    """
    asked = Asked()

    def raise_once(number: int) -> None:
        if not asked() or number == signal.SIGINT:
            asked.number = asked.number or number
            raise Stopped(number)

    with _handled(raise_once):
        try:
            yield asked
        except Stopped:
            raise
        except KeyboardInterrupt as error:
            raise (Stopped(asked.number) if asked.number else error) from None


class Asked:
    """Whether a stop has been asked for."""

    def __init__(self) -> None:
        self.number: int | None = None
        """The first signal."""

    def __call__(self) -> bool:
        """Whether it has."""
        return self.number is not None

    def act(self) -> None:
        """To be called where work may end.

        Raises:
            Stopped: It has.
        """
        if self.number is not None:
            raise Stopped(self.number)


@contextmanager
def stop_noted() -> Iterator[Asked]:
    """Inside, signals that ask to stop are noted instead of acted on; a second Ctrl-C acts at once.

    For work that may end between two of its steps only.
    """
    asked = Asked()

    def note(number: int) -> None:
        if asked() and number == signal.SIGINT:
            raise Stopped(number)
        asked.number = asked.number or number

    with _handled(note):
        yield asked


@contextmanager
def _handled(act: Callable[[int], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    terminals = [number for number in _outputs() if os.isatty(number)]

    def handle(number: int, frame: FrameType | None) -> None:
        # Writing to a terminal that is gone would fail, and end the saving.
        for output in terminals:
            if not os.isatty(output):
                with suppress(OSError):
                    nowhere = os.open(os.devnull, os.O_WRONLY)
                    os.dup2(nowhere, output)
                    os.close(nowhere)
        act(number)

    ignored = (signal.SIG_IGN, None)
    numbers = [one for one in STOPS if signal.getsignal(one) not in ignored]
    before = {one: signal.signal(one, handle) for one in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _outputs() -> list[int]:
    found = []
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or no file at all
            found.append(stream.fileno())
    return found
