"""Held-out fixes: ranks of proposals, on lists and on policies whose proposals are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from hrmgym.envs.edits.edit import Edit
from hrmgym.envs.interfaces import EditInterface
from hrmgym.envs.interfaces.edit import Action, tool_action
from hrmgym.envs.tokens import Tokens, load_tokens
from hrmgym.policies.distribution import edit_distribution
from hrmgym.tests.learning import network
from hrmgym.tests.tiny import DOUBLE, DOUBLE_FIXED
from hrmgym.trainers.fixes import Fix, Found, look, rates, search_fixes, show_fix
from hrmgym.trainers.sources import held_out_programs, made_fixes, real_fixes

INTERFACE = EditInterface(96)
AT = DOUBLE.index("+")


def double_fix() -> Fix:
    fix = show_fix("double", "tiny", "sign", DOUBLE, Edit(AT, AT + 1, "*"), "", INTERFACE, 32)
    assert fix is not None
    return fix


def edit(start: int, end: int, text: str) -> Action:
    """An edit of canvas tokens, written token by token."""
    action = tool_action("edit")
    ids = load_tokens().encode(text).ids
    action[1:3] = start, end
    action[3 : 3 + len(ids)] = ids
    action[3 + len(ids)] = Tokens.END
    return action


def test_a_fix_shows_the_bug_and_its_repair() -> None:
    fix = double_fix()
    assert fix.fixed == DOUBLE_FIXED
    assert look(fix, [fix.sample.action], INTERFACE) == Found(1, 1, 1)
    assert fix.sample.observation["tokens"].tobytes() == (
        INTERFACE.observe(fix.state)["tokens"].tobytes()
    )


def test_the_rank_is_that_of_the_first_proposal_that_makes_the_fixed_program() -> None:
    fix = double_fix()
    start, end = (int(one) for one in fix.sample.action[1:3])
    wrong, nothing = edit(start, end, " - "), edit(start, end, " + ")
    wider = edit(start - 1, end, "x * ")  # another action, the same program
    stop = tool_action("submit")
    assert look(fix, [wrong, nothing, stop, wider], INTERFACE) == Found(4, 1, 4)
    assert look(fix, [stop, wider], INTERFACE).location == 2
    assert look(fix, [stop, nothing], INTERFACE) == Found(None, 2, 2)
    assert look(fix, [], INTERFACE) == Found(None, None, 0)


def test_rates_by_hand() -> None:
    found = [Found(1, 1, 1), Found(8, 1, 8), Found(9, 2, 32), Found(None, None, 128)]
    assert rates(found) == pytest.approx(
        {
            "exact@1": 0.25,
            "exact@8": 0.5,
            "exact@32": 0.75,
            "exact@128": 0.75,
            "location@1": 0.5,
            "mrr": (1 + 1 / 8 + 1 / 9) / 4,
        }
    )
    assert rates([]) == {}


def test_a_network_is_asked_for_more_only_while_it_has_not_found_the_fix() -> None:
    model = network().eval()
    fix = double_fix()
    (found,) = search_fixes(model, [fix], INTERFACE, ks=(1, 3))
    assert found.rank is None
    assert found.proposals == 3
    # Its own first proposal as the fix: then it is found at once.
    batch = {k: torch.from_numpy(v[None]) for k, v in fix.sample.observation.items()}
    with torch.no_grad():
        best = edit_distribution(model, model.encode(batch), batch).top_k(20)[0]
    rank, action = next((n, a) for n, (a, _) in enumerate(best, start=1) if int(a[0]) == 0)
    call = INTERFACE.decode(action.numpy(), fix.state)
    text = DOUBLE[: call.start] + call.text + DOUBLE[call.end :]
    (found,) = search_fixes(model, [replace(fix, fixed=text)], INTERFACE, ks=(1, 20))
    assert found.rank == rank


def test_held_out_sets_are_whole_and_what_one_action_repairs() -> None:
    wide = EditInterface(512)
    made = made_fixes(held_out_programs(8), wide, seed=0, max_span=32, most=20)
    real = real_fixes("valid", wide, max_span=32)
    assert len(made) == 20
    assert len(real) > 250
    for fix in [*made, *real[::10]]:
        assert look(fix, [fix.sample.action], wide).rank == 1
    assert {fix.group for fix in real}.isdisjoint(
        {fix.group for fix in real_fixes("train", wide, max_span=32)}
    )
    assert np.mean([fix.sample.observation["budget"][6] for fix in real]) == 1
