"""Comparing commits: the statistics on made-up numbers, and what cannot be compared."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """`benchmarks/compare.py`."""
    monkeypatch.syspath_prepend(FOLDER)
    spec = importlib.util.spec_from_file_location("compare_benchmark", FOLDER / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look there
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("sandbox_load")


def run(script: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(FOLDER / script), *arguments],
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(
    ("count", "rank"), [(5, 5), (6, 6), (7, 7), (8, 7), (10, 9), (11, 9), (15, 12), (21, 15)]
)
def test_the_rank_of_the_bound_is_the_least_that_holds(
    module: ModuleType, count: int, rank: int
) -> None:
    assert module.rank(count) == rank

    def coverage(k: int) -> float:
        return sum(math.comb(count, below) for below in range(k)) / 2**count

    assert coverage(rank) >= 0.95 > coverage(rank - 1)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_few_values_have_no_bound(module: ModuleType, count: int) -> None:
    with pytest.raises(ValueError, match="do not bound their median"):
        module.rank(count)
    with pytest.raises(ValueError, match="at least 5 are needed"):
        module.compare([(1.0, 1.0)] * count)


def test_the_median_stays_below_the_bound_as_often_as_promised(module: ModuleType) -> None:
    draw = random.Random(0)
    true = 1.05  # of ratios that are skewed, as times are
    held, rounds = 0, 4000
    for _ in range(rounds):
        pairs = [(1.0, true * math.exp(draw.gauss(0, 0.1)) ** 2) for _ in range(7)]
        held += module.compare(pairs).upper >= true
    assert held / rounds >= 0.95


def test_a_comparison_of_made_up_times(module: ModuleType) -> None:
    ratios = [1.0, 1.2, 0.9, 1.05, 1.1, 0.95, 1.02]
    # The machine gets slower from pair to pair: that is no difference between the commits.
    pairs = [(2.0 + number, (2.0 + number) * ratio) for number, ratio in enumerate(ratios)]
    found = module.compare(pairs)
    assert found.ratios == pytest.approx(ratios)
    assert found.median == pytest.approx(statistics.median(ratios)) == pytest.approx(1.02)
    assert found.upper == pytest.approx(1.2)
    eleven = module.compare([*pairs, *[(1.0, 1.0)] * 4])
    assert eleven.upper == pytest.approx(1.05)  # the third largest


def test_a_time_of_nothing_is_an_error(module: ModuleType) -> None:
    with pytest.raises(ValueError, match="too short"):
        module.compare([(1.0, 1.0)] * 6 + [(0.0, 1.0)])


@pytest.mark.parametrize(
    ("ratios", "limit", "code"),
    [
        ([1.0] * 7, 1.1, 0),
        ([1.0] * 6 + [1.09], 1.1, 0),
        ([1.0] * 6 + [1.11], 1.1, 1),
        ([1.0] * 6 + [1.11], 1.2, 0),
        ([0.8] * 7, 1.1, 0),
        ([1.2] * 7, 1.1, 1),
    ],
)
def test_the_exit_code_and_the_report(
    module: ModuleType,
    capsys: pytest.CaptureFixture[str],
    ratios: list[float],
    limit: float,
    code: int,
) -> None:
    pairs = {"same": [(0.5, 0.5)] * 7, "other": [(2.0, 2.0 * ratio) for ratio in ratios]}
    commits = {"old": "a" * 40, "new": "b" * 40}
    assert module.report(pairs, commits, limit, as_json=False) == code
    assert (f"above {limit:g}" in capsys.readouterr().out) == bool(code)
    assert module.report(pairs, commits, limit, as_json=True) == code
    data = json.loads(capsys.readouterr().out)
    assert data["above"] == (["other"] if code else [])
    assert data["figures"]["other"]["upper"] == pytest.approx(max(ratios))
    assert data["figures"]["same"]["median"] == 1
    assert data["commits"] == commits


def test_the_parts_are_those_that_can_be_measured(module: ModuleType) -> None:
    shown = run("sandbox_cpu.py", "--help").stdout
    assert f"{{{','.join(module.PARTS)}}}" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-commit", "--parts", "state"], "there is no commit 'no-such-commit' in"),
        (["HEAD", "--pairs", "4"], "--pairs 4: at least 5 are needed"),
    ],
)
def test_what_cannot_be_compared(arguments: list[str], message: str) -> None:
    done = run("compare.py", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        ["sandbox.py"],
        ["sandbox.py", "--json"],
        ["sandbox_load.py"],
        ["sandbox_cpu.py", "steps"],
        ["compare.py", "HEAD"],
    ],
)
def test_missing_data_is_one_line(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "quixbugs").mkdir()
    done = run(*command, HRMGYM_DATA=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {tmp_path}/quixbugs: this is not quixbugs at ")
    assert done.stderr.count("\n") == 1


def test_another_package_than_the_one_asked_for_is_not_measured(tmp_path: Path) -> None:
    done = run("sandbox_cpu.py", "state", "--package", str(tmp_path))
    assert done.returncode == 1
    assert "error: hrmgym was imported from " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.nightly
def test_a_commit_against_itself() -> None:
    done = run("compare.py", "HEAD", "--pairs", "5", "--parts", "state", "--json")
    assert done.returncode in (0, 1), done.stderr
    data = json.loads(done.stdout)
    (figure,) = data["figures"].values()
    assert len(figure["pairs"]) == 5
    assert (figure["upper"] > 1.1) == (done.returncode == 1)
    assert data["commits"]["old"] == data["commits"]["new"]
