"""The network asked to rank: an edit's probability is that of the action that makes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hrmgym.envs.edits.places import edits_of
from hrmgym.envs.edits.screen import Coverage, TestLines
from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import CheckpointError
from hrmgym.hrm.checkpoint import save_checkpoint
from hrmgym.policies.base import Spaces
from hrmgym.policies.config import HRMPolicyConfig, RankedConfig
from hrmgym.policies.hrm import HRMPolicy, load_weights, make_hrm_policy
from hrmgym.policies.hrm_ranking import HRMRanker
from hrmgym.policies.ranked import make_ranked_policy
from hrmgym.tests.learning import SHAPE, few_threads
from hrmgym.tests.policies.editing import EDITS, TEXT, replacing, state_of
from hrmgym.tests.tiny import Tiny

CANVAS = 96


@pytest.fixture(scope="module")
def policy() -> HRMPolicy:
    few_threads()
    env = SoftwareEnv(Tiny(), canvas=CANVAS)
    config = HRMPolicyConfig(kind="hrm", **SHAPE)
    return make_hrm_policy(config, Spaces.of(env), seed=3)


@pytest.fixture(scope="module")
def ranked() -> HRMPolicy:
    """One with a head for lists, whose scores are not all the same."""
    few_threads()
    env = SoftwareEnv(Tiny(), canvas=CANVAS)
    kinds = ("arithmetic", "comparison", "identifier")
    config = HRMPolicyConfig(kind="hrm", **SHAPE, ranking={"kinds": kinds})
    policy = make_hrm_policy(config, Spaces.of(env), seed=3)
    with torch.no_grad():
        for parameter in policy.model.ranking_head.parameters():
            parameter.mul_(2.0)
        policy.model.trace_embedding.embedding_weight.normal_()
    return policy


def alone(policy: HRMPolicy, state, edit) -> float:  # type: ignore[no-untyped-def]
    """The log-probability of an edit's action, by the distribution over all actions."""
    interface = EditInterface(CANVAS)
    action = interface.encode_edit(state, *edit.edit.edit)
    assert action is not None
    batch = {key: torch.as_tensor(one[None]) for key, one in interface.observe(state).items()}
    with torch.no_grad():
        return float(policy.encode(batch)[1].log_prob(torch.as_tensor(action[None])))


def test_edits_have_the_probabilities_of_their_actions_normalised(policy: HRMPolicy) -> None:
    state = state_of()
    found = HRMRanker(policy, EditInterface(CANVAS)).log_probs(state, EDITS, {})
    raw = np.array([alone(policy, state, edit) for edit in EDITS])
    np.testing.assert_allclose(found, raw - np.log(np.exp(raw).sum()), atol=1e-4)
    assert len(set(found.round(6))) > 1


def test_the_order_of_the_list_changes_nothing(policy: HRMPolicy) -> None:
    ranker = HRMRanker(policy, EditInterface(CANVAS))
    found = ranker.log_probs(state_of(), EDITS, {})
    back = ranker.log_probs(state_of(), EDITS[::-1], {})
    np.testing.assert_allclose(back[::-1], found, atol=1e-5)


def test_what_no_action_can_make_is_as_probable_as_the_least_that_one_can(
    policy: HRMPolicy,
) -> None:
    long = replacing("return a", "return " + " + ".join(f"name{n}" for n in range(20)))
    found = HRMRanker(policy, EditInterface(CANVAS)).log_probs(state_of(), [*EDITS, long], {})
    assert np.isfinite(found).all()
    assert found[-1] == pytest.approx(found[:-1].min())
    (only,) = HRMRanker(policy, EditInterface(CANVAS)).log_probs(state_of(), [long], {})
    assert only == 0.0


