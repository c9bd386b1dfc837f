"""How many threads a network computes with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hrmgym.trainers.threads import (
    MOST,
    WIDE,
    _quota,
    compute_threads,
    training_threads,
    usable_cpus,
)


@pytest.mark.parametrize(
    ("width", "workers", "device", "cpus", "expected"),
    [
        (128, 1, "cpu", 64, 1),  # small: threads would wait for each other
        (WIDE, 1, "cpu", 2, 1),  # the other processor makes samples
        (WIDE, 0, "cpu", 2, 2),
        (WIDE, 3, "cpu", 2, 1),
        (512, 2, "cpu", 8, 6),
        (512, 1, "cpu", 64, MOST),
        (512, 1, "cuda", 64, 1),
    ],
)
def test_the_choice(width: int, workers: int, device: str, cpus: int, expected: int) -> None:
    found = training_threads(None, width, workers=workers, device=device, cpus=cpus, environment={})
    assert found == expected


def test_what_is_asked_for_is_taken_up_to_the_processors(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert training_threads(3, 16, cpus=4) == 3
    assert not caplog.records
    assert training_threads(16, 16, cpus=4) == 4
    assert "threads: 16, but there are 4 processors" in caplog.text


@pytest.mark.parametrize(("said", "expected"), [("2", 2), ("64", MOST), ("", MOST), ("a,b", MOST)])
def test_the_environment_is_the_most_that_is_chosen(said: str, expected: int) -> None:
    found = training_threads(None, 512, cpus=64, environment={"OMP_NUM_THREADS": said})
    assert found == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("max 100000", None), ("150000 100000\n", 1.5), ("nonsense", None)]
)
def test_a_quota_is_read(tmp_path: Path, text: str, expected: float | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert _quota(tmp_path / "cpu.max") == expected
    assert _quota(tmp_path / "none") is None
    assert usable_cpus() >= 1


def test_threads_are_those_of_the_block_alone() -> None:
    before = torch.get_num_threads()
    with compute_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
