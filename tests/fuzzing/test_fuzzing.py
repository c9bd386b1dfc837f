"""Every loader on broken files: it reads them, or says where and what is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hrmgym.tests.fuzzing.fuzzing import play, replay
from hrmgym.tests.fuzzing.loaders import TEXT
from hrmgym.tests.fuzzing.loaders_torch import TORCH
from hrmgym.tests.fuzzing.snapshots import SNAPSHOTS

LOADERS = TEXT | TORCH | SNAPSHOTS


def asked() -> tuple[str, int] | None:
    """The one case to repeat: `HRMGYM_FUZZ_CASE=name:number`."""
    name, _, number = os.environ.get("HRMGYM_FUZZ_CASE", "").rpartition(":")
    return (name, int(number)) if name else None


@pytest.mark.parametrize("name", [name for name in LOADERS if name != "ppo.zip"])
def test_the_first_cases_are_read_or_refused(name: str, tmp_path: Path) -> None:
    one = asked()
    if one is None:
        play(name, LOADERS[name], tmp_path / "fuzz", 60, most=10)
    elif one[0] == name:
        print(replay(name, LOADERS[name], tmp_path / "fuzz", one[1]))


@pytest.mark.nightly
@pytest.mark.parametrize("name", LOADERS)
def test_a_minute_of_cases_is_read_or_refused(name: str, tmp_path: Path) -> None:
    seconds = float(os.environ.get("HRMGYM_FUZZ_SECONDS", "60"))
    played = play(name, LOADERS[name], tmp_path / "fuzz", seconds)
    print(f"{name}: {played} cases")
