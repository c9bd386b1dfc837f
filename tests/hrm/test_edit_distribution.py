"""Whole edits on a vocabulary so small that all of them can be listed."""

import itertools
import math

import pytest
import torch

from hrmgym.errors import ActionError
from hrmgym.hrm.edit_distribution import EditDistribution

from .conftest import canvases, only_edits, small_model

VOCAB, LENGTH, SLOTS, SPAN = 6, 6, 2, 2
#            CLS        twice the lexeme (4, 5)    PAD
TOKENS = [[2, 4, 5, 4, 4, 5], [2, 3, 5, 4, 0, 0]]
STARTS = [[0, 1, 0, 1, 1, 0], [0, 0, 1, 1, 0, 0]]
EDITABLE = [[0, 1, 1, 0, 1, 1], [0, 0, 1, 1, 0, 0]]
#: Row 0 cannot undo (tool 2), row 1 can do anything.
TOOLS = [[1, 1, 0], [1, 1, 1]]
#: Vocabulary entries that may be written, and copies of several tokens, per row.
ENTRIES = [[4, 5, VOCAB + 1], [4, 5]]


def listed(row):
    """Every legal action of a row, from the rules as the environment states them."""
    editable, length = EDITABLE[row], LENGTH
    actions = [[tool, 0, 0, 0, 0] for tool in (1, 2) if TOOLS[row][tool]]
    for start, end in itertools.product(range(length), repeat=2):
        near = editable[start] or (start > 0 and editable[start - 1])
        if not near or not 0 <= end - start <= SPAN or not all(editable[start:end]):
            continue
        words = ENTRIES[row]
        replacements = [(1, 0)] if end > start else []
        replacements += [(a, 1) for a in words]
        replacements += list(itertools.product(words, repeat=2))
        actions += [[0, start, end, *replacement] for replacement in replacements]
    return actions


def tiny(rows=(0, 1), repeat=1, seed=0):
    model = small_model(
        seed=seed,
        sharp=15.0,
        vocab_size=VOCAB,
        max_length=LENGTH,
        R=SLOTS,
        max_span=SPAN,
        num_tools=3,
        hidden_size=16,
        num_heads=1,
    )
    rows = [row for row in rows for _ in range(repeat)]
    pick = torch.tensor(rows)
    observation = {
        "tokens": torch.tensor(TOKENS)[pick],
        "roles": torch.ones(len(rows), LENGTH, dtype=torch.long),
        "language": torch.zeros(len(rows), 1, dtype=torch.long),
        "budget": torch.ones(len(rows), 8, dtype=torch.long),
    }
    legal = (torch.tensor(table)[pick].bool() for table in (EDITABLE, STARTS, TOOLS))
    return EditDistribution(model, model.encode(observation), *legal)


@pytest.mark.parametrize("row", [0, 1])
@pytest.mark.parametrize("seed", [0, 1])
def test_exactly_the_legal_actions_have_probability_and_it_sums_to_one(row, seed):
    legal = {tuple(action) for action in listed(row)}
    spans = itertools.product(range(LENGTH), repeat=2)
    entries = range(VOCAB + LENGTH)
    every = [[0, *span, *pair] for span in spans for pair in itertools.product(entries, repeat=2)]
    every += [[tool, 0, 0, 0, 0] for tool in (1, 2)]
    with torch.no_grad():
        log_prob = tiny((row,), len(every), seed).log_prob(torch.tensor(every))
    found = {tuple(a) for a, p in zip(every, log_prob.tolist(), strict=True) if p > -math.inf}
    assert found == legal
    assert log_prob.exp().sum().item() == pytest.approx(1.0, abs=1e-5)
    assert log_prob.exp().max() > 0.05  # decided enough for the sum to be a test


def test_copies_of_a_token_add_to_that_token():
    distribution = tiny((0,))
    hidden = distribution.begin(torch.tensor([[1]]), torch.tensor([[2]]))
    hidden = distribution.advance(hidden, *(torch.tensor([[x]]) for x in (0, 1, 2, 0)))
    merged = distribution.entry_log_probs(hidden, torch.tensor([[True]]))[0, 0].exp()
    head, model = distribution.model.replacement_head, distribution.model
    vocab = head.vocab_scores(hidden, model.embedding)[0, 0]
    copy = head.copy_scores(hidden, head.copy_key(distribution.encoded.z_H))[0, 0]
    weight = {1: vocab[1].exp(), 4: vocab[4].exp() + copy[3].exp(), 5: vocab[5].exp()}
    weight[VOCAB + 1] = copy[1].exp() + copy[4].exp()
    total = sum(weight.values())
    for entry, value in weight.items():
        assert merged[entry].item() == pytest.approx((value / total).item(), rel=1e-4)
    assert merged.count_nonzero() == 4


