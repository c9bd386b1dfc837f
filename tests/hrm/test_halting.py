import pytest
import torch

from hrmgym.hrm.config import HRMConfig
from hrmgym.hrm.halting import Carry, continue_target, halts, take_new_rows


def config(**changes):
    settings = {
        "batch_size": 1,
        "seq_len": 3,
        "num_puzzle_identifiers": 1,
        "vocab_size": 4,
        "H_cycles": 1,
        "L_cycles": 1,
        "H_layers": 1,
        "L_layers": 1,
        "hidden_size": 4,
        "num_heads": 1,
        "halt_max_steps": 8,
        "halt_exploration_prob": 0.0,
    }
    return HRMConfig(**settings | changes)


STEPS = torch.tensor([1, 1, 8, 8], dtype=torch.int32)
Q_HALT = torch.tensor([1.0, -1.0, 1.0, -1.0])
Q_CONTINUE = torch.tensor([2.0, -2.0, 2.0, -2.0])


@pytest.mark.parametrize(
    ("changes", "training", "expected"),
    [
        ({}, False, [False, False, True, True]),
        ({}, True, [False, True, True, True]),
        ({"continue_pass": False}, True, [True, False, True, True]),
        ({"continue_pass": False}, False, [False, False, True, True]),
    ],
)
def test_rules_without_exploration(changes, training, expected):
    found = halts(config(**changes), STEPS, Q_HALT, Q_CONTINUE, training)
    assert found.tolist() == expected


def test_exploration_sets_a_least_number_of_segments():
    torch.manual_seed(0)
    rows = 70_000
    always = config(halt_exploration_prob=1.0)
    wants = torch.ones(rows)
    share = []
    for step in range(1, 9):
        steps = torch.full((rows,), step, dtype=torch.int32)
        share.append(halts(always, steps, wants, -wants, training=True).float().mean().item())
    # the least is uniform in 2..8, so (step - 1) / 7 of the rows may stop
    assert share == pytest.approx([(step - 1) / 7 for step in range(1, 9)], abs=0.01)


def test_exploration_happens_as_often_as_asked():
    torch.manual_seed(0)
    rows = 100_000
    wants, steps = torch.ones(rows), torch.ones(rows, dtype=torch.int32)
    halted = halts(config(halt_exploration_prob=0.1), steps, wants, -wants, training=True)
    assert halted.float().mean().item() == pytest.approx(0.9, abs=0.01)


def test_exploration_never_passes_the_last_segment():
    always = config(halt_exploration_prob=1.0)
    steps = torch.full((1000,), 8, dtype=torch.int32)
    assert halts(always, steps, -torch.ones(1000), torch.ones(1000), training=True).all()


def test_one_segment_always_halts():
    one = config(halt_max_steps=1, halt_exploration_prob=1.0)
    steps = torch.ones(5, dtype=torch.int32)
    assert halts(one, steps, -torch.ones(5), torch.ones(5), training=True).all()


def test_continue_target():
    last = torch.tensor([False, False, True])
    halt, go_on = torch.tensor([1.0, 3.0, 1.0]), torch.tensor([2.0, 2.0, 2.0])
    expected = torch.sigmoid(torch.tensor([2.0, 3.0, 1.0]))
    assert torch.equal(continue_target(last, halt, go_on), expected)


def test_take_new_rows():
    old = {"inputs": torch.zeros(2, 3), "puzzle_identifiers": torch.zeros(2)}
    new = {"inputs": torch.ones(2, 3), "puzzle_identifiers": torch.ones(2)}
    empty = torch.zeros(2, 1, 1)
    carry = Carry(empty, empty, torch.zeros(2), torch.tensor([True, False]), old)
    taken = take_new_rows(carry, new)
    assert taken["inputs"].tolist() == [[1.0] * 3, [0.0] * 3]
    assert taken["puzzle_identifiers"].tolist() == [1.0, 0.0]
