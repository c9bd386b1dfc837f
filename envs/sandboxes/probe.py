"""What this machine can isolate with."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import resource
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hrmgym.envs.sandboxes import isolation, link


@dataclass(frozen=True, slots=True)
class Layer:
    """One means of isolation."""

    name: str
    holds: bool
    detail: str
    required: bool = False
    """Whether the local sandbox refuses to start without it."""


@functools.cache
def probe() -> list[Layer]:
    """Try every layer, in child processes; asked once per process."""
    return []


def missing() -> list[Layer]:
    """The required layers that do not hold."""
    return [layer for layer in probe() if layer.required and not layer.holds]
