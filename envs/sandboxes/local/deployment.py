"""The SWE-ReX deployment of the local sandbox."""

from __future__ import annotations

import logging
from pathlib import Path

from swerex.deployment.abstract import AbstractDeployment
from swerex.deployment.hooks.abstract import CombinedDeploymentHook, DeploymentHook
from swerex.exceptions import DeploymentNotStartedError
from swerex.runtime.abstract import IsAliveResponse

from hrmgym.envs.sandboxes.local import probe
from hrmgym.envs.sandboxes.local.runtime import LocalRuntime
from hrmgym.envs.task import Limits
from hrmgym.errors import SandboxUnavailableError


class LocalDeployment(AbstractDeployment):
    """Sandboxes made of this machine's own processes.

    Args:
        allow_unisolated: Run without isolation, and say so, where the kernel refuses it.
        packages: Folder of packages that programs find; empty: none.
    """

    def __init__(self, *, allow_unisolated: bool = False, packages: str = "") -> None:
        self._packages = packages
        self.logger = logging.getLogger("hrmgym.sandboxes")
        self._allow_unisolated = allow_unisolated
        self._runtime: LocalRuntime | None = None
        self._hooks = CombinedDeploymentHook()

    def add_hook(self, hook: DeploymentHook) -> None:
        """Have `hook` told of the steps of starting."""
        self._hooks.add_hook(hook)

    async def is_alive(self, *, timeout: float | None = None) -> IsAliveResponse:
        """Whether the runtime answers."""
        if self._runtime is None:
            return IsAliveResponse(is_alive=False, message="not started")
        return await self._runtime.is_alive(timeout=timeout)

    async def start(self) -> None:
        """Make the runtime; its processes start when they are first needed.

        Raises:
            SandboxUnavailableError: This machine cannot isolate, and nobody has allowed less; or a
                limit of this process would decide what becomes of tests.
        """
        self._hooks.on_custom_step("Starting runtime")
        probe.check_limits(Limits())
        if self._packages and not Path(self._packages).is_dir():
            raise SandboxUnavailableError(f"sandbox.packages: no folder {self._packages!r}")
        missing = probe.missing()
        if missing and not self._allow_unisolated:
            raise SandboxUnavailableError(
                "this machine cannot give an isolated sandbox: "
                + "; ".join(f"{layer.name}: {layer.detail}" for layer in missing)
                + ". Use `type: docker`, or `allow_unisolated: true` for code that you trust"
            )
        if missing:
            names = ", ".join(layer.name for layer in missing)
            self.logger.warning("foreign code runs WITHOUT isolation; missing: %s", names)
        self._runtime = LocalRuntime(isolate=not missing, packages=self._packages)

    async def stop(self) -> None:
        """End the runtime and every process of it."""
        if self._runtime is not None:
            await self._runtime.close()
            self._runtime = None

    @property
    def runtime(self) -> LocalRuntime:
        """The runtime.

        Raises:
            DeploymentNotStartedError: `start` was not called.
        """
        if self._runtime is None:
            raise DeploymentNotStartedError()  # type: ignore[no-untyped-call]
        return self._runtime

    def __del__(self) -> None:
        """Nothing: the guests die with this process, and SWE-ReX's way needs an event loop."""
