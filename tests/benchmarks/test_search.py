"""benchmarks/search.py makes the searches that it says, and subtracts what is not the tree."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "search.py"


def test_the_four_figures_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert runpy.run_path(str(SCRIPT))["main"](["--rounds", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert sorted(told) == [
        "gumbel_us_per_sim",
        "gumbel_us_per_sim_all_on",
        "puct_us_per_sim",
        "puct_us_per_sim_all_on",
    ]
    assert all(value > 0 for value in told.values())


def test_a_search_that_stays_flat_is_no_measurement() -> None:
    script = runpy.run_path(str(SCRIPT))
    tree = script["Tree"](script["Walk"](), ())
    tree.simulate(script["SIMULATIONS"])
    script["_look_at"](tree)
    flat = script["Tree"](script["Walk"](), (), script["TreeSettings"](most_depth=1))
    flat.simulate(script["ACTIONS"])
    with pytest.raises(AssertionError):
        script["_look_at"](flat)
