"""benchmarks/edits.py gives its figures as one JSON object."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "edits.py"


def test_figures_of_one_round(capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("benchmark_edits", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.programs = lambda: ["def f(x):\n    return x + 1\n", "def g(a, b):\n    return a\n"]
    assert module.main(["--json", "--rounds", "1"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["edits_per_s"] > 0
    assert figures["lean_median"] < figures["edits_median"]
