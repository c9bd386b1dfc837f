import math

import pytest
import torch

from hrmgym.errors import ActionError
from hrmgym.hrm.config import HRMConfig
from hrmgym.hrm.edit_distribution import EditDistribution
from hrmgym.hrm.losses import (
    act_loss,
    edit_loss,
    halt_loss,
    stablemax_cross_entropy,
    value_loss,
)
from hrmgym.hrm.model import HRM

from .conftest import canvases, only_edits, small_model


def test_stablemax_by_hand():
    logits = torch.tensor([[[1.0, 0.0, -1.0], [5.0, 5.0, 5.0]]])
    loss = stablemax_cross_entropy(logits, torch.tensor([[2, -100]]))
    assert loss.dtype == torch.float64
    assert loss[0, 0].item() == pytest.approx(-math.log(0.5 / (2 + 1 + 0.5)))
    assert loss[0, 1].item() == 0.0


def test_stablemax_gradient_is_finite_everywhere():
    logits = torch.tensor([[[1.0, 0.0, -1e4, 1e4]]], requires_grad=True)
    stablemax_cross_entropy(logits, torch.tensor([[2]])).sum().backward()
    assert logits.grad.isfinite().all()
    assert logits.grad[0, 0, 2] < 0


def tiny_hrm(**changes):
    torch.manual_seed(0)
    settings = {
        "batch_size": 2,
        "seq_len": 3,
        "num_puzzle_identifiers": 1,
        "vocab_size": 4,
        "H_cycles": 1,
        "L_cycles": 1,
        "H_layers": 1,
        "L_layers": 1,
        "hidden_size": 8,
        "num_heads": 1,
        "halt_max_steps": 2,
        "forward_dtype": "float32",
    }
    return HRM(HRMConfig(**settings | changes))


def test_act_metrics_count_halted_rows_only():
    model = tiny_hrm().eval()
    inputs = torch.tensor([[1, 2, 3], [3, 2, 1]])
    ids = torch.zeros(2, dtype=torch.long)
    empty = {"inputs": inputs, "labels": torch.full((2, 3), -100), "puzzle_identifiers": ids}
    _, outputs = model(model.initial_carry(empty), empty)
    answer = outputs["logits"].argmax(-1)
    labels = answer.clone()
    labels[0, 2] = -100  # row 0: right wherever it counts
    labels[1, 0] = (labels[1, 0] + 1) % 4  # row 1: one of three wrong
    data = empty | {"labels": labels}

    going = act_loss(model, model.initial_carry(data), data)  # two segments: none has halted
    assert going.metrics["count"] == going.metrics["exact_accuracy"] == 0
    once = tiny_hrm(halt_max_steps=1).eval()  # the same seed, so the same weights and answer
    result = act_loss(once, once.initial_carry(data), data)
    assert result.metrics["count"] == 2
    assert result.metrics["accuracy"].item() == pytest.approx(1 + 2 / 3)
    assert result.metrics["exact_accuracy"] == 1
    assert result.metrics["q_halt_accuracy"] == 1  # q_halt = -5: it says "wrong" for both
    assert result.metrics["steps"] == 2
    expected = result.metrics["lm_loss"] + 0.5 * result.metrics["q_halt_loss"]
    assert result.loss.item() == pytest.approx(expected.item())
    assert result.metrics["q_halt_loss"].item() == pytest.approx(
        math.log1p(math.exp(5)) + math.log1p(math.exp(-5)), rel=1e-5
    )


def test_continue_loss_is_there_only_with_the_continue_pass():
    data = {
        "inputs": torch.tensor([[1, 2, 3], [3, 2, 1]]),
        "labels": torch.tensor([[1, 2, 3], [3, 2, 1]]),
        "puzzle_identifiers": torch.zeros(2, dtype=torch.long),
    }
    for on in (True, False):
        model = tiny_hrm(continue_pass=on).train()
        result = act_loss(model, model.initial_carry(data), data)
        assert ("q_continue_loss" in result.metrics) is on
        q_losses = [v for n, v in result.metrics.items() if n in ("q_halt_loss", "q_continue_loss")]
        expected = result.metrics["lm_loss"] + 0.5 * sum(q_losses)
        assert result.loss.item() == pytest.approx(expected.item())
        assert not any(value.requires_grad for value in result.outputs.values())