def test_the_best_entries_of_active_nodes_are_those_of_all_entries():
    distribution = tiny((0, 1))
    start, end = torch.tensor([[1, 1], [1, 3]]), torch.tensor([[1, 2], [2, 3]])
    hidden = distribution.begin(start, end)
    hidden = distribution.advance(hidden, start, start, end, torch.zeros_like(start))
    may_end = end > start
    every = distribution.entry_log_probs(hidden, may_end)
    active = torch.tensor([[True, False], [True, True]])
    found = distribution.best_entries(hidden, may_end, active, 3)
    expected = every[active].sort(-1, descending=True)
    torch.testing.assert_close(found.values, expected.values[:, :3])
    possible = found.values > -1e8
    assert possible.sum() > 6
    assert torch.equal(found.indices[possible], expected.indices[:, :3][possible])
    assert (
        distribution.best_entries(hidden, may_end, active, 99).values.shape == every[active].shape
    )


def test_samples_come_as_often_as_their_probability_says():
    repeat = 8_000
    with torch.no_grad():
        distribution = tiny((0,), repeat)
        actions = distribution.sample(torch.Generator().manual_seed(0))
        log_prob = distribution.log_prob(actions)
    assert log_prob.isfinite().all()
    count = {}
    for action, value in zip(actions.tolist(), log_prob.exp().tolist(), strict=True):
        seen = count.setdefault(tuple(action), [0, value])
        seen[0] += 1
    assert len(count) > 20
    for seen, probability in count.values():
        deviation = math.sqrt(probability * (1 - probability) / repeat)
        assert abs(seen / repeat - probability) < 5 * deviation + 1 / repeat


def test_entropy_of_samples_is_the_joint_entropy():
    repeat = 8_000
    actions = listed(0)
    with torch.no_grad():
        exact = tiny((0,), len(actions)).log_prob(torch.tensor(actions))
        distribution = tiny((0,), repeat)
        found = distribution.entropy(distribution.sample(torch.Generator().manual_seed(0)))
    expected = -(exact.exp() * exact).sum().item()
    assert found.std() > 0.1
    assert found.mean().item() == pytest.approx(expected, abs=5 * found.std().item() / repeat**0.5)


def test_mode_is_greedy_and_counts_as_a_hit(distribution):
    best = distribution.mode()
    assert torch.equal(best[:, 1], distribution.start_log_probs.argmax(1))
    hits = distribution.evaluate(best, hits=True).hits
    for part in (hits.tool, hits.start, hits.end, hits.replacement):
        assert part.all()
    others = distribution.sample(torch.Generator().manual_seed(3))
    hits = distribution.evaluate(others, hits=True).hits
    exact = hits.tool & hits.start & hits.end & hits.replacement
    assert torch.equal(exact, (others == best).all(1))


def test_other_tools_have_no_span():
    model = small_model(sharp=10.0)
    observation, (editable, lexeme_start, legal_tools) = canvases(model.config, [12, 7])
    legal_tools[:, 0] = False
    distribution = EditDistribution(
        model, model.encode(observation), editable, lexeme_start, legal_tools
    )
    for actions in (distribution.sample(torch.Generator().manual_seed(0)), distribution.mode()):
        assert not actions[:, 1:].any()
        assert (actions[:, 0] > 0).all()
        chosen = distribution.tool_log_probs.gather(1, actions[:, :1]).squeeze(1)
        torch.testing.assert_close(distribution.log_prob(actions), chosen)
    edit = torch.tensor([[0, 5, 6, 9, 1, 0, 0]] * 2)
    assert (distribution.log_prob(edit) == -math.inf).all()


def test_nothing_editable_means_no_edit():
    model = small_model()
    observation, (editable, lexeme_start, legal_tools) = canvases(model.config, [12, 7])
    editable[1] = False
    encoded = model.encode(observation)
    distribution = EditDistribution(model, encoded, editable, lexeme_start, legal_tools)
    assert distribution.legal_tools[:, 0].tolist() == [True, False]
    legal_tools[:, 1:] = False
    with pytest.raises(ActionError, match="row 1: no tool is legal"):
        EditDistribution(model, encoded, editable, lexeme_start, legal_tools)


