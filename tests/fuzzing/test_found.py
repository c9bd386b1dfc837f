"""Inputs that the fuzzing found, each once a traceback, a hang, or a message about another file."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from hrmgym import listing
from hrmgym.envs.benchmark import find_task, make_benchmark
from hrmgym.envs.benchmarks.jsonl import read_tasks
from hrmgym.envs.workspace import Base
from hrmgym.errors import ConfigError, DataError, UserError
from hrmgym.experiments.evaluate.reading import read_report
from hrmgym.experiments.loader import load
from hrmgym.experiments.run import RunFolder
from hrmgym.hrm.checkpoint import load_checkpoint
from hrmgym.tests.fuzzing.fuzzing import Fault, play
from hrmgym.tests.fuzzing.loaders_torch import TORCH
from hrmgym.trainers.best import Best
from hrmgym.yaml12 import parse


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: " + "[" * 3000, "more than 64 deep"),
        ("a: " + "[" * 80 + "]" * 80, "x:1: values lie in each other more than 64 deep"),
        ("a: 1\nb: " + "9" * 5000, "x:2: a number of 5,000 characters"),
        ("a: 0x" + "f" * 5000, "x:1: a number of 5,002 characters"),
        ('a: 1\n"\\uD800": 3', "x:2: a lone surrogate"),
        ('a:\n- 1\n- b: "\\uDC80"', "x:3: a.1.b: a lone surrogate"),
    ],
)
def test_yaml_that_no_parser_survives(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        parse(text, "x")


def test_a_block_that_an_override_begins_is_its_own() -> None:
    with pytest.raises(ConfigError, match=r"^override 'scor.k=\[1\]': scor: unknown key"):
        load("demo", ["scor.k=[1]"])


def test_a_size_that_is_no_word() -> None:
    for value in ("{}", "[tiny]", "{tiny: 1}"):
        with pytest.raises(ConfigError, match=r"^override 'policy.size=.*: policy.size: should be"):
            load("demo", ["policy.kind=hrm", f"policy.size={value}"])


@pytest.mark.parametrize("name", ["b" * 300 + ".yaml", "b\0.yaml", "b" * 5000])
def test_a_file_that_no_system_can_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(f"seed: 1\nextends: {json.dumps(name)}\n")
    with pytest.raises(ConfigError, match=r"x\.yaml:2: extends: no experiment 'b"):
        load(path)
    for read in (load, load_checkpoint, read_tasks, RunFolder):
        with pytest.raises(UserError):
            read(Path(name))  # type: ignore[operator]
    with pytest.raises(UserError):
        Base.from_tree(name)
    with pytest.raises(UserError):
        listing.runs(Path(name))


@pytest.mark.parametrize("text", ["a" * 100_000, "a\nb", "a\x1b[31mb\u202ec", "a\ud800", "a\0"])
def test_a_message_is_one_line_to_be_shown(text: str) -> None:
    name = text[:1] + text[1:].replace("=", "")
    for cause in (
        lambda: load("demo", [f"trainer.{name}=1"]),
        lambda: load(name),
        lambda: find_task(make_benchmark("katas"), name),
        lambda: make_benchmark(name),
        lambda: Base.of({name + "/../b": ""}),
    ):
        with pytest.raises(UserError) as caught:
            cause()
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 1500


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a": 1,\n"b": }', "f.json:2: not JSON"),
        (b'{\n"a": "\xff"}', "f.json:2: not UTF-8"),
        (b'{"a": 1, "a": 2}', "key 'a' stands twice"),
        (b'{"a": "\\ud800"}', "lone surrogate"),
        (b"[" * 100_000, "too deep"),
        (b"[1]", r"should be an object with keys, not \[1\]"),
    ],
)
def test_json_that_is_no_report(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "f.json"
    path.write_bytes(data)
    with pytest.raises(DataError, match=reason):
        read_report(path)


@pytest.mark.parametrize("extra", ["[[]]", "5", '{"best_b": 1e999, "best_c": [1]}'])
def test_a_broken_best_is_no_best(tmp_path: Path, extra: str) -> None:
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "config.json").write_text(f'{{"extra": {extra}}}')
    best = Best(tmp_path, ("b",), lambda name, more: None)
    assert best.offer({"b": 0.0})


def test_a_fuzzing_of_too_few_cases_says_so(tmp_path: Path) -> None:
    slow = replace(TORCH["best"], load=lambda path: time.sleep(0.05))
    with pytest.raises(Fault, match=r"^best: only \d cases in 0\.2 s"):
        play("best", slow, tmp_path / "fuzz", 0.2, most=100)
