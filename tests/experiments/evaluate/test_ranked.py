"""Scores of policies that put legal edits in order, from the configs that ship."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hrmgym.errors import ConfigError
from hrmgym.experiments.evaluate.score import check, score
from hrmgym.experiments.evaluate.tables import report_table
from hrmgym.experiments.loader import load
from hrmgym.experiments.schema import Experiment
from hrmgym.tests.experiments.evaluate.test_tables import drawn

EPISODES = ("score.mode=episodes", "score.k=[1]", "sandbox=local", "sandbox.stages=[]")
TASKS = ("seat_groups/comparison-1", "clock_angle/hand-1")


def experiment(*overrides: str, name: str = "score-katas-uniform") -> Experiment:
    tasks = json.dumps(TASKS)
    return load(name, [f"benchmark.tasks={tasks}", "score.k=[1, 30]", "score.seeds=2", *overrides])


def test_a_report_of_several_seeds_has_means_over_them(tmp_path: Path) -> None:
    report = score(experiment("policy.by=[spectrum]"), journal=tmp_path / "score.jsonl")
    data = json.loads(report.to_json())
    assert data["policy"]["kind"] == "ranked"
    assert data["budget"] == {"attempts": 2, "test_runs": 30}
    for outcome in data["outcomes"]:
        assert len(outcome["attempts"]) == 2
        for one in outcome["attempts"]:
            assert one["test_runs"] <= 30
            assert set(one["numbers"]) >= {"first_passing", "repeats"}
    assert list(data["scores"])[-1] == "plausible@30"
    solved = [[one["solved"] for one in outcome["attempts"]] for outcome in data["outcomes"]]
    mean = sum(map(sum, solved)) / 4
    assert data["scores"]["solved@30"]["value"] == pytest.approx(mean)
    assert data["solved_within"]["1000"]["value"] == pytest.approx(mean)
    assert "repeats" in drawn(report_table(data))
    # what is in the journal is not tried again, and the report is the same to the byte
    lines = (tmp_path / "score.jsonl").read_text().splitlines(keepends=True)
    assert len(lines) == 3
    (tmp_path / "score.jsonl").write_text("".join(lines[:2]))  # killed after the first task
    again = []
    resumed = score(
        experiment("policy.by=[spectrum]"),
        journal=tmp_path / "score.jsonl",
        on_task=lambda record, count: again.append(record.task),
    )
    assert again == [TASKS[1]]
    assert resumed.to_json() == report.to_json()


def test_a_search_is_scored_as_an_order_is(tmp_path: Path) -> None:
    options = ("score.k=[1, 30]", "score.seeds=1", f"benchmark.tasks={json.dumps(TASKS[:1])}")
    searched = experiment(*options, name="score-katas-search")
    check(searched)
    report = score(searched, journal=tmp_path / "score.jsonl").to_json()
    data = json.loads(report)
    assert data["policy"]["kind"] == "search"
    for outcome in data["outcomes"]:
        for one in outcome["attempts"]:
            assert one["test_runs"] <= 30
            assert set(one["numbers"]) >= {"first_passing", "repeats"}
    assert data["complete"]
    assert score(searched).to_json() == report


@pytest.mark.parametrize("name", ["quixbugs", "fixes", "madebugs"])
def test_every_search_config_is_one_search(name: str) -> None:
    searched = load(f"score-{name}-search", [])
    assert isinstance(searched, Experiment)
    assert (searched.policy.kind, searched.score.mode) == ("search", "proposals")


@pytest.mark.parametrize("override", ["policy=search", "policy=ranked"])
def test_legal_edits_are_no_episodes(override: str) -> None:
    with pytest.raises(ConfigError, match=r"needs score\.mode: proposals, not episodes"):
        load("score-katas-uniform", ["sweep=null", override, *EPISODES, "score.seeds=1"])


@pytest.mark.nightly
def test_the_network_ranks_and_its_checkpoint_is_named() -> None:
    options = ["sweep=null", "score.seeds=1", "score.k=[1, 2]"]
    ranked = experiment(*options, name="score-katas-ranked")
    check(ranked)
    data = score(ranked).to_dict()
    assert len(data["hashes"]["checkpoint"]) == 16
    assert "checkpoint" not in data["policy"]
    assert data["failures"]["count"] == 0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([*EPISODES, "score.seeds=1"], "needs score.mode: proposals, not episodes"),
        (["policy.by=[hrm]"], "checkpoint: goes with hrm among `by`; give both, or neither"),
        (["policy.checkpoint=hrmgym:hrm-small"], "checkpoint: goes with hrm among `by`"),
        (["policy.by=[spectrum, spectrum]"], "by: a value is repeated"),
        (["policy.by=[spectra]"], "should be 'frequencies', 'spectrum' or 'hrm'"),
        (["score.interval=wilson"], "interval: wilson needs seeds: 1, not 2"),
        ([*EPISODES, "policy=noop"], "seeds: goes with mode: proposals"),
    ],
)
def test_what_does_not_go_together_is_told(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        experiment(*overrides)


def test_a_shell_cannot_be_ranked_in() -> None:
    with pytest.raises(ConfigError, match="ranked policy acts through the edit interface only"):
        check(experiment("env.interface=shell"))


def test_a_missing_checkpoint_is_told_before_anything_runs() -> None:
    asked = experiment("policy.by=[hrm]", "policy.checkpoint=hrmgym:hrm-smal")
    with pytest.raises(Exception, match="did you mean 'hrmgym:hrm-small'"):
        check(asked)
