"""Tests of the candidate actions."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.wrappers import OrderEnforcing, TimeLimit
from stable_baselines3.common.env_checker import check_env as check_sb3

from hrmgym.envs.candidates import NUM_FEATURES, Candidate, CandidateActions, rule_candidates
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.state import State
from hrmgym.errors import ActionError, ConfigError, UnknownNameError
from hrmgym.tests.tiny import CLAMP, Tiny, double_task, state_of


class Unhashable:
    """Proposes nothing, and equals others of its kind."""

    def __call__(self, state: State) -> list[Candidate]:
        return []

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unhashable)


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
    assert (info["steps"], info["test_runs"], info["tool"]) == (1, 1, "edit")
    assert base.state.files == text
    assert env.action_masks().sum() == before.sum() - 1
    assert float(reward) == pytest.approx(sum(info["rewards"].values()))


def test_a_kept_edit_is_chosen_from_next() -> None:
    made = CandidateActions(SoftwareEnv(Tiny(), task="clamp"), k=32, keep_edits="always")
    _, info = made.reset(seed=0)
    base = made.unwrapped
    assert isinstance(base, SoftwareEnv)
    text = dict(base.state.files)
    _, _, _, _, info = made.step(int(np.flatnonzero(info["action_mask"])[-1]))
    assert info["kept"]
    assert base.state.files != text
    _, _, _, _, info = made.step(int(np.flatnonzero(info["action_mask"])[-1]))
    assert not info["refused"]
    made.close()


def test_the_whole_budget_is_for_candidates(env: CandidateActions) -> None:
    _, info = env.reset(seed=0, options={"task": "clamp"})
    worthless = 0
    while True:
        *_, terminated, truncated, info = env.step(int(np.flatnonzero(info["action_mask"])[-1]))
        worthless += not info["kept"]
        if terminated or truncated:
            break
    assert (worthless, info["test_runs"], terminated) == (8, 8, False)


def test_the_mask_is_in_info_and_in_the_observation(env: CandidateActions) -> None:
    told = CandidateActions(SoftwareEnv(Tiny(), task="double"), k=64, mask_in_observation=True)
    for one in (env, told):
        observation, info = one.reset(seed=0)
        for _ in range(3):
            mask = info["action_mask"]
            assert mask.dtype == np.int8
            assert (mask == one.action_masks()).all()
            assert one.observation_space.contains(observation)
            assert (one is told) == ("action_mask" in observation)
            assert one is env or (observation["action_mask"] == mask).all()
            observation, *_, info = one.step(int(np.flatnonzero(mask)[-1]))
    told.close()


def test_a_seen_candidate_is_refused_without_a_test_run(env: CandidateActions) -> None:
    _, info = env.reset(seed=0)
    action = int(np.flatnonzero(info["action_mask"])[-1])
    env.step(action)
    *_, info = env.step(action)
    assert "has had already" in info["refused"]
    assert (info["steps"], info["test_runs"]) == (2, 1)


def test_masks_follow_the_environment_below(env: CandidateActions) -> None:
    env.reset(seed=0, options={"task": "double"})
    base = env.unwrapped
    assert isinstance(base, SoftwareEnv)
    start, fresh = base.save(), env.action_masks()
    env.step(int(np.flatnonzero(fresh)[-1]))
    assert env.action_masks().sum() == fresh.sum() - 1
    base.restore(start)
    assert (env.action_masks() == fresh).all(), "restored below, and the mask is stale"
    base.reset(options={"task": "clamp"})
    clamp = env.action_masks()
    assert (clamp != fresh).any(), "reset below, and the mask is stale"
    assert not env.step(int(np.flatnonzero(clamp)[-1]))[4]["refused"]


def test_save_and_restore_keep_what_was_seen(env: CandidateActions) -> None:
    _, info = env.reset(seed=0)
    env.step(int(np.flatnonzero(info["action_mask"])[-1]))
    saved, mask = pickle.loads(pickle.dumps(env.save())), env.action_masks()
    assert saved.key == saved.inner.key
    env.step(int(np.flatnonzero(mask)[-1]))
    other = CandidateActions(gymnasium.make("hrmgym/Katas-v0"), k=64)
    with pytest.raises(ConfigError, match="of benchmark 'tiny'"):
        other.restore(saved)
    other.close()
    twin = TimeLimit(CandidateActions(OrderEnforcing(SoftwareEnv(Tiny())), k=64), 8)
    for one in (env, twin):
        _, info = one.get_wrapper_attr("restore")(saved)
        assert (info["action_mask"] == mask).all()
        assert one.get_wrapper_attr("save")() == saved
    twin.env.step(int(np.flatnonzero(mask)[-1]))
    env.restore(saved.inner)
    assert env.action_masks().sum() == mask.sum() + 1, "what was seen is not in a plain snapshot"
    twin.close()
    with pytest.raises(ConfigError, match="a snapshot that save has made, got int"):
        env.restore(3)  # type: ignore[arg-type]


def test_the_state_of_a_copy_is_made_again(env: CandidateActions) -> None:
    env.reset(seed=0)
    env.step(int(np.flatnonzero(env.action_masks())[-1]))
    twin = copy.copy(env)  # by the two methods that pickle and deepcopy use, too
    assert twin.save() == env.save()
    assert (twin.action_masks() == env.action_masks()).all()
    unused = copy.copy(CandidateActions(SoftwareEnv(Tiny())))
    with pytest.raises(gymnasium.error.ResetNeeded):
        unused.action_masks()


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (64, "candidate action 64 is outside of 0 to 63"),
        (-1, "candidate action -1 is outside"),
        (0.5, "one integer, got 0.5"),
        (np.array([1, 2]), "one integer, got array"),
        ("1", "one integer, got '1'"),
    ],
)
def test_wrong_actions_say_so(env: CandidateActions, action: object, message: str) -> None:
    env.reset(seed=0)
    with pytest.raises(ActionError, match=message):
        env.step(action)
    env.step(np.array([1]))  # as some vector environments give it


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


def no_candidates(state: State) -> list[Candidate]:
    """None at all."""
    return []


def test_a_spec_names_the_proposals_and_comes_back_from_json() -> None:
    name = f"{__name__}:no_candidates"
    for propose in (name, no_candidates):
        made = gymnasium.make("hrmgym/Katas-Candidates-v0", k=4, propose=propose)
        spec = made.get_wrapper_attr("spec")
        assert spec.additional_wrappers[0].kwargs["propose"] == name
        if propose is name:
            again = gymnasium.make(EnvSpec.from_json(spec.to_json()))
            assert again.spec == spec
            assert again.reset(seed=0)[1]["action_mask"].tolist() == [1, 0, 0, 0]
            assert again.step(0)[4]["refused"].startswith("there is no candidate 0")
            again.close()
        made.close()
    made = CandidateActions(SoftwareEnv(Tiny()), propose=lambda state: [])
    assert callable(made._saved_kwargs["propose"])
    made.close()


@pytest.mark.parametrize(
    ("propose", "message"),
    [
        ("nowhere.at_all:function", "leads to no function; write 'module:function', for example"),
        (f"{__name__}:missing", "leads to no function"),
        ("", "leads to no function"),
        (f"{__name__}:__name__", "leads to no function"),
        (5, "a function or 'module:function', got 5"),
        (Unhashable(), "must be hashable"),
    ],
)
def test_wrong_proposals_say_so(propose: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CandidateActions(SoftwareEnv(Tiny()), propose=propose)


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
    with pytest.raises(UnknownNameError, match="keep_edits 'if_beter'; did you mean 'if_better'"):
        CandidateActions(SoftwareEnv(Tiny()), keep_edits="if_beter")  # type: ignore[arg-type]
