import pytest
import torch

from hrmgym.hrm.edit_distribution import EditDistribution
from hrmgym.hrm.edit_search import best_actions

from .conftest import canvases, only_edits, small_model
from .test_edit_distribution import listed, tiny

PLENTY = 100_000


def ranked(row, seed):
    """All legal actions of a row, best first, by listing them."""
    actions = listed(row)
    with torch.no_grad():
        log_prob = tiny((row,), len(actions), seed).log_prob(torch.tensor(actions))
    order = log_prob.argsort(descending=True).tolist()
    return [actions[i] for i in order], log_prob[order]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("k", [1, 5, 40, PLENTY])
@pytest.mark.parametrize("first", [2, 128])
def test_agrees_with_listing_everything(seed, k, first):
    with torch.no_grad():
        both = best_actions(tiny(seed=seed), k, PLENTY, first)
    for row in (0, 1):
        actions, log_prob = ranked(row, seed)
        found = [item.action.tolist() for item in both[row]]
        scores = torch.tensor([item.log_prob for item in both[row]])
        torch.testing.assert_close(scores, log_prob[:k], atol=1e-4, rtol=1e-4)
        if len(found) < len(actions):  # the same set, unless the last two are a tie
            assert sorted(found) == sorted(actions[:k])
        else:
            assert sorted(found) == sorted(actions)
        assert (scores[:-1] >= scores[1:]).all()


def written(distribution, row, action):
    """The canvas after an action, as a tuple of tokens, put together by hand."""
    tokens = distribution.encoded.tokens[row].tolist()
    targets = distribution.targets[row].tolist()
    tool, start, end, *entries = action
    if tool:
        return tool
    new = []
    for entry in entries:
        if entry == 1:
            break
        if entry < distribution.config.vocab_size:
            new.append(entry)
            continue
        at = entry - distribution.config.vocab_size
        new.append(tokens[at])
        for inside in range(at + 1, len(tokens)):
            if targets[inside] >= 0 or tokens[inside] <= 3:
                break
            new.append(tokens[inside])
    return (*tokens[:start], *new, *tokens[end:])


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("k", [5, 40, PLENTY])
def test_distinct_actions_agree_with_listing_everything(seed, k):
    distribution = tiny(seed=seed)
    with torch.no_grad():
        both = best_actions(distribution, k, PLENTY, distinct=True)
    for row in (0, 1):
        untouched = tuple(distribution.encoded.tokens[row].tolist())
        best = {}
        for action, score in zip(*ranked(row, seed), strict=True):
            best.setdefault(written(distribution, row, action), float(score))
        assert best.pop(untouched, None) is not None  # there was something to leave out
        expected = sorted(best.values(), reverse=True)[:k]
        assert len(best) < len(listed(row)) - 1
        scores = [item.log_prob for item in both[row]]
        assert scores == pytest.approx(expected, abs=1e-4)
        effects = [written(distribution, row, item.action.tolist()) for item in both[row]]
        assert len(set(effects)) == len(effects)
        assert [best[effect] for effect in effects] == pytest.approx(scores, abs=1e-4)


def test_log_probs_are_the_distributions_own(distribution):
    best = distribution.top_k(6)
    for rank in range(6):
        actions = torch.stack([row[rank].action for row in best])
        expected = distribution.log_prob(actions).tolist()
        assert [row[rank].log_prob for row in best] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("budget", [1, 20, 1000])
def test_best_is_at_least_the_mode(distribution, budget):
    mode = distribution.log_prob(distribution.mode()).tolist()
    for row, greedy in zip(distribution.top_k(1, budget), mode, strict=True):
        assert len(row) == 1
        assert row[0].log_prob >= greedy - 1e-4


def test_a_row_does_not_depend_on_its_batch():
    model = small_model(sharp=10.0)
    observation, legal = canvases(model.config, [12, 7, 20])
    legal = only_edits(legal)
    together = EditDistribution(model, model.encode(observation), *legal).top_k(5)
    for row in range(3):
        one = {key: value[row : row + 1] for key, value in observation.items()}
        alone = EditDistribution(model, model.encode(one), *(m[row : row + 1] for m in legal))
        for first, second in zip(alone.top_k(5)[0], together[row], strict=True):
            assert torch.equal(first.action, second.action)


def test_a_spent_budget_still_gives_legal_distinct_sorted_actions():
    model = small_model()  # nearly uniform over millions of actions
    observation, legal = canvases(model.config, [12, 20])
    distribution = EditDistribution(model, model.encode(observation), *only_edits(legal))
    for budget in (1, 2, 50):
        best = distribution.top_k(8, budget=budget)
        for row in best:
            assert 1 <= len(row) <= 8
            assert len({tuple(item.action.tolist()) for item in row}) == len(row)
            scores = [item.log_prob for item in row]
            assert scores == sorted(scores, reverse=True)
        actions = torch.stack([row[0].action for row in best])
        expected = distribution.log_prob(actions).tolist()
        assert [row[0].log_prob for row in best] == pytest.approx(expected, abs=1e-3)
    assert [len(row) for row in best] == [8, 8]


def test_where_nothing_can_be_changed_the_mode_is_what_is_left():
    model = small_model()
    observation, (editable, starts, tools) = canvases(model.config, [12])
    tools[:] = False
    tools[:, 0] = True
    distribution = EditDistribution(model, model.encode(observation), editable, starts, tools)

    class Same:
        def is_new(self, path):
            return False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hrmgym.hrm.edit_search._Effects", lambda *_: Same())
        (row,) = best_actions(distribution, 2, 20, distinct=True)
    assert [item.action.tolist() for item in row] == distribution.mode().tolist()


def test_only_other_tools():
    model = small_model()
    observation, (editable, starts, tools) = canvases(model.config, [12])
    tools[:, 0] = False
    distribution = EditDistribution(model, model.encode(observation), editable, starts, tools)
    (row,) = distribution.top_k(50)
    assert sorted(item.action[0].item() for item in row) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("bad", [{"k": 0}, {"k": 1, "budget": 0}])
def test_bad_sizes(distribution, bad):
    with pytest.raises(ValueError, match="must be at least 1"):
        distribution.top_k(**bad)
