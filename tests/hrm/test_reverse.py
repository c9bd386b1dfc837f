"""Tests of the outcome-to-plan gate and of the head that foretells outcomes."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from hrmgym.hrm.edit_distribution import EditDistribution
from hrmgym.hrm.edit_model import EditModel
from hrmgym.hrm.losses import edit_loss
from hrmgym.hrm.reverse import OUTCOME_FEATURES, outcome_loss
from hrmgym.tests.hrm.conftest import canvases, small_config

ROWS = 8


def gated(kind="gate", feedback="own", weight=0.0, **changes):
    torch.manual_seed(0)
    reverse = {"kind": kind, "feedback": feedback, "outcome_weight": weight}
    return EditModel(small_config(reverse=reverse, **changes))


def steps(seed=0, rows=ROWS):
    """Observations with a step before, whose tests passed in every other row; and legality."""
    observation, legal = canvases(small_config(), [20] * rows, seed)
    before, _ = canvases(small_config(), [20] * rows, seed + 100)
    outcome = torch.zeros(rows, OUTCOME_FEATURES)
    outcome[:, 0] = 1
    outcome[::2, 5] = 1
    action = torch.zeros(rows, 7, dtype=torch.int64)
    action[:, 1], action[:, 2] = 4, 7
    for key in ("tokens", "roles", "budget"):
        observation[f"previous_{key}"] = before[key]
    return observation | {"previous_action": action, "last_outcome": outcome}, legal


def open_gate(model, alpha=1.0):
    with torch.no_grad():
        model.outcome_gate.alpha.fill_(alpha)
    return model


def without_past(observation):
    return {key: observation[key] for key in ("tokens", "roles", "language", "budget")}


def test_a_new_gate_changes_nothing():
    observation, _ = steps()
    model = gated().eval()
    with torch.no_grad():
        assert torch.equal(
            model.encode(observation).z_H, model.encode(without_past(observation)).z_H
        )


def test_an_open_gate_lets_the_outcome_through():
    observation, _ = steps()
    model = open_gate(gated()).eval()
    other = observation | {"last_outcome": observation["last_outcome"].roll(1, 0)}
    other["last_outcome"][0] = 0  # the first row has no past
    with torch.no_grad():
        one, two = model.encode(observation).z_H, model.encode(other).z_H
        none = model.encode(without_past(observation)).z_H
    assert (one - two).abs().amax((1, 2)).min() > 1e-3
    assert torch.allclose(two[0], none[0], atol=1e-6)


def test_what_was_touched_matters_and_the_rest_does_not():
    observation, _ = steps()
    model = open_gate(gated()).eval()
    memory = model.remember(observation)
    assert not memory.z_L.requires_grad
    inside, outside = memory.z_L.clone(), memory.z_L.clone()
    inside[:, 5] += 1.0
    outside[:, 8] += 1.0

    def z(state):
        changed = type(memory)(
            memory.z_H, state, memory.start, memory.end, memory.outcome, memory.present
        )
        with torch.no_grad():
            return model.encode(without_past(observation), changed).z_H

    plain = z(memory.z_L)
    assert torch.equal(z(outside), plain)
    assert not torch.allclose(z(inside), plain, atol=1e-4)


@pytest.mark.parametrize("gradient", ["last_step", "last_recursion"])
def test_alpha_learns_from_the_first_update_on(gradient):
    observation, legal = steps()
    model = gated(gradient=gradient).train()
    actions = torch.zeros(ROWS, 7, dtype=torch.int64)
    actions[:, 0] = 1
    encoded = model.encode(observation)
    edit_loss(EditDistribution(model, encoded, *legal), actions).loss.backward()
    assert model.outcome_gate.alpha.grad.abs() > 0
    assert model.outcome_gate.up.weight.grad.abs().max() == 0  # tanh(0): nothing passes yet


def test_feedback_zero_shuts_the_gate_in_evaluation_only():
    observation, _ = steps()
    model = open_gate(gated(feedback="zero"))
    own = open_gate(gated())
    with torch.no_grad():
        shut = model.eval().encode(observation).z_H
        assert torch.equal(shut, model.encode(without_past(observation)).z_H)
        assert torch.equal(model.train().encode(observation).z_H, own.encode(observation).z_H)


def test_shuffled_feedback_is_another_rows():
    model = open_gate(gated(feedback="shuffled")).eval()
    gate = model.outcome_gate
    u = torch.arange(5.0).unsqueeze(1).expand(5, 32)
    mixed = gate._shuffled(u)[:, 0]
    assert (mixed != u[:, 0]).all()
    assert set(mixed.tolist()) <= set(u[:, 0].tolist())
    alone = gate._shuffled(torch.full((1, 32), 9.0))[0, 0]  # a batch of one has others' of before
    assert alone.item() in {0.0, 1.0, 2.0, 3.0, 4.0}
    copy.deepcopy(model)


def test_the_control_has_as_many_parameters_and_sees_no_outcome():
    observation, _ = steps()
    control = open_gate(gated(kind="mlp")).eval()
    assert sum(p.numel() for p in control.parameters()) == sum(
        p.numel() for p in gated().parameters()
    )
    other = observation | {"last_outcome": 1 - observation["last_outcome"]}
    with torch.no_grad():
        z = control.encode(observation).z_H
        assert torch.equal(z, control.encode(other).z_H)
        control.outcome_gate.alpha.zero_()
        assert not torch.allclose(z, control.encode(observation).z_H)


def norms(module):
    return {name: float(p.grad.norm()) for name, p in module.named_parameters()}


def test_over_a_long_run_every_new_part_keeps_a_gradient_and_the_gate_is_used():
    """The right tool is told by the last outcome alone, and so is the next one."""
    model = gated(weight=0.5, expansion=1.0).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    seen: list[dict[str, float]] = []
    for update in range(160):
        observation, legal = steps(seed=update)
        passed = observation["last_outcome"][:, 5]
        actions = torch.zeros(ROWS, 7, dtype=torch.int64)
        actions[:, 0] = torch.where(passed > 0, 1, 2)
        encoded = model.encode(observation)
        task = edit_loss(EditDistribution(model, encoded, *legal), actions).loss
        known = torch.ones(ROWS, dtype=torch.bool)
        foretold, metrics = outcome_loss(model.foretell(encoded, actions), passed, known)
        optimizer.zero_grad()
        (task + 0.5 * foretold).backward()
        parts = {"gate": norms(model.outcome_gate), "head": norms(model.outcome_head)}
        seen.append({f"{part}.{n}": v for part, of in parts.items() for n, v in of.items()})
        optimizer.step()
    assert all(math.isfinite(value) for one in seen for value in one.values())
    assert all(value > 0 for one in seen[2:] for value in one.values())
    assert model.outcome_gate.alpha.abs() > 0.01
    observation, legal = steps(seed=9999)
    right = torch.where(observation["last_outcome"][:, 5] > 0, 1, 2)
    model.eval()
    with torch.no_grad():
        tools = EditDistribution(model, model.encode(observation), *legal).tool_log_probs.argmax(1)
        assert (tools == right).all()
        blind = model.encode(without_past(observation))
        blind_tools = EditDistribution(model, blind, *legal).tool_log_probs.argmax(1)
        assert (blind_tools == right).float().mean() < 0.8
    assert metrics["outcome_accuracy"] == 1.0


def test_outcome_loss_counts_known_rows_only():
    logits = torch.tensor([[2.0, -1.0], [0.5, 0.5]], requires_grad=True)
    share = torch.tensor([1.0, 0.25])
    one, metrics = outcome_loss(logits, share, torch.tensor([True, False]))
    expected = math.log1p(math.exp(-2)) + math.log1p(math.exp(1))
    assert one.item() == pytest.approx(expected)
    assert metrics["outcome_accuracy"] == 1.0
    one.backward()
    assert logits.grad[1].abs().sum() == 0
    none, _ = outcome_loss(logits, share, torch.tensor([False, False]))
    assert none.item() == 0.0


def test_foretelling_depends_on_the_whole_action():
    observation, _ = steps()
    model = gated(kind="off", weight=1.0).eval()
    base = torch.zeros(ROWS, 7, dtype=torch.int64)
    base[:, 1], base[:, 2], base[:, 3], base[:, 4] = 3, 5, 9, 1
    with torch.no_grad():
        encoded = model.encode(observation)
        plain = model.foretell(encoded, base)
        for column, value in ((0, 2), (1, 2), (2, 6), (3, 12), (3, 30 + 8)):
            other = base.clone()
            other[:, column] = value
            assert not torch.allclose(model.foretell(encoded, other), plain)
        after_the_end = base.clone()
        after_the_end[:, 5] = 13
        assert torch.equal(model.foretell(encoded, after_the_end), plain)