def test_every_window_of_a_long_file_is_looked_at(policy: HRMPolicy) -> None:
    text = TEXT + "".join(f"\n\ndef g{n}(a, b):\n    return a + {n} * b\n" for n in range(9))
    state, interface = state_of(text), EditInterface(CANVAS)
    edits = [replacing("a + b", "a - b", text=text), replacing("8 * b", "8 + b", text=text)]
    assert interface.encode_edit(state, *edits[1].edit.edit) is None  # not in the first window
    found = HRMRanker(policy, interface).log_probs(state, edits, {})
    cursors = (replace(state, cursor=replace(state.cursor, window=n)) for n in range(9))
    shown = next(
        one for one in cursors if interface.encode_edit(one, *edits[1].edit.edit) is not None
    )
    raw = np.array([alone(policy, state, edits[0]), alone(policy, shown, edits[1])])
    np.testing.assert_allclose(found, raw - np.log(np.exp(raw).sum()), atol=1e-4)


# --- with a head for lists ------------------------------------------------------------------------


def test_a_head_for_lists_ranks_all_legal_edits_whatever_their_order(ranked: HRMPolicy) -> None:
    state = state_of()
    edits, ranker = edits_of(state, 10_000), HRMRanker(ranked, EditInterface(CANVAS))
    found = ranker.log_probs(state, edits, {})
    assert np.exp(found).sum() == pytest.approx(1.0)
    assert len(set(found.round(6))) > len(edits) / 2
    mixed = np.random.default_rng(0).permutation(len(edits))
    again = ranker.log_probs(state, [edits[at] for at in mixed], {})
    np.testing.assert_allclose(again, found[mixed], atol=1e-4)


def test_it_asks_what_tests_run_and_sees_it(ranked: HRMPolicy, policy: HRMPolicy) -> None:
    ranker = HRMRanker(ranked, EditInterface(CANVAS))
    assert ranker.needs_spectra
    assert not HRMRanker(policy, EditInterface(CANVAS)).needs_spectra
    lines = Coverage({"t": TestLines(False, frozenset({2, 3}))})
    found = ranker.log_probs(state_of(), EDITS, {"f.py": lines})
    assert not np.allclose(found, ranker.log_probs(state_of(), EDITS, {}), atol=1e-4)


def test_windows_of_a_long_file_share_the_probability_by_their_edits(ranked: HRMPolicy) -> None:
    text = TEXT + "".join(f"\n\ndef g{n}(a, b):\n    return a + {n} * b\n" for n in range(9))
    state, ranker = state_of(text), HRMRanker(ranked, EditInterface(CANVAS))
    edits = edits_of(state, 10_000)
    found = ranker.log_probs(state, edits, {})
    assert np.isfinite(found).all()
    assert np.exp(found).sum() == pytest.approx(1.0)
    head = [n for n, one in enumerate(edits) if one.edit.edit.end < len(TEXT)]
    share = len(head) / len(edits)
    assert share / 2 < np.exp(found[head]).sum() < 2 * share


def test_a_checkpoint_with_the_head_is_asked_for_its_order_and_keeps_its_kinds(
    ranked: HRMPolicy, policy: HRMPolicy, tmp_path: Path
) -> None:
    save_checkpoint(tmp_path / "ranked", ranked.model, "card", {})
    env = SoftwareEnv(Tiny(), canvas=CANVAS)
    block = RankedConfig(kind="ranked", by=("hrm",), checkpoint=str(tmp_path / "ranked"))
    (again,) = make_ranked_policy(block, Spaces.of(env)).rankers
    ranker = HRMRanker(ranked, EditInterface(CANVAS))
    found = again.log_probs(state_of(), EDITS, {})
    np.testing.assert_allclose(found, ranker.log_probs(state_of(), EDITS, {}), atol=1e-4)
    with pytest.raises(CheckpointError, match="of another model: its ranking is"):
        load_weights(
            make_hrm_policy(
                HRMPolicyConfig(kind="hrm", **SHAPE, ranking={"kinds": ("one",)}), Spaces.of(env), 0
            ),
            tmp_path / "ranked",
        )
    save_checkpoint(tmp_path / "plain", policy.model, "card", {})
    load_weights(ranked, tmp_path / "plain")  # weights without the head leave it as it is
