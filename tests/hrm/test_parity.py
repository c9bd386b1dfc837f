"""HRM against a second statement of the published procedure that shares no code with it.

Everything below `restated` works on a flat dictionary of tensors with the released names.
"""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from hrmgym.hrm.checkpoint import load_official
from hrmgym.hrm.losses import act_loss

SEQ, VOCAB, IDS, WIDTH, HEADS, LAYERS, BATCH = 9, 11, 4, 64, 4, 2, 5
INNER = 256  # round_up(round(4 * 64 * 2 / 3) = 171, 256)


def official_config(**changes):
    return {
        "batch_size": BATCH,
        "seq_len": SEQ,
        "puzzle_emb_ndim": WIDTH,
        "num_puzzle_identifiers": IDS,
        "vocab_size": VOCAB,
        "H_cycles": 2,
        "L_cycles": 2,
        "H_layers": LAYERS,
        "L_layers": LAYERS,
        "hidden_size": WIDTH,
        "expansion": 4,
        "num_heads": HEADS,
        "pos_encodings": "rope",
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "halt_max_steps": 16,
        "halt_exploration_prob": 0.1,
        "forward_dtype": "float32",
    } | changes


def official_weights(config, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape, std):
        return torch.randn(*shape, generator=generator) * std

    weights = {
        "H_init": normal(WIDTH, std=1.0),
        "L_init": normal(WIDTH, std=1.0),
        "embed_tokens.embedding_weight": normal(VOCAB, WIDTH, std=WIDTH**-0.5),
        "lm_head.weight": normal(VOCAB, WIDTH, std=WIDTH**-0.5),
        "q_head.weight": normal(2, WIDTH, std=WIDTH**-0.5),
        "q_head.bias": normal(2, std=1.0),
    }
    puzzle = config["puzzle_emb_ndim"]
    if puzzle:
        weights["puzzle_emb.weights"] = normal(IDS, puzzle, std=0.3)
    if config["pos_encodings"] == "learned":
        rows = SEQ + -(-puzzle // WIDTH)
        weights["embed_pos.embedding_weight"] = normal(rows, WIDTH, std=WIDTH**-0.5)
    levels = ["L_level"] if config.get("shared_levels") else ["H_level", "L_level"]
    for level in levels:
        for i in range(LAYERS):
            for name, rows, columns in (
                ("self_attn.qkv_proj", 3 * WIDTH, WIDTH),
                ("self_attn.o_proj", WIDTH, WIDTH),
                ("mlp.gate_up_proj", 2 * INNER, WIDTH),
                ("mlp.down_proj", WIDTH, INNER),
            ):
                key = f"{level}.layers.{i}.{name}.weight"
                weights[key] = normal(rows, columns, std=columns**-0.5)
    return weights


def data(seed=1):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randint(1, VOCAB, (BATCH, SEQ), generator=generator)
    labels = torch.randint(1, VOCAB, (BATCH, SEQ), generator=generator)
    labels[torch.rand(BATCH, SEQ, generator=generator) < 0.3] = -100
    ids = torch.tensor([0, 1, 2, 3, 1])
    return {"inputs": inputs, "labels": labels, "puzzle_identifiers": ids}


# --- the restatement -----------------------------------------------------------------------------


def restated_norm(x):
    return x / torch.sqrt((x**2).mean(-1, keepdim=True) + 1e-5)


def restated_block(w, prefix, x, rope):
    b, s, _ = x.shape
    size = WIDTH // HEADS
    q, k, v = (x @ w[prefix + "self_attn.qkv_proj.weight"].T).split(WIDTH, dim=-1)
    q, k, v = (t.reshape(b, s, HEADS, size).permute(0, 2, 1, 3) for t in (q, k, v))
    if rope:
        frequency = 10000.0 ** (-torch.arange(0, size, 2).float() / size)
        angle = torch.arange(s).float()[:, None] * frequency[None, :]
        angle = torch.cat((angle, angle), dim=-1)
        half = size // 2

        def turn(t):
            swapped = torch.cat((-t[..., half:], t[..., :half]), dim=-1)
            return t * angle.cos() + swapped * angle.sin()

        q, k = turn(q), turn(k)
    weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(size), dim=-1)
    mixed = (weights @ v).permute(0, 2, 1, 3).reshape(b, s, WIDTH)
    x = restated_norm(x + mixed @ w[prefix + "self_attn.o_proj.weight"].T)
    gate_up = x @ w[prefix + "mlp.gate_up_proj.weight"].T
    gate, up = gate_up[..., :INNER], gate_up[..., INNER:]
    hidden = gate * torch.sigmoid(gate) * up
    return restated_norm(x + hidden @ w[prefix + "mlp.down_proj.weight"].T)


