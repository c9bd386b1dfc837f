"""What the network that ships can do, and what its card says of it."""

from __future__ import annotations

import json
import re

import pytest

from hrmgym.experiments.evaluate.score import score
from hrmgym.experiments.loader import load
from hrmgym.experiments.repairs import repairs
from hrmgym.hrm.checkpoint import CARD, checkpoint_hash, load_checkpoint, shipped_checkpoints

NAME = "hrmgym:hrm-small"


@pytest.mark.slow
def test_it_repairs_what_it_never_saw() -> None:
    """Bounds far below its scores, which are of more bugs."""
    changes = ["sweep=null", "benchmark.eval_split=made", "score.made=40", "score.k=[1, 32]"]
    scores = score(load("score-heldout-edits", changes)).to_dict()["scores"]
    assert scores["exact@32"]["value"] >= 0.3
    assert scores["exact@1"]["value"] > 0
    found = [one.solved for one in repairs(load("repair-katas", ["score.k=[100]"]))]
    assert len(found) == 24
    assert sum(found) >= 10


def test_it_is_small_and_its_card_names_its_weights_data_and_limits() -> None:
    model, extra = load_checkpoint(NAME)
    assert extra["samples"] > 100_000
    assert sum(p.numel() for p in model.parameters()) < 100e6
    folder = shipped_checkpoints()[NAME]
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 16e6
    card = (folder / CARD).read_text(encoding="utf-8")
    assert checkpoint_hash(NAME) in card
    for title in ("## Data", "## Training", "## Scores", "## Limits"):
        assert title in card
    described = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert described["model"]["hidden_size"] == model.config.hidden_size
    assert not re.search(r"/work|/root|/tmp", card)
