"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples each time, so that a change is not refused for what it did not touch; `make
# test-all` draws new ones. A machine's load is no reason to fail, hence no deadline.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("random", deadline=None, print_blob=True)
settings.load_profile("repeatable")


def data_folder() -> Path | None:
    """The folder with real benchmark data, where there is one."""
    named = os.environ.get("HRMGYM_DATA")
    return Path(named) if named and Path(named).is_dir() else None


def pytest_configure() -> None:
    """Lets tests interrupt themselves where this process is to ignore it: in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs real data where there is none, and says so."""
    if data_folder() is not None:
        return
    skip = pytest.mark.skip(reason="needs real benchmark data: set HRMGYM_DATA to its folder")
    for item in items:
        if item.get_closest_marker("needs_data"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with real benchmark data; only for tests marked needs_data."""
    folder = data_folder()
    assert folder is not None, "mark the test needs_data"
    return folder
