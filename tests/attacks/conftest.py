"""The arena, the machine and the canaries that all attacks share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from hrmgym.tests.attacks.arena import Arena, Result, run_unprotected
from hrmgym.tests.attacks.attack import Attack
from hrmgym.tests.attacks.canaries import Canaries, marked
from hrmgym.tests.attacks.catalogue import ATTACKS, CONTROLS


@pytest.fixture(scope="session")
def canaries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canaries]:
    """Canaries on the host."""
    made = Canaries(tmp_path_factory.mktemp("host") / "canary")
    yield made
    made.close()
    assert not marked(made.mark)


@pytest.fixture(scope="session")
def arena() -> Iterator[Arena]:
    """One environment for all attacks: each must leave it usable."""
    made = Arena(ATTACKS)
    yield made
    made.close()


@pytest.fixture(scope="session")
def unprotected(request: pytest.FixtureRequest) -> Callable[[Attack], Result]:
    """What an attack does to an unprotected runner. All that are wanted run in one go."""
    wanted = {
        item.callspec.params["attack"].name: item.callspec.params["attack"]
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and hasattr(item, "callspec")
        and "unprotected" in item.fixturenames
        and "attack" in item.callspec.params
    }
    wanted |= {control.name: control for control in CONTROLS}
    try:
        results = run_unprotected(list(wanted.values()))
    except RuntimeError as error:
        pytest.skip(f"no machine for unprotected runs can be made here: {error}")
    return lambda attack: results[attack.name]
