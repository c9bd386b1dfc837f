"""Tests of the catalogue and of registration."""

from __future__ import annotations

import gymnasium
import pytest

from hrmgym.envs.benchmark import Entry, catalogue, find_task, make_benchmark, register_benchmark
from hrmgym.errors import ConfigError, UnknownNameError
from hrmgym.tests.tiny import Tiny

ENTRY = "hrmgym.tests.tiny:Tiny"


def test_the_shipped_benchmarks_are_registered() -> None:
    assert {"katas", "quixbugs", "jsonl"} <= set(catalogue())
    for entry in catalogue().values():
        assert gymnasium.spec(entry.env_id).entry_point == "hrmgym.envs.software:SoftwareEnv"


@pytest.mark.parametrize(
    ("env_id", "candidates_id"),
    [
        ("hrmgym/Katas-v0", "hrmgym/Katas-Candidates-v0"),
        ("mine/Greetings-v12", "mine/Greetings-Candidates-v12"),
        ("Plain", "Plain-Candidates"),
        ("a.b-c_d-v3", "a.b-c_d-Candidates-v3"),
    ],
)
def test_the_candidates_id_keeps_namespace_and_version(env_id: str, candidates_id: str) -> None:
    assert Entry("name", ENTRY, env_id).candidates_id == candidates_id


def test_a_users_benchmark_has_candidates_too() -> None:
    entry = register_benchmark("tiny_own", ENTRY, "mine/TinyOwn-v1")
    env = gymnasium.make(entry.candidates_id, k=8, task="double", max_steps=3)
    assert env.action_space == gymnasium.spaces.Discrete(8)
    assert env.reset()[1]["action_mask"].any()
    env.close()


@pytest.mark.parametrize("env_id", ["hrmgym/Katas-v0", "hrmgym/Katas-Candidates-v0"])
def test_a_spec_survives_json(env_id: str) -> None:
    spec = gymnasium.spec(env_id)
    assert gymnasium.envs.registration.EnvSpec.from_json(spec.to_json()) == spec


def test_registering_twice_is_fine_and_registering_another_is_not() -> None:
    register_benchmark("tiny_twice", ENTRY)
    assert register_benchmark("tiny_twice", ENTRY).env_id == "hrmgym/TinyTwice-v0"
    with pytest.raises(ConfigError, match="registered already"):
        register_benchmark("tiny_twice", "somewhere:Else")


def test_an_entry_point_needs_no_registration() -> None:
    assert isinstance(make_benchmark(ENTRY), Tiny)


def test_outcomes_are_summed_up_with_an_interval() -> None:
    score = Tiny().summarise([[True], [False, True], [False], [True, False]])
    assert str(score) == "0.500 [0.150, 0.850]"
    none = Tiny().summarise([[False]] * 40)
    assert none is not None
    assert none.high < 0.09
    assert Tiny().summarise([]) is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("kata", "unknown benchmark 'kata'; did you mean 'katas'"),
        ("nowhere.at.all:Thing", "no module 'nowhere.at.all'"),
        ("hrmgym.tests.tiny:Tinny", "has no 'Tinny'; did you mean 'Tiny'?"),
        ("hrmgym.tests.tiny:double_task", "is not a Benchmark class"),
    ],
)
def test_a_wrong_name_says_so(name: str, message: str) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        make_benchmark(name)


def test_a_path_for_a_benchmark_that_takes_none() -> None:
    with pytest.raises(ConfigError, match="'tiny' takes no path"):
        make_benchmark(ENTRY, "somewhere")


def test_unknown_tasks_and_splits_name_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown task 'doubel'; did you mean 'double'"):
        find_task(Tiny(), "doubel")
    with pytest.raises(UnknownNameError, match="'tiny': unknown split 'tset'; did you mean 'test'"):
        Tiny().tasks("tset")
    assert find_task(Tiny(), "clamp").id == "clamp"
    with pytest.raises(UnknownNameError):
        find_task(Tiny(), "clamp", ["test"])
