"""The training-step benchmark compares equal work, and prints what it is read for."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parents[2] / "benchmarks"
TINY = {"hidden_size": 64, "puzzle_emb_ndim": 64, "num_heads": 2, "H_layers": 1, "L_layers": 2}


@pytest.fixture
def model(monkeypatch):
    """`benchmarks/model.py` as a module."""
    monkeypatch.syspath_prepend(FOLDER)
    spec = importlib.util.spec_from_file_location("model_benchmark", FOLDER / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    for name in ("model_published", "model_decision"):
        sys.modules.pop(name)


@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.nightly)])
def test_both_sides_stay_together_over_steps(model, dtype):
    ours, theirs = model.both(dtype, TINY)
    model.compare(ours, theirs, model.batches(ours.model.config, 1)[0])
    for batch in model.batches(ours.model.config, 4):
        losses = []
        for side in (ours, theirs):
            torch.manual_seed(5)  # the same exploration
            loss = side.forward(batch)
            loss.backward()
            side.update()
            losses.append(loss.item())
        bound = 1e-4 if dtype == "float32" else 2e-2
        assert losses[0] == pytest.approx(losses[1], rel=bound)
    assert torch.equal(ours.carry.steps, theirs.carry["steps"])
    for name, tensor in ours.model.inner.state_dict().items():
        moved = (tensor - theirs.published.weights[name].detach()).abs().mean()
        assert moved < 1e-4 * (1 if dtype == "float32" else 5), name


def test_a_different_step_is_refused(model):
    ours, theirs = model.both("float32", TINY)
    with torch.no_grad():
        theirs.published.weights["q_head.weight"].mul_(1.01)
    with pytest.raises(SystemExit, match="not the same step"):
        model.compare(ours, theirs, model.batches(ours.model.config, 1)[0])


def test_a_decision_in_a_process_of_its_own():
    done = subprocess.run(
        [sys.executable, str(FOLDER / "model_decision.py"), "--size", "tiny", "--repeat", "1"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["positions"] >= 500
    assert found["decision_s"] > 0
    assert found["recursion_params"] < found["params"]
    assert found["peak_rss_mb"] > 50


@pytest.mark.nightly
def test_both_parts_of_a_decision():
    command = [sys.executable, str(FOLDER / "model_proposals.py"), "--json", "--tasks", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = json.loads(done.stdout)
    assert found.keys() == {"network_ms", *(f"search_{k}_ms" for k in (1, 8, 32, 128))}
    assert min(found.values()) > 0
