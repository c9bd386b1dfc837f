"""The probe, and what the deployment makes of it."""

from __future__ import annotations

import asyncio
import os

import pytest
from swerex.exceptions import DeploymentNotStartedError

from hrmgym.envs.sandboxes.confinement import trials
from hrmgym.envs.sandboxes.local import probe
from hrmgym.envs.sandboxes.local.deployment import LocalDeployment
from hrmgym.envs.sandboxes.local.link import Guest
from hrmgym.errors import SandboxUnavailableError


def test_every_trial_is_reported_once() -> None:
    layers = probe.probe()
    assert [layer.name for layer in layers] == list(trials.TRIALS)
    assert all(layer.detail for layer in layers)
    assert set(probe.REQUIRED) <= set(trials.TRIALS)


def test_missing_layers_are_the_required_ones_that_do_not_hold() -> None:
    held = {layer.name for layer in probe.probe() if layer.holds}
    assert {layer.name for layer in probe.missing()} == set(probe.REQUIRED) - held


def test_layers_are_used_where_they_hold() -> None:
    layers = probe.probe()
    assert all(layer.holds for layer in layers if layer.used)
    if not probe.missing():
        assert all(layer.used for layer in layers if layer.holds)


@pytest.mark.parametrize("name", ["landlock", "seccomp", "cgroups", "overlayfs"])
def test_trials_exercise_what_they_report(name: str) -> None:
    held, detail = trials.attempt(trials.TRIALS[name])
    layer = next(layer for layer in probe.probe() if layer.name == name)
    assert (held, detail) == (layer.holds, layer.detail)


def refuse() -> str:
    raise PermissionError(1, "no")


def die() -> str:
    os._exit(1)


def test_trials_that_fail() -> None:
    assert trials.attempt(lambda: "fine") == (True, "fine")
    assert trials.attempt(refuse) == (False, "[Errno 1] no")
    assert trials.attempt(die) == (False, "the trial died")


def test_deployment() -> None:
    async def life() -> None:
        deployment = LocalDeployment(allow_unisolated=True)
        with pytest.raises(DeploymentNotStartedError):
            _ = deployment.runtime
        assert not await deployment.is_alive()
        await deployment.start()
        assert await deployment.is_alive(timeout=20)
        await deployment.stop()
        assert not await deployment.is_alive()

    asyncio.run(life())


def test_guest_that_cannot_close_itself_in_says_why() -> None:
    async def start() -> None:
        await Guest.start("calls", isolate=True, file_mb=-1)

    with pytest.raises(SandboxUnavailableError, match="mount: Invalid argument"):
        asyncio.run(start())
