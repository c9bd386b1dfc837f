"""Loss terms: by name, with weights from the configuration, and one of another package."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from hrmgym.errors import ConfigError, UnknownNameError
from hrmgym.hrm.edit_model import EditModel
from hrmgym.policies.hrm import edit_model_config
from hrmgym.tests.learning import (
    SHAPE,
    config,
    few_threads,
    network,
    stream,
)
from hrmgym.trainers.config import PPOConfig, PretrainConfig, WarmStartConfig
from hrmgym.trainers.gradients import gradient_norms
from hrmgym.trainers.learner import Learner, repair_loss
from hrmgym.trainers.loss_terms import LOSSES, Phase, Weighted, in_force
from hrmgym.trainers.losses import rollout_terms, supervised_terms
from hrmgym.trainers.tags import ALL_TAGS, PART_TAGS

SAMPLES = [stream().sample(index) for index in range(8)]

DOCS = (Path(__file__).resolve().parents[2] / "docs" / "training.md").read_text()
#: The term of the documentation, of a package of the user's, and what else may be in its module.
MINE = next(one for one in re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL) if "calm" in one)
MINE += """

@loss_term(tag="hrm/worth", weight=0.25, phase="rollout")
def worth(batch):
    return batch.encoded.value.mean()


not_a_term = 3
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "my_losses.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    for phase in LOSSES:
        monkeypatch.setattr(LOSSES[phase], "_entries", dict(LOSSES[phase]._entries))
    monkeypatch.delitem(sys.modules, "my_losses", raising=False)
    importlib.import_module("my_losses")  # registers it
    return "my_losses"


def routed() -> EditModel:
    """A network with a learned router."""
    few_threads()
    torch.manual_seed(0)
    parts = {"specialists": {"kind": "learned", "rank": 2, "count": 2}}
    return EditModel(edit_model_config(96, {**SHAPE, **parts}))


def weights(terms: list[Weighted]) -> dict[str, float]:
    return {one.name: one.weight for one in terms}


def test_the_terms_of_both_kinds_of_loss() -> None:
    assert weights(supervised_terms(network())) == {"likelihood": 1.0, "halting": 0.5}
    assert weights(supervised_terms(routed(), "balanced")) == {
        "tool": 1.0,
        "start": 2.0,
        "end": 1.0,
        "per_entry": 1.0,
        "halting": 0.5,
        "balance": 0.01,
    }
    assert rollout_terms(network(), {}) == []
    assert weights(rollout_terms(routed(), {})) == {"balance": 0.01}


def test_the_documented_weights_and_tags_are_those_of_the_terms() -> None:
    losses = DOCS[DOCS.index("## Losses") :]
    rows = [row.split("|") for row in losses.split("\n| ")[2:]]  # the first is the heading
    told = {
        name: (float(weight), tag)
        for names, weight, tags, *_ in rows
        for name, tag in zip(words(names), words(tags), strict=True)
    }
    terms = {name: LOSSES["supervised"].load(name) for name in LOSSES["supervised"]}
    assert told == {name: (term.weight, term.tag) for name, term in terms.items()}


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("phase", list(LOSSES))
def test_every_term_that_ships_is_documented_and_so_is_its_tag(phase: Phase) -> None:
    for name in LOSSES[phase]:
        term = LOSSES[phase].load(name)
        assert term.function.__doc__
        assert term.tag in ALL_TAGS | PART_TAGS
        assert term.phase == phase
    described = {"supervised": PretrainConfig, "rollout": PPOConfig}[phase]
    told = described.model_fields["losses"].description or ""
    assert all(f"`{name}`" in told for name in LOSSES[phase])


@pytest.mark.parametrize("name", list(LOSSES["supervised"]))
def test_each_term_alone_can_be_learned_from(name: str) -> None:
    model = routed()
    usual = dict.fromkeys(("likelihood", "halting", "balance"), 0.0)
    terms = supervised_terms(model, "likelihood", usual | {name: 2.0})
    assert weights(terms) == {name: 2.0}
    loss, metrics, _ = repair_loss(model, SAMPLES, "cpu", terms)
    tag = terms[0].term.tag.removeprefix("learn/")
    assert float(loss.detach()) == pytest.approx(2 * metrics[tag])
    loss.backward()  # type: ignore[no-untyped-call]
    assert sum(gradient_norms(model).values()) > 0


