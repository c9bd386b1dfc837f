"""Tests of the adapters around the recursion, their router and their controls."""

from __future__ import annotations

import pytest
import torch

from hrmgym.hrm.edit_model import EditModel
from hrmgym.tests.hrm.conftest import canvases, small_config

KINDS = ["language", "tool", "random", "learned", "generalist"]


def model_of(kind, **more):
    torch.manual_seed(0)
    return EditModel(small_config(specialists={"kind": kind, "rank": 3} | more))


def batch(rows=6):
    observation, _ = canvases(small_config(), [20] * rows)
    observation["language"] = torch.tensor([[1], [1], [4]] * (rows // 3))
    return observation


def size(model):
    return sum(parameter.numel() for parameter in model.parameters())


def opened(model):
    """Adapters that do something."""
    with torch.no_grad():
        for part in (model.specialists.input, model.specialists.readout):
            part.up.normal_(std=0.3)
    return model


@pytest.mark.parametrize("kind", [one for one in KINDS if one != "learned"])
def test_new_adapters_change_nothing(kind):
    observation = batch()
    torch.manual_seed(0)
    plain = EditModel(small_config()).eval()
    model = model_of(kind).eval()
    model.load_state_dict(plain.state_dict(), strict=False)
    with torch.no_grad():
        assert torch.equal(model.encode(observation).z_H, plain.encode(observation).z_H)


def test_sizes():
    plain, width = size(EditModel(small_config())), 32
    added = {kind: size(model_of(kind)) - plain for kind in KINDS}
    each = 2 * 2 * width * 3  # down and up, before and after the recursion
    assert added["language"] == 6 * each
    assert added["tool"] == 8 * each
    assert added["random"] == added["generalist"] == added["language"]
    assert added["learned"] == added["language"] + 6 * width
    assert size(model_of("generalist", count=8)) - plain == added["tool"]


@pytest.mark.parametrize("part", ["input", "readout"])
def test_only_the_active_adapters_learn(part):
    model = opened(model_of("language")).train()
    encoded = model.encode(batch())
    (encoded.value + encoded.tool_logits.sum(1)).sum().backward()
    adapters = getattr(model.specialists, part)
    with torch.no_grad():
        model.value_head.weight.fill_(1.0)
    for table in (adapters.down, adapters.up):
        moved = table.grad.flatten(1).norm(dim=1)
        assert (moved[[1, 4]] > 0).all()
        assert (moved[[0, 2, 3, 5]] == 0).all()
    assert model.core.L_level.layers[0].mlp.down_proj.weight.grad.norm() > 0


def test_a_row_is_changed_by_its_own_adapter_alone():
    model = opened(model_of("language")).eval()
    observation = batch()
    with torch.no_grad():
        before = model.encode(observation).z_H
        model.specialists.input.up[4] += 1.0
        after = model.encode(observation).z_H
    changed = (before - after).abs().amax((1, 2)) > 1e-4
    assert changed.tolist() == [False, False, True] * 2


def test_tools_are_those_of_the_step_before():
    model = model_of("tool")
    observation = batch()
    x, real = torch.zeros(6, 20, 32), torch.ones(6, 20, dtype=torch.bool)
    first, _, _ = model.specialists.route(observation, x, real)
    assert first.tolist() == [7] * 6  # all begin an episode
    action = torch.zeros(6, 7, dtype=torch.int64)
    action[:, 0] = torch.arange(6)
    outcome = torch.ones(6, 6)
    outcome[5] = 0
    later = observation | {"previous_action": action, "last_outcome": outcome}
    index, weight, balance = model.specialists.route(later, x, real)
    assert index.tolist() == [0, 1, 2, 3, 4, 7]
    assert weight is None
    assert balance is None


def test_the_placebo_splits_at_random_and_for_good():
    model = model_of("random")
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(4, 30, (3000, 20), generator=generator)
    x, real = torch.zeros(3000, 20, 32), torch.ones(3000, 20, dtype=torch.bool)

    def route(tokens):
        languages = torch.zeros(3000, 1, dtype=torch.int64)
        found = model.specialists.route({"tokens": tokens, "language": languages}, x, real)
        return found[0]

    index = route(tokens)
    shares = torch.bincount(index, minlength=6) / 3000
    assert (shares - 1 / 6).abs().max() < 0.03
    later = tokens.clone()
    later[:, 17] = 9  # an edit further down
    assert torch.equal(route(later), index)
    torch.manual_seed(5)
    assert torch.equal(route(tokens), index)


def test_the_learned_router_balances_its_adapters():
    model = model_of("learned", count=3).train()
    router, generator = model.specialists.router, torch.Generator().manual_seed(0)
    x = torch.randn(60, 4, 32, generator=generator)
    real = torch.ones(60, 4, dtype=torch.bool)
    with torch.no_grad():
        router.weight[0] = x.mean((0, 1)) * 20 + 0.5  # nearly all rows go to adapter 0 at first
    optimizer = torch.optim.Adam(router.parameters(), lr=0.03)
    balances = []
    for _ in range(80):
        index, weight, balance = model.specialists.route({}, x, real)
        assert weight.shape == (60,)
        optimizer.zero_grad()
        balance.backward()
        assert router.weight.grad.norm() > 0
        optimizer.step()
        balances.append(balance.item())
    assert balances[-1] < balances[0] - 0.05
    assert balances[-1] == pytest.approx(1.0, abs=0.15)
    assert len(index.unique()) == 3


def test_the_learned_router_learns_from_the_task_too():
    model = opened(model_of("learned")).train()
    encoded = model.encode(batch())
    assert encoded.balance.item() >= 1 - 1e-6
    encoded.tool_logits.square().sum().backward()
    assert model.specialists.router.weight.grad.norm() > 0


def test_counts_of_their_own():
    with pytest.raises(ValueError, match="kind 'language' has a number of adapters of its own"):
        model_of("language", count=3)