def test_an_edit_may_end_at_the_first_padding():
    model = small_model()
    observation, (editable, lexeme_start, legal_tools) = canvases(model.config, [12, 12])
    editable[:, 9:12] = True
    distribution = EditDistribution(
        model, model.encode(observation), editable, lexeme_start, legal_tools
    )
    actions = torch.tensor([[0, 9, 12, 1, 0, 0, 0], [0, 12, 12, 8, 1, 0, 0]])
    assert distribution.log_prob(actions).isfinite().all()
    beyond = torch.tensor([[0, 9, 13, 1, 0, 0, 0], [0, 13, 13, 8, 1, 0, 0]])
    assert (distribution.log_prob(beyond) == -math.inf).all()


@pytest.mark.parametrize(
    "action",
    [
        [-1, 0, 0, 0, 0, 0, 0],
        [7, 0, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0],
        [0, -1, 0, 9, 1, 0, 0],
        [0, 99, 99, 9, 1, 0, 0],
        [0, 5, 4, 9, 1, 0, 0],
        [0, 5, 6, 9, 1, 9, 0],
        [0, 5, 6, 9, 0, 0, 0],
        [0, 5, 6, -4, 1, 0, 0],
        [0, 5, 6, 999, 1, 0, 0],
    ],
)
def test_nonsense_is_illegal_and_harmless(distribution, action):
    distribution.editable[:, 5] = distribution.legal_start[:, 5] = True
    log_prob = distribution.log_prob(torch.tensor([action] * 3))
    assert (log_prob == -math.inf).all()
    ok = distribution.mode()
    mixed = ok.clone()
    mixed[0] = torch.tensor(action)
    result = distribution.evaluate(mixed, entropy=True)
    torch.testing.assert_close(result.log_prob[1:], distribution.log_prob(ok)[1:])
    assert result.entropy.isfinite().all()


def test_gradient_is_finite_under_extreme_scores():
    model = small_model(sharp=1000.0)
    observation, legal = canvases(model.config, [12, 7, 20])
    distribution = EditDistribution(model, model.encode(observation), *only_edits(legal))
    actions = EditDistribution(
        small_model(), small_model().encode(observation), *only_edits(legal)
    ).sample(torch.Generator().manual_seed(0))
    result = distribution.evaluate(actions, entropy=True)
    (result.log_prob.sum() + result.entropy.sum()).backward()
    assert result.log_prob.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_entropy_gradient_agrees_with_differences():
    distribution = tiny((0, 1))
    actions = distribution.mode()
    actions[:] = torch.tensor([[0, 1, 2, 4, 5], [0, 2, 3, 5, 1]])
    bias = distribution.model.replacement_head.vocab_bias
    (slope,) = torch.autograd.grad(distribution.entropy(actions).sum(), bias)
    with torch.no_grad():
        for i in (1, 4, 5):
            values = []
            for step in (1e-2, -2e-2):
                bias[i] += step
                values.append(distribution.entropy(actions).sum().item())
            bias[i] += 1e-2
            assert (values[0] - values[1]) / 2e-2 == pytest.approx(slope[i].item(), abs=2e-3)
    assert slope[[1, 4, 5]].all()
    assert not slope[[0, 2, 3]].any()


def test_wrong_shapes_are_named(distribution):
    with pytest.raises(
        ActionError, match=r"actions: torch.int64 \[3, 6\], expected int64 \[3, 7\]"
    ):
        distribution.log_prob(torch.zeros(3, 6, dtype=torch.int64))
    with pytest.raises(ActionError, match=r"actions: torch.float32"):
        distribution.log_prob(torch.zeros(3, 7))
    model = distribution.model
    observation, (editable, starts, tools) = canvases(model.config, [12, 7])
    encoded = model.encode(observation)
    with pytest.raises(ActionError, match=r"editable: torch.bool \[2, 13\], expected bool"):
        EditDistribution(model, encoded, editable[:, :13], starts, tools)
    with pytest.raises(ActionError, match=r"lexeme_start: torch.int64"):
        EditDistribution(model, encoded, editable, starts.long(), tools)
