"""Programs that attack the sandbox that runs them, or the grade that they are given.

Each attack is held against two runners. The environment must give it nothing: no reward, no harm to
what lies outside, no trace for those who come after. The unprotected runner must fall to it, which
shows that the attack works.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hrmgym.envs.sandboxes.local.probe import probe
from hrmgym.tests.attacks.arena import Arena, Result
from hrmgym.tests.attacks.attack import KINDS, Attack, Kind
from hrmgym.tests.attacks.canaries import Canaries
from hrmgym.tests.attacks.catalogue import ATTACKS, CONTROLS

_each = pytest.mark.parametrize(
    "attack",
    [
        pytest.param(
            attack,
            id=attack.name,
            marks=[pytest.mark.xfail(strict=True, reason=attack.beyond)] if attack.beyond else [],
        )
        for attack in ATTACKS
    ],
)
#: A few by default, the others nightly: nothing of ours changes what the unprotected runner does.
_shown = pytest.mark.parametrize(
    "attack",
    [
        pytest.param(attack, id=attack.name, marks=[pytest.mark.nightly] if number % 12 else [])
        for number, attack in enumerate(one for one in ATTACKS if not one.unshown)
    ],
)


@_each
def test_an_attack_gets_nothing(attack: Attack, arena: Arena, canaries: Canaries) -> None:
    if attack.needs and not any(one.name == attack.needs and one.holds for one in probe()):
        pytest.skip(f"this machine has no {attack.needs}")
    earned = arena.attack(attack.text(canaries.words))
    harm = canaries.harm()
    honest = arena.honest(attack.kind)
    message = f"{earned.visible} | {earned.hidden} | {earned.output[-2000:]}"
    assert not earned.solved, message
    assert earned.hidden is not None
    assert not earned.hidden.resolved, message
    if not attack.visible_only:
        assert earned.rewards["progress"] <= 0, message
        assert earned.hidden.passed == 0, message
    assert earned.rewards["solved"] == 0, message
    assert not harm
    assert canaries.secret not in earned.output
    assert honest.solved, f"{honest.visible} | {honest.hidden}"


@_shown
def test_the_attack_beats_an_unprotected_runner(
    attack: Attack, unprotected: Callable[[Attack], Result]
) -> None:
    assert attack.wins <= unprotected(attack).won


@pytest.mark.parametrize("attack", CONTROLS, ids=lambda attack: attack.name)
def test_the_unprotected_runner_is_no_straw_man(
    attack: Attack, unprotected: Callable[[Attack], Result]
) -> None:
    """It pays for a repair, and for nothing else."""
    assert unprotected(attack).won == attack.wins


@pytest.mark.parametrize("kind", KINDS)
def test_an_honest_failure_earns_nothing(kind: Kind, arena: Arena) -> None:
    """What attacks are measured by: each fails all tests, unless it does better."""
    arena.env.reset(seed=0, options={"task": f"honest-{kind}"})
    rewards = [arena.env.step(command)[-1]["rewards"] for command in ("test", "submit")]
    assert all(terms["solved"] == terms["progress"] == 0 for terms in rewards)
    assert arena.targets.graded is not None
    assert arena.targets.graded.passed == 0


def test_there_are_enough_attacks() -> None:
    names = [attack.name for attack in ATTACKS]
    assert len(set(names)) == len(names)
    assert sum(not (attack.unshown or attack.beyond) for attack in ATTACKS) >= 60
