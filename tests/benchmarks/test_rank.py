"""benchmarks/rank.py gives its figures as one JSON object."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from hrmgym.errors import DataError
from hrmgym.tests.tiny import Tiny

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """`benchmarks/rank.py`, of three small programs and a small network for the large one."""
    monkeypatch.syspath_prepend(FOLDER)
    spec = importlib.util.spec_from_file_location("rank_benchmark", FOLDER / "rank.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    vars(module)["make_benchmark"] = lambda name: _Small()
    vars(module)["SIZES"] = dict.fromkeys(("base", "mini"), module.SIZES["tiny"])
    yield module
    sys.modules.pop("model_decision", None)


class _Small:
    def tasks(self, split: str) -> object:
        return Tiny().tasks("train")


def test_its_figures(module: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    vars(module)["MANY"] = 30
    measured = module.measure(_Small().tasks("test"), None, 1, 30)
    assert {"rank_30_ms", "decision_ms", "decision_27m_ms", "forward_ms"} < set(measured)
    assert measured["decision_ms"] > 0
    assert measured["params"] > 500_000
    vars(module)["measure"] = lambda *_: measured
    assert module.main(["--json"]) == 0
    assert json.loads(capsys.readouterr().out) == measured
    assert module.main([]) == 0
    assert "decision_27m_ms" in capsys.readouterr().out


def test_too_few_edits_are_said(module: ModuleType) -> None:
    with pytest.raises(DataError, match="no task has 1000000 edits"):
        module.with_edits(Tiny().tasks("train"), 1_000_000)
