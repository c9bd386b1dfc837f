"""Functions of the pinned packages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hrmgym.errors import UnknownNameError
from hrmgym.tests.wheels import entry
from hrmgym.trainers.data.packages import collect_packages, package_functions


def test_functions_of_the_latest_release(tmp_path: Path) -> None:
    one = entry(tmp_path)
    functions = list(collect_packages([one], "train", 2, 30, tmp_path))
    assert [function.name for function in functions] == ["total", "first", "put", "same"]
    assert functions[0].origin == "shelf in shelf 1.1: core.py:4"
    assert functions[0].docstring == "Sum."
    held_out = [replace(one, split="valid")]
    assert list(collect_packages(held_out, "train", 2, 30, tmp_path)) == []
    assert len(list(collect_packages(held_out, "valid", 2, 30, tmp_path))) == 4
    with pytest.raises(UnknownNameError, match="did you mean 'valid'"):
        package_functions("vald")
    near = replace(one, near_benchmarks=("core.py:total",))
    assert next(collect_packages([near], "train", 2, 30, tmp_path)).name == "first"