def restated_segment(w, config, z_H, z_L, batch, rows=None):
    """One segment in the written-out order of the paper's figure for N = T = 2 (any N, T)."""
    rope = config["pos_encodings"] == "rope"
    x = w["embed_tokens.embedding_weight"][batch["inputs"]]
    puzzle = 0
    if config["puzzle_emb_ndim"]:
        rows = w["puzzle_emb.weights"][batch["puzzle_identifiers"]] if rows is None else rows
        puzzle = -(-config["puzzle_emb_ndim"] // WIDTH)
        padded = torch.zeros(len(rows), puzzle * WIDTH)
        padded = torch.cat((rows, padded[:, rows.shape[1] :]), dim=1)
        x = torch.cat((padded.reshape(len(rows), puzzle, WIDTH), x), dim=1)
    if not rope:
        x = 0.707106781 * (x + w["embed_pos.embedding_weight"])
    x = x * WIDTH**0.5

    def stack(level, z):
        if config.get("shared_levels"):
            level = "L_level"
        for i in range(LAYERS):
            z = restated_block(w, f"{level}.layers.{i}.", z, rope)
        return z

    whole = config.get("gradient", "last_step") == "last_recursion"
    outer, inner = config["H_cycles"], config["L_cycles"]
    for i in range(outer):
        for j in range(inner):
            if i == outer - 1 and ((whole and j == 0) or (not whole and j == inner - 1)):
                z_H, z_L = z_H.detach(), z_L.detach()
            z_L = stack("L_level", z_L + z_H + x)
        z_H = stack("H_level", z_H + z_L)
    logits = z_H[:, puzzle:] @ w["lm_head.weight"].T
    q = z_H[:, 0] @ w["q_head.weight"].T + w["q_head.bias"]
    return z_H, z_L, logits, q


def restated_start(w, config):
    length = SEQ + -(-config["puzzle_emb_ndim"] // WIDTH)
    ones = torch.ones(BATCH, length, 1)
    return ones * w["H_init"], ones * w["L_init"]


def restated_loss(logits, labels, q, target):
    total = torch.zeros((), dtype=torch.float64)
    for b in range(BATCH):
        places = [i for i in range(SEQ) if labels[b, i] != -100]
        right = all(int(logits[b, i].argmax()) == int(labels[b, i]) for i in places)
        for i in places:
            row = logits[b, i].double()
            s = torch.stack([v + 1 if v >= 0 else 1 / (1 - v) for v in row])
            total = total - torch.log(s[labels[b, i]] / s.sum()) / len(places)
        total = total + 0.5 * F.softplus(-q[b, 0] if right else q[b, 0])
        if target is not None:
            t = target[b]
            total = total + 0.5 * (t * F.softplus(-q[b, 1]) + (1 - t) * F.softplus(q[b, 1]))
    return total


# --- comparisons ---------------------------------------------------------------------------------

VARIANTS = {
    "released": {},
    "learned positions": {"pos_encodings": "learned"},
    "no puzzle embedding": {"puzzle_emb_ndim": 0},
    "wide puzzle embedding": {"puzzle_emb_ndim": 100},
    "three by one cycles": {"H_cycles": 3, "L_cycles": 1},
    "one network": {"shared_levels": True},
}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
def test_four_segments_agree(variant):
    config = official_config(**variant)
    w = official_weights(config)
    model = load_official(w, config).eval()
    batch = data()
    carry = model.initial_carry(batch)
    z_H, z_L = restated_start(w, config)
    with torch.no_grad():
        for segment in range(4):
            carry, outputs = model(carry, batch)
            z_H, z_L, logits, q = restated_segment(w, config, z_H, z_L, batch)
            for name, found, expected in (
                ("logits", outputs["logits"], logits),
                ("q_halt", outputs["q_halt_logits"], q[:, 0]),
                ("q_continue", outputs["q_continue_logits"], q[:, 1]),
                ("z_H", carry.z_H, z_H),
                ("z_L", carry.z_L, z_L),
            ):
                worst = (found - expected).abs().max().item()
                assert worst < 1e-4, (segment, name, worst)
    assert logits.std() > 0.5  # the comparison is of something


TRAINING = {
    "last_step": {},
    "last_recursion": {"gradient": "last_recursion"},
    "one network": {"shared_levels": True, "gradient": "last_recursion"},
    "no continue pass": {"continue_pass": False},
    "learned positions": {"pos_encodings": "learned"},
}


@pytest.mark.parametrize("variant", TRAINING.values(), ids=TRAINING.keys())
def test_loss_and_every_gradient_agree(variant):
    config = official_config(**variant)
    w = official_weights(config, seed=3)
    model = load_official(w, config).train()
    batch = data(seed=4)
    result = act_loss(model, model.initial_carry(batch), batch)
    result.loss.backward()

    for name in w:
        w[name] = w[name].clone().requires_grad_(name not in ("H_init", "L_init"))
    z_H, z_L = restated_start(w, config)
    z_H, z_L, logits, q = restated_segment(w, config, z_H, z_L, batch)
    target = None
    if config.get("continue_pass", True):
        with torch.no_grad():
            after = restated_segment(w, config, z_H, z_L, batch)[3]
            target = torch.sigmoid(after.max(dim=1).values)
    loss = restated_loss(logits, batch["labels"], q, target)
    loss.backward()

    assert result.loss.item() == pytest.approx(loss.item(), rel=1e-5)
    compared = 0
    for name, parameter in model.inner.named_parameters():
        expected = w[name].grad
        difference = (parameter.grad - expected).norm() / expected.norm()
        assert difference < 1e-4, (name, difference)
        compared += 1
    assert compared == len(w) - 3  # all but the two initial states and the puzzle table
    puzzle = model.inner.puzzle_emb
    summed = torch.zeros_like(puzzle.weights).index_add(
        0, puzzle.local_ids, puzzle.local_weights.grad
    )
    expected = w["puzzle_emb.weights"].grad
    assert (summed - expected).norm() / expected.norm() < 1e-4


def test_training_over_segments_with_halting_agrees():
    """Losses, steps and halts while rows halt, explore and are refilled, one without any label."""
    config = official_config(halt_max_steps=3, halt_exploration_prob=0.5)
    w = official_weights(config, seed=5)
    w["q_head.bias"] = torch.tensor([0.3, 0.0])
    model = load_official(w, config).train()
    batches = [data(seed=number) for number in range(6)]
    batches[1]["labels"][:] = -100
    carry = model.initial_carry(batches[0])
    torch.manual_seed(0)
    results = []
    for batch in batches:
        carry, loss, _, _ = act_loss(model, carry, batch)
        results.append((loss.item(), carry.steps.tolist(), carry.halted.tolist()))

    torch.manual_seed(0)
    fresh_H, fresh_L = restated_start(w, config)
    z_H, z_L = fresh_H.clone(), fresh_L.clone()
    now = {key: value.clone() for key, value in batches[0].items()}
    halted, steps = [True] * BATCH, [0] * BATCH
    refilled = 0
    for batch, found in zip(batches, results, strict=True):
        for b in range(BATCH):
            if halted[b]:
                z_H[b], z_L[b], steps[b] = fresh_H[b], fresh_L[b], 0
                refilled += 1
                for key in now:
                    now[key][b] = batch[key][b]
        with torch.no_grad():
            z_H, z_L, logits, q = restated_segment(w, config, z_H, z_L, now)
            after = restated_segment(w, config, z_H, z_L, now)[3]
        steps = [step + 1 for step in steps]
        explores = (torch.rand(BATCH) < 0.5).tolist()
        least = torch.randint(2, 4, (BATCH,), dtype=torch.int32).tolist()
        target = []
        for b in range(BATCH):
            last = steps[b] >= 3
            halted[b] = last or bool(q[b, 0] > q[b, 1])
            halted[b] = halted[b] and (not explores[b] or steps[b] >= least[b])
            target.append(torch.sigmoid(after[b, 0] if last else after[b].max()))
        loss = restated_loss(logits, now["labels"], q, torch.stack(target))
        assert found[0] == pytest.approx(loss.item(), rel=1e-5)
        assert found[1:] == (steps, halted)
    assert BATCH < refilled < BATCH * len(batches)  # some rows halted early, some went on
