"""The conformance suite, over every registered environment id."""

from __future__ import annotations

import importlib
import os

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env as check_gymnasium
from stable_baselines3.common.env_checker import check_env as check_sb3

from hrmgym.envs import catalogue, make_benchmark
from hrmgym.envs.benchmark import Entry
from hrmgym.envs.candidates import CandidateActions
from hrmgym.envs.interfaces.textspace import TextSpace
from hrmgym.envs.sandboxes.config import LocalSandboxConfig
from hrmgym.envs.sandboxes.environments import lacking
from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import DataError
from hrmgym.tests.conformance import checks
from hrmgym.tests.conformance.checks import Make

for _module in os.environ.get("HRMGYM_CONFORMANCE", "").split():
    importlib.import_module(_module)

#: Benchmarks whose data takes the network, and minutes.
_NIGHTLY = ("fixes", "madebugs")
ENTRIES = [
    pytest.param(entry, marks=[pytest.mark.nightly] if entry.name in _NIGHTLY else [])
    for entry in catalogue().values()
    if not entry.entry_point.startswith("hrmgym.tests")
]


@pytest.fixture(params=ENTRIES, ids=lambda entry: entry.env_id)
def entry(request: pytest.FixtureRequest) -> Entry:
    """One registered benchmark whose data is here."""
    found: Entry = request.param
    try:
        benchmark = make_benchmark(found.entry_point)
        benchmark.tasks(benchmark.splits[0])
    except DataError as error:
        pytest.skip(f"needs data: {error}")
    tasks = [task for split in benchmark.splits for task in benchmark.tasks(split)]
    reasons = [lacking(LocalSandboxConfig(), task.environment) for task in tasks]
    if all(reasons):
        pytest.skip(reasons[0])
    return found


@pytest.fixture
def make(entry: Entry) -> Make:
    """Makes its environment, without wrappers."""

    def made(**options: object) -> SoftwareEnv:
        env = gymnasium.make(entry.env_id, **options).unwrapped
        assert isinstance(env, SoftwareEnv)
        return env

    return made


def test_tasks_are_well_formed(make: Make) -> None:
    checks.tasks_are_well_formed(make)


def test_the_untouched_task_is_not_solved_and_the_reference_is(make: Make) -> None:
    checks.the_reference_alone_solves(make)


def test_the_reference_policy_solves_what_noop_does_not(make: Make) -> None:
    checks.the_reference_policy_solves_what_noop_does_not(make)


def test_the_interfaces_reach_the_reference(make: Make) -> None:
    checks.the_interface_reaches_the_reference(make)


def test_gymnasiums_checker_is_clean(make: Make) -> None:
    env = make()
    check_gymnasium(env)
    env.close()


def test_stable_baselines3s_checker_is_clean(make: Make) -> None:
    env = make()
    check_sb3(env)
    env.close()


def test_the_shell_is_clean_too(make: Make) -> None:
    env = make(interface="shell")
    assert isinstance(env.observation_space, TextSpace)
    check_gymnasium(env)
    env.close()


def test_two_copies_with_one_seed_agree_step_by_step(make: Make) -> None:
    checks.two_copies_with_one_seed_agree(make)


def test_a_restored_snapshot_continues_exactly(make: Make) -> None:
    checks.a_restored_snapshot_continues_exactly(make)


def test_the_checkers_are_clean_of_its_candidates(entry: Entry) -> None:
    env = gymnasium.make(entry.candidates_id, k=32, mask_in_observation=True)
    again = gymnasium.make(EnvSpec.from_json(env.spec.to_json()))  # type: ignore[union-attr]
    assert again.spec == env.spec
    bare = again.env.env  # type: ignore[attr-defined]
    assert isinstance(bare, CandidateActions)
    with pytest.warns(UserWarning, match="different from the unwrapped version"):
        check_gymnasium(bare)
    check_sb3(env)
    env.close()
    again.close()


def test_its_candidates_continue_exactly(make: Make) -> None:
    checks.its_candidates_continue_exactly(make)


def test_no_hidden_test_or_reference_leaks(make: Make) -> None:
    checks.nothing_leaks(make)


def test_every_render_mode(entry: Entry) -> None:
    for mode in SoftwareEnv.metadata["render_modes"]:
        made = gymnasium.make(entry.env_id, render_mode=mode)
        made.reset(seed=0)
        shown = made.render()
        assert (mode == "ansi") == isinstance(shown, str)
        assert (mode == "rgb_array") == isinstance(shown, np.ndarray)
        made.close()
