"""The schema: documented throughout, and in step with what it configures."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from hrmgym.config import Block
from hrmgym.envs.software import SoftwareEnv
from hrmgym.experiments import schema
from hrmgym.experiments.schema import TAGS, Experiment
from hrmgym.registry import OneOf

START: dict[str, Any] = {
    "name": "a",
    "benchmark": {"name": "katas"},
    "policy": {"kind": "hrm"},
}


def kinds(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation names."""
    parts = get_args(annotation)
    registries = [part for part in parts if isinstance(part, OneOf)]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in registries:
        yield from (part.block(name) for name in part.registry)
    for part in () if registries else parts:
        yield from kinds(part)


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every model that an annotation leads to."""
    for model in kinds(annotation):
        yield model
        for field in model.model_fields.values():
            yield from models(field.annotation)


FIELDS = {
    f"{model.__name__}.{name}": field
    for model in models(Experiment)
    for name, field in model.model_fields.items()
}


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_key_says_what_it_does(name: str) -> None:
    assert (FIELDS[name].description or "").strip()


def test_every_model_of_the_schema_is_reached() -> None:
    reached = {model.__name__ for model in models(Experiment)}
    written = {
        name
        for name, value in vars(schema).items()
        if isinstance(value, type) and issubclass(value, Block) and value is not Block
    }
    assert written <= reached


def test_blocks_with_several_kinds_can_be_written_as_one_word() -> None:
    found = {name: list(kinds(field.annotation)) for name, field in Experiment.model_fields.items()}
    assert {name for name, several in found.items() if len(several) > 1} <= set(TAGS)
    for name, tag in TAGS.items():
        assert found[name]
        assert all(tag in model.model_fields for model in found[name])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"policy": {"kind": "hrm", "hidden_size": 130}}, "not a multiple of twice num_heads"),
        (
            {"policy": {"kind": "hrm", "architecture": "transformer", "carry": "keep"}},
            "carry: 'keep' needs architecture 'hrm'",
        ),
        (
            {"policy": {"kind": "hrm", "halting": True, "latent_samples": 2}},
            "latent_samples: more than 1 needs halting: false",
        ),
        ({"env": {"interface": "shell"}}, "policy 'hrm' needs env.interface: edit"),
        ({"env": {"auto_test": False, "keep_edits": "if_better"}}, "needs auto_test: true"),
        ({"score": {"before": True}}, "score.before: true needs a trainer"),
        ({"score": {"k": [1, 1]}}, "k: a value is repeated"),
        ({"score": {"k": [2]}}, "k: 2 is more than episodes: 1"),
        (
            {"score": {"episodes": 3, "deterministic": False, "interval": "wilson"}},
            "interval: wilson needs episodes: 1, not 3",
        ),
        (
            {"trainer": {"kind": "ppo", "n_envs": 3, "n_steps": 5, "batch_size": 4}},
            "batch_size: 4 does not divide n_envs * n_steps = 15",
        ),
        (
            {"trainer": {"kind": "ppo", "n_envs": 1, "n_steps": 1, "batch_size": 1}},
            "n_envs * n_steps must be at least 2",
        ),
        (
            {"trainer": {"kind": "ppo"}, "policy": {"kind": "noop"}},
            "policy 'noop' cannot be trained",
        ),
        ({"device": "gpu"}, "String should match pattern"),
        ({"name": "../x"}, "String should match pattern"),
    ],
)
def test_options_that_contradict_each_other_are_refused(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError) as error:
        Experiment.model_validate(START | change)
    assert text in str(error.value)


def test_an_experiment_cannot_be_changed() -> None:
    experiment = Experiment.model_validate(START)
    with pytest.raises(ValidationError, match="frozen"):
        experiment.seed = 1  # type: ignore[misc]


def test_env_kwargs_are_arguments_of_the_environment() -> None:
    kwargs = Experiment.model_validate(START).env_kwargs("train")
    assert kwargs["split"] == "train"
    assert kwargs["rewards"]["solved"] == 1.0
    assert set(kwargs) <= set(inspect.signature(SoftwareEnv).parameters)
