import pytest
import torch

from hrmgym.errors import DataError
from hrmgym.hrm.config import HRMConfig
from hrmgym.hrm.model import HRM


def config(**changes):
    settings = {
        "batch_size": 3,
        "seq_len": 5,
        "puzzle_emb_ndim": 16,
        "num_puzzle_identifiers": 4,
        "vocab_size": 7,
        "H_cycles": 2,
        "L_cycles": 2,
        "H_layers": 1,
        "L_layers": 1,
        "hidden_size": 16,
        "num_heads": 2,
        "halt_max_steps": 4,
        "forward_dtype": "float32",
    }
    return HRMConfig(**settings | changes)


def batch(rows=3, seq=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        "inputs": torch.randint(1, 7, (rows, seq), generator=generator),
        "labels": torch.randint(1, 7, (rows, seq), generator=generator),
        "puzzle_identifiers": torch.randint(0, 4, (rows,), generator=generator),
    }


@pytest.mark.parametrize(
    ("vocab", "seq", "parameters"),
    [(11, 81, 27_275_266), (12, 900, 27_276_290), (6, 900, 27_270_146)],
    ids=["sudoku", "arc", "maze"],
)
def test_released_sizes(vocab, seq, parameters):
    released = config(
        seq_len=seq,
        vocab_size=vocab,
        hidden_size=512,
        num_heads=8,
        puzzle_emb_ndim=512,
        H_layers=4,
        L_layers=4,
        halt_max_steps=16,
        forward_dtype="bfloat16",
    )
    with torch.device("meta"):
        model = HRM(released)
    assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_shapes_and_types(dtype):
    model = HRM(config(forward_dtype=dtype)).eval()
    data = batch()
    carry, outputs = model(model.initial_carry(data), data)
    assert carry.z_H.shape == carry.z_L.shape == (3, 6, 16)
    assert carry.z_H.dtype == getattr(torch, dtype)
    assert outputs["logits"].shape == (3, 5, 7)
    assert outputs["q_halt_logits"].shape == (3,)
    assert outputs["q_halt_logits"].dtype == torch.float32
    assert "target_q_continue" not in outputs
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_wrong_length_is_refused():
    model = HRM(config())
    with pytest.raises(DataError, match=r"inputs: shape \[3, 4\].*seq_len=5"):
        model.initial_carry(batch(seq=4))


def test_evaluation_runs_all_segments_then_takes_new_rows():
    model = HRM(config()).eval()
    torch.nn.init.constant_(model.inner.q_head.bias[:1], 9.0)  # q_halt far above q_continue
    first, second = batch(seed=1), batch(seed=2)
    carry = model.initial_carry(first)
    for step in range(1, 5):
        carry, _ = model(carry, first if step == 1 else second)
        assert carry.steps.tolist() == [step] * 3
        assert carry.halted.tolist() == [step == 4] * 3
        assert torch.equal(carry.current_data["inputs"], first["inputs"])
    carry, _ = model(carry, second)
    assert carry.steps.tolist() == [1] * 3
    assert torch.equal(carry.current_data["inputs"], second["inputs"])


def test_a_refilled_row_forgets_its_state():
    model = HRM(config()).eval()
    old, new = batch(seed=1), batch(seed=2)
    carry = model.initial_carry(old)
    for _ in range(4):
        carry, _ = model(carry, old)
    refilled, _ = model(carry, new)
    fresh, _ = model(model.initial_carry(new), new)
    torch.testing.assert_close(refilled.z_H, fresh.z_H)
    torch.testing.assert_close(refilled.z_L, fresh.z_L)


def test_only_halted_rows_are_refilled():
    model = HRM(config()).eval()
    old, new = batch(seed=1), batch(seed=2)
    carry, _ = model(model.initial_carry(old), old)
    carry.halted[1] = True
    carry, _ = model(carry, new)
    assert carry.steps.tolist() == [2, 1, 2]
    assert torch.equal(carry.current_data["inputs"][1], new["inputs"][1])
    assert torch.equal(carry.current_data["inputs"][0], old["inputs"][0])


def calls_with_gradient(**changes):
    model = HRM(config(**changes)).train()
    taped = []

    def note(module, inputs, output):
        taped.append(output.requires_grad)

    levels = {model.inner.high, model.inner.L_level}
    for level in levels:
        level.register_forward_hook(note)
    data = batch()
    model(model.initial_carry(data), data)
    return taped


def test_what_is_differentiated():
    one_pass = {"continue_pass": False}
    assert calls_with_gradient(**one_pass) == [False] * 4 + [True] * 2
    whole = calls_with_gradient(gradient="last_recursion", **one_pass)
    assert whole == [False] * 3 + [True] * 3
    shared = calls_with_gradient(gradient="last_recursion", shared_levels=True, **one_pass)
    assert shared == [False] * 3 + [True] * 3
    assert calls_with_gradient() == [False] * 4 + [True] * 2 + [False] * 6


def test_carry_is_detached():
    model = HRM(config()).train()
    data = batch()
    carry, outputs = model(model.initial_carry(data), data)
    assert outputs["logits"].requires_grad
    assert not carry.z_H.requires_grad
    assert not carry.z_L.requires_grad
    assert not outputs["target_q_continue"].requires_grad


def test_shared_levels_has_one_network():
    names = HRM(config(shared_levels=True)).state_dict()
    assert not any("H_level" in name for name in names)
    assert any("L_level" in name for name in names)
