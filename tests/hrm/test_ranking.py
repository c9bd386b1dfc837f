"""The head that ranks lists: its probabilities against loops, what they depend on, gradients."""

import dataclasses
import math

import pytest
import torch

from hrmgym.hrm.config import RankingConfig
from hrmgym.hrm.ranking import TRACES, Lists
from hrmgym.trainers.gradients import gradient_norms

from .conftest import canvases, small_config, small_model

KINDS = ("one", "two", "three")

#: Canvas, kind, place and filling of each edit; places and fillings are numbered over all canvases.
EDITS = [
    *[(0, 1, 0, 0), (0, 1, 0, 1), (0, 1, 1, 0), (0, 2, 1, 2), (0, 0, 1, 1), (0, 0, 2, 0)],
    *[(1, 3, 3, 3), (1, 3, 3, 4), (1, 1, 4, 4), (1, 1, 4, 5), (1, 1, 5, 3)],
]
PLACES = [(0, 1, 3), (0, 4, 4), (0, 7, 9), (1, 2, 5), (1, 1, 2), (1, 6, 6)]
FILLINGS = [(0, [7]), (0, [8, 9, 7]), (0, []), (1, [5]), (1, [6, 9]), (1, [7, 7])]


def lists_of(edits=EDITS) -> Lists:
    pairs = sorted({(place, kind) for _, kind, place, _ in edits})
    groups = sorted({(PLACES[place][0], kind) for place, kind in pairs})
    tokens = [(at, n, token) for at, (_, ids) in enumerate(FILLINGS) for n, token in enumerate(ids)]
    vocabulary = sorted({token for _, _, token in tokens})
    columns = (
        [canvas for canvas, *_ in edits],
        [pairs.index((place, kind)) for _, kind, place, _ in edits],
        [filling for *_, filling in edits],
        [kind for _, kind in pairs],
        [place for place, _ in pairs],
        [groups.index((PLACES[place][0], kind)) for place, kind in pairs],
        [canvas for canvas, _ in groups],
        [kind for _, kind in groups],
        *map(list, zip(*PLACES, strict=True)),
        vocabulary,
        [vocabulary.index(token) for *_, token in tokens],
        [FILLINGS[at][0] for at, *_ in tokens],
        [2 if token == 9 else -1 for *_, token in tokens],
        [n for _, n, _ in tokens],
        list(range(len(tokens))),
        [len(ids) for _, ids in FILLINGS],
    )
    return Lists(*(torch.tensor(one, dtype=torch.int64) for one in columns))


def ranking_model(sharp=2.0, **changes):
    config = RankingConfig(kinds=KINDS, **changes)
    return small_model(seed=1, sharp=sharp, ranking=config)


def observed(model):
    batch, *_ = canvases(model.config, [14, 20])
    return batch


def test_the_parts_are_those_of_loops_over_the_list():
    model, lists = ranking_model(), lists_of()
    head = model.ranking_head
    with torch.no_grad():
        encoded = model.encode(observed(model))
        found = model.rank(encoded, lists)
        pair_QD = head._pairs(encoded.z_H, lists)
        t = head._meet(pair_QD, head._fillings(encoded.z_H, model.embedding, lists), lists).tolist()
        s = head.place_score(pair_QD).squeeze(-1).tolist()
        u = head.kind_head(encoded.z_H[:, 0]).tolist()
    pairs = sorted({(place, kind) for _, kind, place, _ in EDITS})

    def mean_exp(values):
        return sum(map(math.exp, values)) / len(values)

    for number, (canvas, kind, place, _) in enumerate(EDITS):
        fillings = {
            pair: [t[n] for n, one in enumerate(EDITS) if (one[2], one[1]) == pair]
            for pair in pairs
            if PLACES[pair[0]][0] == canvas
        }
        above = {
            pair: math.exp(s[pairs.index(pair)]) * mean_exp(fillings[pair]) for pair in fillings
        }
        kinds = {}
        for (_, one), value in above.items():
            kinds.setdefault(one, []).append(value)
        weights = {
            one: math.exp(u[canvas][one]) * sum(values) / len(values)
            for one, values in kinds.items()
        }
        expected = (
            weights[kind] / sum(weights.values()),
            above[place, kind] / sum(kinds[kind]),
            math.exp(t[number]) / sum(map(math.exp, fillings[place, kind])),
        )
        parts = (found.kind[number], found.place[number], found.filling[number])
        assert [float(one.exp()) for one in parts] == pytest.approx(expected, rel=1e-4)


