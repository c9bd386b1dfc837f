"""Faults of dependencies that the project works around, each held by a test.

When a dependency mends one, that is no failure here: the test says so in a warning, and whoever
reads it can take the workaround away.
"""

from __future__ import annotations

import importlib.metadata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


class MendedWarning(UserWarning):
    """A dependency no longer has a fault that is worked around."""


@contextmanager
def fault_of(distribution: str, fault: str) -> Iterator[None]:
    """Turn a failure of the body, which shows that a fault is there, into a notice.

    Args:
        distribution: The dependency, as pip calls it.
        fault: What it does wrong, in a few words.
    """
    try:
        yield
    except (AssertionError, pytest.fail.Exception):
        version = importlib.metadata.version(distribution)
        with warnings.catch_warnings():
            warnings.simplefilter("always", MendedWarning)
            text = f"{distribution} {version} has mended this: {fault}; is the workaround needed?"
            warnings.warn(MendedWarning(text), stacklevel=3)
