"""What all samples of supervised training have."""

from __future__ import annotations

from typing import Protocol, TypeVar

from hrmgym.envs.interfaces.edit import Observation


class Shown(Protocol):
    """A sample: something that is to be learned, and what the network sees of it."""

    @property
    def observation(self) -> Observation:
        """What the network sees."""


S = TypeVar("S", bound=Shown)
S_co = TypeVar("S_co", bound=Shown, covariant=True)