def test_weights_of_the_configuration_reach_the_gradient() -> None:
    norms = []
    for given in ({}, {"halting": 5.0}, {"halting": 0.0}):
        model = network()
        terms = supervised_terms(model, "likelihood", given)
        loss, metrics, _ = repair_loss(model, SAMPLES, "cpu", terms)
        assert ("halt_loss" in metrics) == (given.get("halting") != 0.0)
        loss.backward()  # type: ignore[no-untyped-call]
        norms.append(gradient_norms(model)["q_head"])
    assert norms[1] == pytest.approx(10 * norms[0], rel=1e-4)
    assert norms[2] == 0.0


def test_a_learner_trains_on_the_terms_of_its_configuration(mine: str) -> None:
    plain = Learner(network(), config().fitted(32))
    calm = Learner(network(), config(losses={"calm": 3.0}).fitted(32))
    by_path = Learner(network(), config(losses={"my_losses:calm": None}).fitted(32))
    assert weights(calm.terms)["my_losses:calm"] == 3.0
    assert weights(by_path.terms)["my_losses:calm"] == 0.5
    found = [one.update(SAMPLES, 1.0) for one in (plain, calm, by_path)]
    assert "calm" not in found[0]
    assert found[1]["calm"] == found[2]["calm"] >= 0
    norms = [one["grad_norm"] for one in found]
    assert len(set(norms)) == 3


@pytest.mark.parametrize(
    ("phase", "given", "text"),
    [
        ("supervised", {"balance": 0.1}, "losses: 'balance' needs a network with special"),
        ("supervised", {"likelihood": 0, "halting": 0}, "losses: every weight is 0"),
        ("supervised", {"my_losses:worth": 1.0}, "is for the rollout phase, not superv"),
        ("supervised", {"my_losses:not_a_term": 1.0}, "is not a loss term"),
        ("supervised", {"my_losses:clam": 1.0}, "module 'my_losses' has no 'clam'"),
        ("rollout", {"outcome": 1.0}, "losses: 'outcome' needs a network with outcome_head"),
        ("rollout", {"my_losses:calm": 1.0}, "is for the supervised phase, not rollout"),
    ],
)
def test_terms_that_cannot_be_are_refused(phase: Phase, given: Any, text: str, mine: str) -> None:
    usual = {"supervised": ("likelihood", "halting"), "rollout": ()}[phase]
    with pytest.raises(ConfigError) as error:
        in_force(phase, usual, given, network())
    assert text in str(error.value)


@pytest.mark.parametrize(
    ("block", "given", "text"),
    [
        (PretrainConfig, {"haltin": 1.0}, "unknown loss 'haltin'; did you mean 'halting'?"),
        (PretrainConfig, {"outcome": 1.0}, "unknown loss 'outcome'; known: balance, end"),
        (PPOConfig, {"halting": 1.0}, "unknown loss 'halting'; known: balance, outcome"),
        (PretrainConfig, {"halting": "much"}, "valid number"),
        (PretrainConfig, {"halting": float("nan")}, "finite number"),
        (
            PretrainConfig,
            {"halting": 1.0, "hrmgym.trainers.losses:halting": 2.0},
            "given twice",
        ),
    ],
)
def test_unknown_names_are_told_when_the_file_is_read(block: Any, given: Any, text: str) -> None:
    kind = "ppo" if block is PPOConfig else "pretrain"
    with pytest.raises(ValidationError) as error:
        block(kind=kind, losses=given)
    assert text in str(error.value)


def test_mistakes_are_found_before_the_training_begins() -> None:
    with pytest.raises(ConfigError, match="'balance' needs a network"):
        PretrainConfig(kind="pretrain", losses={"balance": 1.0}).check(network())
    warm = WarmStartConfig(losses={"balance": 1.0})
    with pytest.raises(ConfigError, match="'balance' needs a network"):
        PPOConfig(kind="ppo", warm_start=warm).check(network())
    with pytest.raises(UnknownNameError, match="unknown loss"):
        in_force("rollout", ("nothing",), {}, network())