def test_edit_loss_is_the_weighted_mean(distribution):
    actions = distribution.sample(torch.Generator().manual_seed(0))
    log_prob = distribution.log_prob(actions)
    assert edit_loss(distribution, actions).loss.item() == pytest.approx(-log_prob.mean().item())
    weights = torch.tensor([0.0, 1.0, 3.0])
    expected = -(log_prob[1] + 3 * log_prob[2]) / 4
    found = edit_loss(distribution, actions, weights).loss
    assert found.item() == pytest.approx(expected.item())


def test_edit_metrics(distribution):
    best = distribution.mode()
    result = edit_loss(distribution, best)
    assert result.exact.tolist() == [True] * 3
    assert result.metrics["exact"] == result.metrics["span_accuracy"] == 1.0
    worst = best.clone()
    worst[0] = 0
    place = int(distribution.start_log_probs[0].masked_fill(~distribution.editable[0], 0).argmin())
    worst[0, 1:5] = torch.tensor([place, place + 1, 5, 1])
    assert place != int(best[0, 1])
    result = edit_loss(distribution, worst)
    assert result.exact.tolist() == [False, True, True]
    assert result.metrics["start_accuracy"] == pytest.approx(2 / 3)
    assert result.metrics["tool_accuracy"] == 1.0


def test_illegal_target_is_refused(distribution):
    actions = distribution.mode()
    actions[1, 3] = 2  # CLS
    with pytest.raises(ActionError, match=r"row 1: target .* is not a legal action"):
        edit_loss(distribution, actions)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("gradient", ["last_step", "last_recursion"])
def test_every_parameter_learns(gradient, dtype):
    model = small_model(gradient=gradient, forward_dtype=dtype).train()
    observation, legal = canvases(model.config, [12, 7, 20, 24])
    encoded = model.encode(observation)
    distribution = EditDistribution(model, encoded, *legal)
    edits = EditDistribution(model, encoded, *only_edits(legal))
    actions = edits.sample(torch.Generator().manual_seed(0))
    # one copy of several tokens, so that the state copied from is read as the previous entry
    copies = distribution.targets[0][distribution.targets[0] >= model.config.vocab_size]
    actions[0, 3:] = torch.tensor([int(copies[0]), 9, 1, 0])
    loss = edit_loss(distribution, actions)
    total = loss.loss + value_loss(encoded.value, torch.ones(4))
    total = total + halt_loss(encoded.q_halt, loss.exact)
    total.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_training_fits_a_few_edits():
    model = small_model().train()
    observation, legal = canvases(model.config, [12, 7, 20, 24])
    targets = EditDistribution(model, model.encode(observation), *only_edits(legal)).sample(
        torch.Generator().manual_seed(1)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    for _ in range(40):
        result = edit_loss(EditDistribution(model, model.encode(observation), *legal), targets)
        optimizer.zero_grad()
        result.loss.backward()
        optimizer.step()
    assert result.metrics["nll"] < 0.5
    assert result.exact.all()
    greedy = EditDistribution(model, model.encode(observation), *legal).mode()
    assert torch.equal(greedy, targets)


def test_value_and_halt_loss_by_hand():
    assert value_loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 2.0])).item() == 0.25
    loss = halt_loss(torch.tensor([0.0, 0.0]), torch.tensor([True, False]))
    assert loss.item() == pytest.approx(math.log(2))


def test_act_loss_is_a_tensor_that_unpacks():
    data = {
        "inputs": torch.tensor([[1, 2, 3], [3, 2, 1]]),
        "labels": torch.tensor([[1, 2, 3], [-100, -100, -100]]),
        "puzzle_identifiers": torch.zeros(2, dtype=torch.long),
    }
    model = tiny_hrm().train()
    result = act_loss(model, model.initial_carry(data), data)
    assert isinstance(result, torch.Tensor)
    assert result.shape == ()
    carry, loss, metrics, outputs = result
    assert carry.inner_carry.z_H is carry.z_H
    assert loss.item() == float(result.detach())
    assert torch.equal(outputs.q_halt_logits, outputs["q_halt_logits"])
    assert outputs.target_q_continue is not None
    assert metrics["lm_loss"] > 0
    half = result / 2
    assert type(half) is torch.Tensor
    half.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
