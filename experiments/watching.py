"""Listening to a training run: its phase, and what it logs. Importing this imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

from hrmgym.experiments.train import OnTraining, Silent
from hrmgym.trainers.events import StoppedByListener

#: Called with a phase, a step and what is logged at it; if it returns True, the training ends.
Listener = Callable[[str, int, Mapping[str, float]], bool | None]


class Watch(Silent):
    """A display that shows nothing, and passes on what is logged with the phase that it is of.

    Args:
        listener: May end the training.
    """

    def __init__(self, listener: Listener | None = None) -> None:
        self._listener, self._phase = listener, ""
        self.last: dict[str, float] = {}
        """The last value of every tag."""

    def training(self) -> AbstractContextManager[OnTraining]:
        """Notes the phase."""

        def on_training(phase: str, done: int, total: int, text: str) -> None:
            self._phase = phase

        return nullcontext(on_training)

    def on_metrics(self, step: int, values: Mapping[str, float]) -> None:
        """To be given to `train`.

        Raises:
            StoppedByListener: The listener has had enough.
        """
        self.last.update(values)
        if self._listener is not None and self._listener(self._phase, step, values):
            raise StoppedByListener
