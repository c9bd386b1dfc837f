"""Ends code that has had its time, if possible without its process. Standard library only."""

from __future__ import annotations

import _signal  # `signal` wraps every call in enums
import signal

#: CPU seconds that code has to come to an end once it was interrupted; then the process ends.
_GRACE_S = 0.02
_AGAIN_S = 0.001  # until the next interruption


class OutOfTime(BaseException):
    """Interrupts code that has had its time."""


class Timer:
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
            raise OutOfTime

    def start(self) -> None:
        """Give what follows its time; what has been interrupted stays so."""
        self.armed = True
        _signal.setitimer(_signal.ITIMER_PROF, self._cpu_s + _GRACE_S)
        _signal.setitimer(_signal.ITIMER_VIRTUAL, self._cpu_s, _AGAIN_S)
