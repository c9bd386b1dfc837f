"""One supervised update and its state."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hrmgym.errors import CheckpointError
from hrmgym.hrm.optim import AdamATan2
from hrmgym.tests.learning import learner, network, stream
from hrmgym.trainers.bug_stream import Sample
from hrmgym.trainers.gradients import gradient_norms
from hrmgym.trainers.learner import parts_of, repair_loss

SAMPLES = [stream().sample(index) for index in range(16)]


@pytest.mark.parametrize("tokens", [64, 150, 300])
def test_accumulated_parts_make_the_same_update_as_the_whole(tokens: int) -> None:
    assert len(parts_of(SAMPLES, 8192)) == 1 < len(parts_of(SAMPLES, tokens))
    whole, cut = learner(), learner(part_tokens=tokens)
    metrics, again = whole.update(SAMPLES, 1.0), cut.update(SAMPLES, 1.0)
    for one, two in zip(whole.model.parameters(), cut.model.parameters(), strict=True):
        if one.grad is not None:
            assert two.grad is not None
            torch.testing.assert_close(one.grad, two.grad, rtol=1e-3, atol=1e-5)
    assert metrics["nll"] == pytest.approx(again["nll"], rel=1e-4)
    assert cut.done == whole.done == 16


def test_the_loss_is_the_sum_of_its_parts_and_reaches_every_part_of_the_network() -> None:
    model = network()
    loss, metrics, _ = repair_loss(model, SAMPLES, "cpu")
    loss.backward()  # type: ignore[no-untyped-call]
    parts = ("nll_tool", "nll_start", "nll_end", "nll_replacement")
    assert sum(metrics[part] for part in parts) == pytest.approx(metrics["nll"], rel=1e-4)
    assert all(metrics[part] > 0 for part in parts)
    norms = gradient_norms(model)
    # The value is trained by reinforcement learning alone.
    assert "value_head" in norms
    learned = {part: norm for part, norm in norms.items() if "value" not in part}
    assert all(np.isfinite(norm) and norm > 0 for norm in learned.values()), learned


def test_the_average_follows_the_weights_and_is_what_ships() -> None:
    one = learner(ema=0.9)
    for _ in range(3):
        one.update(SAMPLES, 1.0)
    name, weight = next(iter(one.model.named_parameters()))
    own = weight.detach().clone()
    assert one.ema is not None
    with one.averaged() as model:
        assert not torch.equal(weight, own)
        torch.testing.assert_close(weight, one.ema.average[name])
        assert not model.training
    assert torch.equal(weight, own)
    one.keep_average()
    torch.testing.assert_close(weight, one.ema.average[name])


def test_the_average_of_few_updates_is_not_mostly_the_first_weights() -> None:
    one = learner(ema=0.999)
    first = next(one.model.parameters()).detach().clone()
    for _ in range(5):
        one.update(SAMPLES, 1.0)
    last = next(one.model.parameters()).detach()
    with one.averaged() as model:
        average = next(model.parameters()).detach().clone()
    assert (average - last).norm() < (average - first).norm()


def test_the_rate_and_the_optimiser_are_those_asked_for() -> None:
    one = learner(optimizer="adam_atan2", learning_rate=1e-2)
    assert isinstance(one.optimizer, AdamATan2)
    one.update(SAMPLES, 0.25)
    assert one.optimizer.param_groups[0]["lr"] == pytest.approx(2.5e-3)


def test_a_state_of_another_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(CheckpointError, match=r"a.pt: not the state of this model"):
        learner().load(path)
    learner().save(path)
    wide = learner()
    wide.model.q_head = torch.nn.Linear(3, 3)  # type: ignore[assignment]
    with pytest.raises(CheckpointError, match=r"not the state of this model"):
        wide.load(path)


def test_a_run_may_begin_to_average_and_change_its_decay(tmp_path: Path) -> None:
    one = learner(ema=None)
    one.update(SAMPLES, 1.0)
    one.save(tmp_path / "a.pt")
    two = learner(seed=3, weight_decay=0.5)
    two.load(tmp_path / "a.pt")
    assert two.ema is not None
    for name, weight in two.model.named_parameters():
        torch.testing.assert_close(two.ema.average[name], weight.detach())
    assert two.optimizer.param_groups[0]["weight_decay"] == 0.5


def test_parts_hold_every_sample_once_and_not_too_many_tokens() -> None:
    def length(sample: Sample) -> int:
        return int(np.count_nonzero(sample.observation["tokens"]))

    for tokens in (1, 100, 300, 10_000):
        parts = parts_of(SAMPLES, tokens)
        assert sorted(id(one) for part in parts for one in part) == sorted(map(id, SAMPLES))
        for part in parts:
            assert len(part) == 1 or len(part) * max(map(length, part)) <= tokens
