"""Many actions on one canvas have the probabilities that each has by itself."""

import itertools

import pytest
import torch

from hrmgym.errors import ActionError
from hrmgym.hrm import edit_scoring
from hrmgym.hrm.edit_scoring import score_edits

from .test_edit_distribution import LENGTH, VOCAB, listed, tiny


def every_edit():
    """All edits that can be written down, legal ones and others."""
    spans = itertools.product(range(LENGTH), repeat=2)
    entries = range(VOCAB + LENGTH)
    pairs = list(itertools.product(entries, repeat=2))
    return torch.tensor([[0, *span, *pair] for span in spans for pair in pairs])


@pytest.mark.parametrize("row", [0, 1])
@pytest.mark.parametrize("chunk", [3, 512])
def test_each_has_the_probability_that_it_has_alone(row, chunk, monkeypatch):
    monkeypatch.setattr(edit_scoring, "_CHUNK", chunk)
    actions = every_edit()
    found = score_edits(tiny(), row, actions)
    with torch.no_grad():
        alone = tiny((row,), len(actions)).log_prob(actions)
    torch.testing.assert_close(found, alone, atol=1e-4, rtol=1e-4)
    legal = sum(action[0] == 0 for action in listed(row))
    assert int(found.isfinite().sum()) == legal


def test_the_order_of_the_actions_changes_nothing():
    actions = every_edit()
    mixed = torch.randperm(len(actions), generator=torch.Generator().manual_seed(0))
    found = score_edits(tiny(), 0, actions)
    torch.testing.assert_close(score_edits(tiny(), 0, actions[mixed]), found[mixed])


def test_none_and_none_that_is_legal():
    assert score_edits(tiny(), 0, torch.zeros(0, 5, dtype=torch.int64)).shape == (0,)
    refused = torch.tensor([[0, 0, 0, 1, 0]])  # writes nothing in the place of nothing
    assert score_edits(tiny(), 0, refused).tolist() == [-torch.inf]


def test_other_tools_and_other_shapes_are_refused():
    with pytest.raises(ActionError, match="edits alone"):
        score_edits(tiny(), 0, torch.tensor([[1, 0, 0, 0, 0]]))
    with pytest.raises(ActionError, match=r"expected int64 \[1, 5\]"):
        score_edits(tiny(), 0, torch.tensor([[0, 0, 1, 4]]))
