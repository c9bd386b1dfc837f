"""Tests of the temperature of where edits start."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hrmgym.envs.bugs.making import mix
from hrmgym.envs.interfaces import EditInterface
from hrmgym.hrm.edit_model import EditModel
from hrmgym.policies.distribution import edit_distribution
from hrmgym.policies.hrm import edit_model_config
from hrmgym.tests.tiny import CLAMP_FIXED, LOOP_FIXED
from hrmgym.trainers.calibration import COLDEST, HOTTEST, calibrate, fit_temperature
from hrmgym.trainers.data.batches import collate
from hrmgym.trainers.data.bug_stream import BugStream, Program

CANVAS = 96


def drawn(temperature: float, number: int = 3000) -> tuple[list[torch.Tensor], list[int]]:
    """Log-probabilities, and targets that follow softmax(log_probs / temperature)."""
    torch.manual_seed(0)
    scores = 2 * torch.randn(number, 12)
    targets = torch.multinomial((scores / temperature).softmax(-1), 1).squeeze(1)
    log_probs = scores.log_softmax(-1)
    log_probs[:, :3] = -1e9  # not legal
    kept = targets >= 3
    return list(log_probs[kept]), targets[kept].tolist()


@pytest.mark.parametrize("temperature", [0.7, 1.0, 1.6, 3.0])
def test_the_temperature_that_targets_were_drawn_with_is_found(temperature: float) -> None:
    assert fit_temperature(*drawn(temperature)) == pytest.approx(temperature, rel=0.08)


def test_it_is_the_best_one_near_by() -> None:
    log_probs, targets = drawn(1.6, 200)

    def loss(temperature: float) -> float:
        rows = (torch.stack(log_probs).double() / temperature).log_softmax(-1)
        return -float(rows[range(len(targets)), targets].mean())

    best = fit_temperature(log_probs, targets)
    assert loss(best) < min(loss(best * 1.05), loss(best / 1.05), loss(1.0))


def test_few_samples_do_not_drive_it_to_extremes() -> None:
    log_probs = [torch.tensor([0.7, 0.2, 0.1]).log()]
    assert fit_temperature(log_probs, [0]) == pytest.approx(COLDEST)
    assert fit_temperature(log_probs, [2]) == pytest.approx(HOTTEST)


def test_a_network_is_flattened_where_it_was_too_sure_and_nothing_else_changes() -> None:
    torch.manual_seed(0)
    options = {"hidden_size": 32, "num_heads": 2, "H_layers": 1, "L_layers": 1, "dtype": "float32"}
    model = EditModel(edit_model_config(CANVAS, options)).eval()
    programs = [Program("clamp", CLAMP_FIXED, ""), Program("count", LOOP_FIXED, "")]
    stream = BugStream(programs, EditInterface(CANVAS), seed=0, max_span=32, recipe=mix("hand"))
    samples = [stream.sample(index) for index in range(40)]
    with torch.no_grad():
        model.span_head.start.weight.normal_(std=1.0)  # sure, and wrong
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def starts() -> tuple[float, np.ndarray]:
        batch = collate(samples)
        action = batch.pop("action")
        with torch.no_grad():
            edits = edit_distribution(model, model.encode(batch), batch)
        chosen = edits.start_log_probs.gather(1, action[:, 1:2])
        return -float(chosen.mean()), edits.start_log_probs.argmax(1).numpy()

    loss, greedy = starts()
    temperature = calibrate(model, samples)
    after, greedy_after = starts()
    assert temperature > 1.2
    assert after < loss
    assert (greedy == greedy_after).all()
    changed = [n for n, value in model.state_dict().items() if not torch.equal(value, before[n])]
    assert changed == ["span_head.start.weight"]
    assert calibrate(model, samples) == pytest.approx(1.0, abs=0.01)


def test_without_samples_nothing_changes() -> None:
    options = {"hidden_size": 32, "num_heads": 2, "H_layers": 1, "L_layers": 1}
    model = EditModel(edit_model_config(CANVAS, options)).eval()
    before = model.span_head.start.weight.clone()
    assert calibrate(model, []) == 1.0
    assert torch.equal(model.span_head.start.weight, before)
