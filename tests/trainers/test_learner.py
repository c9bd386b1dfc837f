"""One supervised update and its state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hrmgym.envs.bugs.making import Mix, mix
from hrmgym.errors import CheckpointError
from hrmgym.hrm.edit_model import EditModel
from hrmgym.hrm.optim import AdamATan2
from hrmgym.policies.hrm import edit_model_config
from hrmgym.tests.learning import (
    INTERFACE,
    PROGRAMS,
    SHAPE,
    config,
    few_threads,
    learner,
    network,
    stream,
)
from hrmgym.trainers.data.bug_stream import BugStream, Sample
from hrmgym.trainers.gradients import gradient_norms
from hrmgym.trainers.learner import Learner, count_targets, repair_loss
from hrmgym.trainers.losses import supervised_terms
from hrmgym.trainers.supervised import parts_of

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
    loss, metrics, _ = repair_loss(model, SAMPLES, "cpu", supervised_terms(model))
    loss.backward()  # type: ignore[no-untyped-call]
    parts = ("nll_tool", "nll_start", "nll_end", "nll_replacement")
    assert sum(metrics[part] for part in parts) == pytest.approx(metrics["nll"], rel=1e-4)
    assert all(metrics[part] > 0 for part in parts)
    norms = gradient_norms(model)
    # The value is trained by reinforcement learning alone.
    assert "value_head" in norms
    learned = {part: norm for part, norm in norms.items() if "value" not in part}
    assert all(np.isfinite(norm) and norm > 0 for norm in learned.values()), learned


def several() -> list[Sample]:
    """Samples of up to three targets each."""
    made = BugStream(
        PROGRAMS,
        INTERFACE,
        seed=0,
        max_span=32,
        recipe=Mix(mix("fitted").weights, (0.2, 0.4, 0.4)),
        every_place=True,
    )
    samples = [made.sample(index) for index in range(12)]
    assert {len(one.others) for one in samples} >= {0, 1}
    return samples


def test_every_target_counts_the_same_as_if_each_had_a_canvas_of_its_own() -> None:
    samples = several()
    apart = [
        replace(one, action=action, others=())
        for one in samples
        for action in (one.action, *one.others)
    ]
    assert count_targets(samples) == len(apart) > len(samples)
    losses, grads = [], []
    for group in (samples, apart):
        model = network()
        _, metrics, _ = repair_loss(model, group, "cpu", supervised_terms(model))
        losses.append(metrics)
        loss = (
            repair_loss(model, group, "cpu", supervised_terms(model))[0]
            - 0.5 * metrics["halt_loss"]
        )
        loss.backward()  # type: ignore[no-untyped-call]
        grads.append(model.span_head.start.weight.grad)
    for name in ("nll", "nll_start", "nll_end", "nll_replacement", "start_accuracy"):
        assert losses[0][name] == pytest.approx(losses[1][name], rel=1e-4), name
    torch.testing.assert_close(*grads, rtol=1e-3, atol=1e-6)


def test_accumulated_parts_weigh_targets_not_canvases() -> None:
    whole, cut = learner(), learner(part_tokens=100)
    samples = several()
    assert len(parts_of(samples, 100)) > 1
    found, again = whole.update(samples, 1.0), cut.update(samples, 1.0)
    assert found["nll"] == pytest.approx(again["nll"], rel=1e-4)
    assert found["nll_start"] == pytest.approx(again["nll_start"], rel=1e-4)


def test_a_canvas_is_right_when_any_of_its_targets_is_the_greedy_action() -> None:
    sample = next(one for one in several() if one.others)
    one = learner(learning_rate=1e-2)
    assert repair_loss(one.model, [sample], "cpu", one.terms)[2] == [False]
    second = replace(sample, action=sample.others[0], others=())
    while repair_loss(one.model, [second], "cpu", one.terms)[2] == [False]:
        one.update([second], 0.2)
        assert one.updates < 500
    assert repair_loss(one.model, [sample], "cpu", one.terms)[2] == [True]


def test_training_draws_the_number_of_segments_where_rows_may_halt() -> None:
    few_threads()
    torch.manual_seed(0)
    model = EditModel(edit_model_config(96, {**SHAPE, "segments": 3, "halting": True}))
    one = Learner(model, config().fitted(32))
    drawn, inner = [], model.core.segment

    def counted(*arguments: Any, **options: Any) -> Any:
        drawn[-1] += 1
        return inner(*arguments, **options)

    model.core.segment = counted  # type: ignore[method-assign]
    for _ in range(8):
        drawn.append(0)
        one.update(SAMPLES, 1.0)
    assert set(drawn) == {1, 2, 3}
    assert model.depth is None


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


def test_the_balanced_loss_weighs_the_choices_and_reaches_the_same_parts() -> None:
    model = network()
    loss, metrics, _ = repair_loss(model, SAMPLES, "cpu", supervised_terms(model, "balanced"))
    plain, same, _ = repair_loss(model, SAMPLES, "cpu", supervised_terms(model))
    assert metrics.pop("nll_per_entry") <= metrics["nll_replacement"]
    assert metrics == pytest.approx(same)
    halt = 0.5 * metrics["halt_loss"]
    assert plain.item() == pytest.approx(metrics["nll"] + halt, rel=1e-4)
    entries = [int(np.count_nonzero(one.action[3:])) for one in SAMPLES]
    assert max(entries) > 1
    known = metrics["nll_tool"] + 2 * metrics["nll_start"] + metrics["nll_end"] + halt
    per_entry = loss.item() - known
    assert metrics["nll_replacement"] / max(entries) < per_entry < metrics["nll_replacement"]
    loss.backward()  # type: ignore[no-untyped-call]
    norms = gradient_norms(model)
    assert all(norm > 0 for part, norm in norms.items() if "value" not in part)