def test_each_list_sums_to_one_and_depends_on_its_own_canvas():
    model, batch = ranking_model(), None
    batch = observed(model)
    with torch.no_grad():
        both = model.rank(model.encode(batch), lists_of()).total
        sums = torch.zeros(2).index_add(0, lists_of().canvas_N, both.exp())
        torch.testing.assert_close(sums, torch.ones(2))
        other = {key: one.clone() for key, one in batch.items()}
        other["tokens"][1, 3] = 29
        changed = model.rank(model.encode(other), lists_of()).total
    torch.testing.assert_close(changed[:6], both[:6], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(changed[6:], both[6:], atol=1e-4)


def test_the_order_of_the_list_changes_nothing():
    model = ranking_model()
    mixed = torch.randperm(len(EDITS), generator=torch.Generator().manual_seed(3)).tolist()
    with torch.no_grad():
        encoded = model.encode(observed(model))
        found = model.rank(encoded, lists_of()).total
        again = model.rank(encoded, lists_of([EDITS[at] for at in mixed])).total
    torch.testing.assert_close(again, found[mixed], atol=1e-5, rtol=1e-5)


def test_untrained_all_kinds_are_nearly_the_same_whatever_they_hold():
    model = ranking_model(sharp=1.0)
    many = [(0, 1, 0, 0), (0, 1, 0, 1), (0, 1, 1, 0), (0, 1, 1, 1), (0, 1, 2, 0), (0, 2, 1, 2)]
    with torch.no_grad():
        found = model.rank(model.encode(observed(model)), lists_of([*many, *EDITS[6:]]))
    kinds = found.kind[:6].exp()
    torch.testing.assert_close(kinds, torch.full((6,), 0.5), atol=0.15, rtol=0)


@pytest.mark.parametrize("kind_logits", [True, False])
def test_the_loss_reaches_every_part(kind_logits):
    model = ranking_model(sharp=1.0, kind_logits=kind_logits)
    model.train()
    batch = observed(model) | {"trace": torch.randint(0, TRACES, (2, model.config.max_length))}
    loss = -model.rank(model.encode(batch), lists_of()).total[[1, 8]].mean()
    loss.backward()
    norms = gradient_norms(model)
    learned = ("embedding", "H_level", "L_level", "ranking_head", "trace_embedding")
    assert all(norms[part] > 0 for part in learned), norms
    lacking = [
        name
        for name, one in model.ranking_head.named_parameters()
        if one.grad is None or not bool(one.grad.any())
    ]
    assert lacking == []
    assert hasattr(model.ranking_head, "kind_head") == kind_logits


def test_what_tests_run_is_seen_once_it_is_learned():
    model = ranking_model()
    batch, size = observed(model), model.config.max_length
    traced = batch | {"trace": torch.full((2, size), 5)}
    with torch.no_grad():
        found = [model.rank(model.encode(one), lists_of()).total for one in (batch, traced)]
        torch.testing.assert_close(*found)  # the table begins with zeros
        model.trace_embedding.embedding_weight.normal_()
        again = model.rank(model.encode(traced), lists_of()).total
    assert not torch.allclose(again, found[0], atol=1e-3)
    blind = small_model(ranking=RankingConfig(kinds=KINDS, trace=False))
    assert not hasattr(blind, "trace_embedding")


def test_without_kinds_there_is_no_head():
    assert not hasattr(small_model(), "ranking_head")
    assert not small_config().traced


def test_lists_move_as_a_whole():
    moved = lists_of().to("cpu")
    assert all(
        torch.equal(getattr(moved, one.name), getattr(lists_of(), one.name))
        for one in dataclasses.fields(Lists)
    )
    assert moved.canvases == 2
