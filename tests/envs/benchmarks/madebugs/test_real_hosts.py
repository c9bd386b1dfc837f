"""Bugs made in real packages, which are downloaded: each is a sound task."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrmgym.envs import make_benchmark
from hrmgym.envs.benchmarks.madebugs.benchmark import MadeBugs
from hrmgym.envs.benchmarks.madebugs.building import EDITS, Building
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.errors import DataError
from hrmgym.experiments.evaluate.check import check
from hrmgym.experiments.evaluate.soundness import Verdict


@pytest.mark.nightly
def test_bugs_in_real_packages_are_sound(tmp_path: Path) -> None:
    hosts = make_benchmark("fixes")
    try:
        if not list(hosts.tasks("tuning")):
            pytest.skip("the recipe of fixes has no tuning task")
    except DataError as error:
        pytest.skip(f"needs data: {error}")
    path = tmp_path / "made.jsonl"
    with Sandbox() as sandbox:
        made = Building(path, hosts, 1, {"tuning": 1}).build("tuning", sandbox)
    assert made.total() == len(EDITS)
    benchmark = MadeBugs(str(path), hosts=hosts)
    report = check(benchmark, benchmark.tasks("tuning"))
    assert report.counts[Verdict.SOUND] == len(EDITS)
