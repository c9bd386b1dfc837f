"""Inputs that the fuzzing found, each once a traceback, a hang, or a message about another file."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrmgym.errors import ConfigError, DataError
from hrmgym.experiments.evaluate.reading import read_report
from hrmgym.experiments.loader import load
from hrmgym.experiments.yaml12 import parse
from hrmgym.trainers.best import Best


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: " + "[" * 3000, "more than 64 deep"),
        ("a: " + "[" * 80 + "]" * 80, "x:1: values lie in each other more than 64 deep"),
        ("a: 1\nb: " + "9" * 5000, "x:2: a number of 5,000 characters"),
        ("a: 0x" + "f" * 5000, "x:1: a number of 5,002 characters"),
    ],
)
def test_yaml_that_no_parser_survives(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        parse(text, "x")


def test_a_block_that_an_override_begins_is_its_own() -> None:
    with pytest.raises(ConfigError, match=r"^override 'scor.k=\[1\]': scor: unknown key"):
        load("demo", ["scor.k=[1]"])


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
