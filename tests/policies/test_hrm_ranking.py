"""The network asked to rank: an edit's probability is that of the action that makes it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.envs.software import SoftwareEnv
from hrmgym.policies.base import Spaces
from hrmgym.policies.config import HRMPolicyConfig
from hrmgym.policies.hrm import HRMPolicy, make_hrm_policy
from hrmgym.policies.hrm_ranking import HRMRanker
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
