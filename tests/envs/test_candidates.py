"""Tests of the candidate actions."""

from __future__ import annotations

from collections.abc import Iterator

import gymnasium
import numpy as np
import pytest
from stable_baselines3.common.env_checker import check_env as check_sb3

from hrmgym.envs.candidates import NUM_FEATURES, Candidate, CandidateActions, rule_candidates
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.state import State
from hrmgym.errors import ConfigError
from hrmgym.tests.tiny import CLAMP, Tiny, double_task, state_of


@pytest.fixture
def env() -> Iterator[CandidateActions]:
    """Candidates over the task `double`."""
    made = CandidateActions(SoftwareEnv(Tiny(), task="double"), k=64)
    yield made
    made.close()


def test_the_checker_is_clean() -> None:
    made = CandidateActions(gymnasium.make("hrmgym/Katas-v0"))
    check_sb3(made)
    made.close()


def test_one_candidate_repairs_the_task(env: CandidateActions) -> None:
    env.reset(seed=0)
    start = env.unwrapped.save()  # type: ignore[attr-defined]
    solved = 0
    for action in np.flatnonzero(env.action_masks()):
        env.unwrapped.restore(start)  # type: ignore[attr-defined]
        solved += env.step(int(action))[4]["is_success"]
        env.reset(seed=0)
    assert solved == 1


def test_legal_candidates_are_never_refused(env: CandidateActions) -> None:
    rng = np.random.default_rng(0)
    for seed in range(10):
        env.reset(seed=seed)
        over = False
        while not over:
            action = int(rng.choice(np.flatnonzero(env.action_masks())))
            _, _, terminated, truncated, info = env.step(action)
            assert not info["refused"], info
            over = terminated or truncated


def test_forbidden_candidates_are_refused_and_cost_a_step(env: CandidateActions) -> None:
    env.reset(seed=0)
    forbidden = int(np.flatnonzero(~env.action_masks())[-1])
    _, reward, _, _, info = env.step(forbidden)
    assert info["refused"]
    assert info["steps"] == 1
    assert float(reward) < 0


def test_what_does_not_help_is_undone_and_not_proposed_again(env: CandidateActions) -> None:
    env.reset(seed=0)
    base = env.unwrapped
    assert isinstance(base, SoftwareEnv)
    text = dict(base.state.files)
    before = env.action_masks()
    _, reward, terminated, _, info = env.step(int(np.flatnonzero(before)[-1]))
    assert not terminated
    assert not info["kept"]
    assert (info["steps"], info["test_runs"], info["tool"]) == (2, 1, "edit")
    assert base.state.files == text
    assert env.action_masks().sum() == before.sum() - 1
    assert float(reward) == pytest.approx(sum(info["rewards"].values()))


def test_features_and_masks_go_together(env: CandidateActions) -> None:
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    table = observation["candidates"].reshape(64, NUM_FEATURES)
    assert ((table[:, 0] > 0) == env.action_masks()).all()
    rows = table[env.action_masks()]
    assert len(np.unique(rows, axis=0)) > 1


def test_proposals_of_ones_own() -> None:
    def only_one(state: State) -> list[Candidate]:
        at = state.files[state.cursor.path].find("+")
        return [Candidate("mine", at, at + 1, "*")] if at >= 0 else []

    made = CandidateActions(SoftwareEnv(Tiny(), task="double"), k=2, propose=only_one)
    made.reset(seed=0)
    assert made.action_masks().tolist() == [True, False]
    assert made.step(0)[4]["is_success"]
    made.close()


def test_a_text_that_does_not_parse_has_no_rule_candidates() -> None:
    broken = state_of(double_task(), files={"double.py": CLAMP[:-3] + "((("})
    assert rule_candidates(broken) == []


@pytest.mark.parametrize(
    ("env", "k", "message"),
    [
        (lambda: gymnasium.make("CartPole-v1"), 8, "wraps a SoftwareEnv"),
        (lambda: SoftwareEnv(Tiny(), interface="shell"), 8, "interface='edit'"),
        (lambda: SoftwareEnv(Tiny()), 0, "k must be at least 1"),
        (lambda: SoftwareEnv(Tiny(), auto_test=False, auto_submit=False), 8, "needs auto_test"),
    ],
)
def test_wrong_environments_say_so(env: object, k: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CandidateActions(env(), k=k)  # type: ignore[operator]
