"""Broken journals of scorings: one loads, or says in which file, where and why; no traceback.

Other loaders are in tests/fuzzing. The test runs for `SECONDS`; its seed is fixed and
printed, so a failure, which holds the number of the trial, can be repeated.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hrmgym.errors import UserError
from hrmgym.experiments.evaluate.journal import Journal
from hrmgym.tests.experiments.evaluate.test_score import report

SECONDS = 60.0
SEED = 15

#: What breaks readers of text: ends of ranges, wrong types, depth, encodings, YAML's own marks.
TOKENS = (
    b"null", b"true", b"-1", b"0", b"1e999", b"NaN", b"-Infinity", b"9" * 5000, b'""', b"[]", b"{}",
    b"[" * 3000, b'{"a":' * 3000, b"\xff", b"\x00", b"\xed\xa0\x80", b'"\\ud800"', b"\xef\xbb\xbf",
    b"\n", b"\r", b"\t", b": ", b"- ", b"&a ", b"*a", b"!!python/object:os.system ", b"<<: ", b"# ",
    b"'", b'"', b",", b"}", b"]", b"~", b"2026-01-01", b"0x1f", b"\xe2\x80\xa8", b"$class",
)  # fmt: skip


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The data with one to four faults."""
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice((0, 1, 1, 2, 5, 20, 200)))
        kind = rng.randrange(6)
        if kind == 0:
            data = data[:start] + data[end:]
        elif kind == 1:
            data = data[:start] + rng.choice(TOKENS) + data[end:]
        elif kind == 2:
            data = data[:start] + data[start:end] * 2 + data[end:]
        elif kind == 3:
            data = data[:start]
        elif kind == 4:
            data = data[:start] + rng.randbytes(end - start) + data[end:]
        else:  # a whole line elsewhere
            lines = data.split(b"\n")
            lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
            data = b"\n".join(lines)
    return data


def survives(path: Path, reads: Callable[[], object], named: str = "") -> None:
    """Mutates the file for `SECONDS`; whatever it holds, `reads` returns or says what is wrong.

    Args:
        path: The file.
        reads: Reads it.
        named: What each message begins with or holds; by default the file's name.
    """
    good, rng, trials, refused = path.read_bytes(), random.Random(SEED), 0, 0
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        trials += 1
        path.write_bytes(mutated(good, rng))
        try:
            reads()
        except UserError as error:
            refused += 1
            text = str(error)
            assert (named or path.name) in text, (SEED, trials, text)
            assert len(text.partition(path.name)[2].strip(" :")) > 3 or named, (SEED, trials, text)
        except BaseException as error:
            broken = path.with_suffix(".broken")
            broken.write_bytes(path.read_bytes())
            raise AssertionError(f"seed {SEED}, trial {trials}, {broken}: {error!r}") from error
    print(f"{path.name}: seed {SEED}, {trials} files, {refused} refused")
    assert 0 < refused < trials or path.suffix == ".json", "all or none are refused: a blunt test"


@pytest.mark.nightly
def test_journals_of_scorings(tmp_path: Path) -> None:
    path, scored = tmp_path / "score.jsonl", report()
    names = [record.task for record in scored.records]
    for record in scored.records:
        Journal(path, {"seed": 1}, names).append(record)
    survives(path, lambda: Journal(path, {"seed": 1}, names))
