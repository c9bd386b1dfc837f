"""Rows of the edit model that stop early."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from hrmgym.hrm.edit_model import EditModel

from .conftest import canvases, small_config, small_model

LENGTHS = [12, 7, 20, 16]


def halting_model(bias: float, segments: int = 3, **changes: object) -> EditModel:
    """A model whose rows differ in how sure they are; `bias` shifts all of them."""
    model = small_model(segments=segments, halting=True, **changes)
    with torch.no_grad():
        model.q_head.weight.normal_(std=1.0, generator=torch.Generator().manual_seed(3))
        assert model.q_head.bias is not None
        model.q_head.bias.fill_(bias)
    return model


def observation(model: EditModel) -> dict[str, Tensor]:
    return canvases(model.config, LENGTHS)[0]


def divided_model() -> EditModel:
    """A model that is sure of some rows after one segment, and not of others."""
    model = halting_model(0.0)
    model.depth = 1
    with torch.no_grad():
        low, high = model.encode(observation(model)).q_halt.sort().values[1:3].tolist()
        assert model.q_head.bias is not None
        model.q_head.bias -= (low + high) / 2
    model.depth = None
    return model


@pytest.mark.parametrize(("bias", "expected"), [(100.0, 1), (-100.0, 3)])
def test_a_sure_row_stops_at_once_and_an_unsure_one_runs_all(bias: float, expected: int) -> None:
    model = halting_model(bias)
    seen = observation(model)
    encoded = model.encode(seen)
    assert encoded.segments.tolist() == [expected] * 4
    plain = small_model(segments=expected)
    plain.load_state_dict(model.state_dict())
    torch.testing.assert_close(encoded.z_H, plain.encode(seen).z_H)
    assert plain.encode(seen).segments.tolist() == [expected] * 4


def test_each_row_stops_by_itself_as_if_it_were_alone() -> None:
    model = divided_model()
    seen = observation(model)
    with torch.no_grad():
        together = model.encode(seen)
        counts = together.segments.tolist()
        assert len(set(counts)) > 1
        for row, count in enumerate(counts):
            alone = model.encode({key: value[row : row + 1] for key, value in seen.items()})
            assert alone.segments.tolist() == [count]
            size = LENGTHS[row]
            torch.testing.assert_close(alone.z_H[0, :size], together.z_H[row, :size])
            assert float(together.q_halt[row]) > 0 or count == 3


def test_only_the_last_segment_of_a_row_is_differentiated_and_gives_the_same_states() -> None:
    model = divided_model()
    seen = observation(model)
    with torch.no_grad():
        wanted = model.encode(seen)
    found = model.encode(seen)
    torch.testing.assert_close(found.z_H, wanted.z_H)
    found.z_H.square().sum().add(found.q_halt.sum()).backward()
    for name in ("core.H_level", "core.L_level", "embedding", "q_head"):
        grads = [p.grad for n, p in model.named_parameters() if n.startswith(name)]
        assert any(grad is not None and bool(grad.abs().sum() > 0) for grad in grads), name


def test_a_depth_that_is_set_overrules_the_head() -> None:
    model = halting_model(100.0)
    model.depth = 2
    assert model.encode(observation(model)).segments.tolist() == [2] * 4


def test_halting_has_no_say_where_runs_are_compared_and_needs_a_recursion() -> None:
    with pytest.raises(ValidationError, match="latent_samples: more than 1 needs halting: false"):
        small_config(halting=True, latent_samples=2)
    with pytest.raises(ValidationError, match="halting: True needs architecture 'hrm'"):
        small_config(halting=True, architecture="transformer")


def test_rows_can_be_taken_more_than_once() -> None:
    model = halting_model(0.0)
    encoded = model.encode(observation(model))
    index = torch.tensor([2, 0, 2])
    taken = encoded.rows(index)
    for name in ("z_H", "tokens", "tool_logits", "value", "q_halt", "segments"):
        assert torch.equal(getattr(taken, name), getattr(encoded, name)[index]), name
    assert taken.length == encoded.length
