"""Keys of experiments: documentation, command line and JSON Schema say what the source says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
from pydantic import BaseModel

from hrmgym import yaml12
from hrmgym.cli import main
from hrmgym.experiments.keys import file_schema, keys, markdown, matching
from hrmgym.experiments.loader import shipped
from hrmgym.experiments.schema import Experiment
from hrmgym.hrm.config import EditModelConfig
from hrmgym.tests.experiments.test_schema import models

DOCS = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"
check = fastjsonschema.compile(file_schema(), use_default=False)


def declared() -> Iterator[tuple[type[BaseModel], str]]:
    for model in {*models(Experiment), *models(EditModelConfig)}:
        for name in model.model_fields:
            yield model, name


def test_the_page_is_what_the_source_says() -> None:
    told = "python -m hrmgym.experiments.keys > docs/configuration.md"
    assert DOCS.read_text() == markdown(), f"run: {told}"


def test_the_page_has_every_key_with_its_range_and_description() -> None:
    text = DOCS.read_text()
    rows = {line.split("|")[1].strip(" `") for line in text.splitlines() if line.startswith("| `")}
    for model, name in declared():
        assert name in rows, f"{model.__name__}.{name}"
        told = " ".join((model.model_fields[name].description or "").split())
        assert told.replace("|", "\\|") in text, f"{model.__name__}.{name}"
    row = next(line for line in text.splitlines() if line.startswith("| `max_span`"))
    assert row.startswith("| `max_span` | a whole number >= 1 | `32` |")


@pytest.mark.parametrize(
    ("path", "of", "values", "default"),
    [
        ("seed", "", "a whole number >= 0, < 2147483648", "0"),
        ("env.canvas", "", "a whole number >= 64, <= 65536", "256"),
        ("env.keep_edits", "", "`always`, `if_better`", '"always"'),
        ("env.max_seconds", "", "a number > 0, or `null`", "null"),
        ("env.rewards.illegal", "", "a number", "-0.05"),
        ("policy.hidden_size", "hrm", "a whole number >= 2", "128"),
        ("policy.reverse.outcome_weight", "hrm", "a number >= 0", "0.0"),
        ("sandbox.auth_token", "remote", "a text", ""),
        ("trainer.ema", "pretrain", "a number >= 0, < 1, or `null`", "0.999"),
        ("trainer.warm_start.samples", "ppo", "a whole number >= 1", "20000"),
        ("trainer.losses", "ppo", "names, each with: a number, or `null`", "{}"),
        ("score.k", "", "a list of: a whole number >= 1", "[1]"),
        ("benchmark.name", "", "a text", ""),
    ],
)
def test_a_key(path: str, of: str, values: str, default: str) -> None:
    (found,) = (one for one in matching(path) if (one.path, one.of) == (path, of))
    assert (found.values, found.default) == (values, default)
    assert found.description


def test_every_key_has_a_description() -> None:
    assert [one.path for one in keys() if not one.description] == []


@pytest.mark.parametrize("path", shipped().values(), ids=lambda path: str(path.stem))
def test_shipped_experiments_fit_the_schema(path: Path) -> None:
    check(yaml12.parse(path.read_text(), path.name)[0])


@pytest.mark.parametrize(
    "data",
    [
        {"sede": 1},
        {"seed": "one"},
        {"env": {"canvas": 10}},
        {"trainer": {"kind": "ppo", "lerning_rate": 1e-4}},
        {"trainer": {"gamma": 1.7}},
        {"policy": {"kind": "hrm", "gradient": "none"}},
        {"policy": {"reverse": {"kind": "gat"}}},
        {"sandbox": {"type": "docker", "allow_unisolated": True}},
    ],
)
def test_mistakes_do_not_fit_the_schema(data: dict[str, Any]) -> None:
    with pytest.raises(fastjsonschema.JsonSchemaException):
        check(data)


def test_the_command_prints_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "env.keep"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith('env.keep_edits: always, if_better ["always"]\n    `if_better` takes')
    assert main(["keys"]) == 0
    assert all(f"\n{one.path}" in f"\n{shown}" for one in matching("env.keep"))
    assert len(capsys.readouterr().out.splitlines()) > 2 * len(keys()) - 1
    assert main(["keys", "--schema"]) == 0
    assert capsys.readouterr().out.startswith('{\n  "$schema":')
    assert main(["keys", "trainer.gama"]) == 2
    assert "did you mean 'trainer.gamma'?" in capsys.readouterr().err
    assert main(["keys", "seed", "--schema"]) == 2
