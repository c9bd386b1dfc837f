"""Legal edits in a policy's order as candidates, and an environment over them."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from stable_baselines3.common.env_checker import check_env as check_sb3

from hrmgym.envs.candidates import NUM_FEATURES, CandidateActions
from hrmgym.envs.edits.edit import Edit, apply
from hrmgym.envs.edits.places import edits_of
from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import UnknownNameError
from hrmgym.policies.proposing import RankedCandidates, ranked_candidates
from hrmgym.tests.learning import few_threads
from hrmgym.tests.tiny import DOUBLE_FIXED, Tiny, double_task, state_of

BY_KIND = RankedCandidates(by=("frequencies",), checkpoint=None)


def test_the_most_probable_legal_edits_come_in_their_order() -> None:
    state = state_of(double_task())
    found = BY_KIND(state)
    legal = {one.edit.edit for one in edits_of(state, 10_000)}
    assert {Edit(one.start, one.end, one.text) for one in found} <= legal
    log_probs = [one.log_prob for one in found]
    assert all(one is not None for one in log_probs)
    assert log_probs == sorted(log_probs, reverse=True)  # type: ignore[type-var]
    texts = [apply(state.files["double.py"], Edit(one.start, one.end, one.text)) for one in found]
    assert DOUBLE_FIXED in texts
    few = RankedCandidates(by=("frequencies",), checkpoint=None, most=5)(state)
    assert few == found[:5]


def test_the_shipped_network_has_a_say() -> None:
    few_threads()
    state = state_of(double_task())
    assert {one.text for one in ranked_candidates(state)} != set()
    assert [one.text for one in ranked_candidates(state)] != [one.text for one in BY_KIND(state)]


def test_the_environment_offers_them_best_first_and_one_repairs() -> None:
    env = CandidateActions(SoftwareEnv(Tiny(), task="double"), k=96, propose=BY_KIND)
    check_sb3(CandidateActions(SoftwareEnv(Tiny(), task="double"), k=16, propose=BY_KIND))
    observation, info = env.reset(seed=0)
    table = observation["candidates"].reshape(96, NUM_FEATURES)
    there = table[:, 0] > 0
    assert there.any()
    probable = table[there, 1 + 28 + 3 + 32]
    assert (np.diff(probable) <= 1e-6).all()
    start = env.save()
    solved = 0
    for action in np.flatnonzero(info["action_mask"]):
        env.restore(start)
        solved += env.step(int(action))[4]["is_success"]
    assert solved >= 1
    env.close()


def test_names_of_ways_to_propose() -> None:
    few_threads()
    env = gymnasium.make("hrmgym/Katas-Candidates-v0", k=8, proposals="ranked")
    observation, _ = env.reset(seed=0)
    assert observation["candidates"].any()
    env.close()
    with pytest.raises(UnknownNameError, match="did you mean 'ranked'"):
        CandidateActions(SoftwareEnv(Tiny()), proposals="rank")
