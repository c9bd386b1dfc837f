"""Sandboxes of Modal, as far as they can be tested without the service."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import Any

import pytest

from hrmgym.envs.sandboxes.config import ModalSandboxConfig
from hrmgym.envs.sandboxes.remote.rex import RexRuntime
from hrmgym.errors import SandboxUnavailableError
from hrmgym.tests.pinned import fault_of

pytest.importorskip("modal", reason="needs the extra `modal`")
ours = pytest.importorskip("hrmgym.envs.sandboxes.remote.modal")
theirs = pytest.importorskip("swerex.deployment.modal")


class Call:
    """A method of Modal's: also asynchronous, as `.aio`."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.count = answer, 0

    def __call__(self) -> Any:
        self.count += 1
        return self.answer

    async def aio(self) -> Any:
        return self()


class Box:
    """What the service gives: a sandbox that runs, or has ended with an exit code."""

    def __init__(self, exit_code: int | None) -> None:
        self.poll, self.terminate = Call(exit_code), Call(None)


def started(kind: Any, box: Box) -> Any:
    """A deployment after its start, without the service that the constructor asks."""
    made = kind.__new__(kind)
    made.logger = logging.getLogger("hrmgym.sandboxes")
    made._sandbox, made._app, made._runtime = box, None, None
    return made


def test_a_running_sandbox_is_ended() -> None:
    box = Box(exit_code=None)
    asyncio.run(started(theirs.ModalDeployment, box).stop())
    with fault_of("swe-rex", "a sandbox at Modal runs, and costs, on after stop"):
        assert box.terminate.count == 0

    box = Box(exit_code=None)
    made = started(ours.ModalDeployment, box)
    asyncio.run(made.stop())
    asyncio.run(made.stop())
    assert box.terminate.count == 1


def test_a_sandbox_is_ended_with_its_client() -> None:
    box = Box(exit_code=None)
    made = started(ours.ModalDeployment, box)
    made._runtime = RexRuntime(host="https://tunnel", auth_token="t")
    asyncio.run(made.stop())
    assert box.terminate.count == 1
    with pytest.raises(Exception, match="not started"):
        _ = made.runtime


def test_a_sandbox_that_nobody_has_stopped_is_ended() -> None:
    box = Box(exit_code=None)
    started(ours.ModalDeployment, box)
    assert box.terminate.count == 1


def test_timeouts_by_default() -> None:
    stock = inspect.signature(theirs.ModalDeployment).parameters
    with fault_of("swe-rex", "Modal has 0.4 s to start a sandbox"):
        assert stock["startup_timeout"].default == 0.4
    made = inspect.signature(ours.ModalDeployment).parameters
    config = ModalSandboxConfig()
    for name in ("startup_timeout", "runtime_timeout"):
        assert made[name].default == getattr(config, name)


def test_without_an_account_it_is_said() -> None:
    import modal

    if modal.config.config.get("token_id"):
        pytest.skip("there is an account")
    with pytest.raises(SandboxUnavailableError, match=r"Modal: .*[Tt]oken"):
        ModalSandboxConfig().deployment()
