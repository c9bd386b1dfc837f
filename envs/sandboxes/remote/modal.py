"""Sandboxes of Modal, with what SWE-ReX's deployment (1.4) gets wrong put right.

Its `stop` ends only sandboxes that have ended by themselves: all others run, and cost, until
`deployment_timeout`. Its constructor waits 0.4 seconds for a start.
Not tested against the service, which needs an account.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import modal
from swerex.deployment.modal import ModalDeployment as SwerexModalDeployment

from hrmgym.envs.sandboxes.remote.rex import RexRuntime, adopt, await_life
from hrmgym.errors import SandboxUnavailableError


class ModalDeployment(SwerexModalDeployment):
    """One sandbox of Modal that runs `swerex-remote`.

    Args:
        image: Image, Dockerfile, or `modal.Image`.
        startup_timeout: Seconds to wait for the sandbox.
        runtime_timeout: Seconds that a sign of life may take.
        options: SWE-ReX's other arguments.

    Raises:
        SandboxUnavailableError: Modal refuses, for want of an account for instance.
    """

    _runtime: RexRuntime | None

    def __init__(
        self,
        *,
        image: Any,
        startup_timeout: float = 180.0,
        runtime_timeout: float = 60.0,
        **options: Any,
    ) -> None:
        try:
            super().__init__(
                image=image,
                startup_timeout=startup_timeout,
                runtime_timeout=runtime_timeout,
                **options,
            )
        except modal.exception.Error as error:
            raise SandboxUnavailableError(f"Modal: {error}") from None

    async def start(self) -> None:
        """Start the sandbox and wait until it answers. After an error it is gone."""
        try:
            await super().start()  # type: ignore[no-untyped-call]
            self._runtime = adopt(super().runtime, self.logger)
        except BaseException:
            await self.stop()
            raise

    async def _wait_until_alive(self, timeout: float = 10.0) -> None:
        await await_life(self.is_alive, timeout)

    async def stop(self) -> None:
        """End the sandbox with everything in it. Without effect where there is none."""
        runtime, self._runtime = self._runtime, None
        sandbox, self._sandbox = self._sandbox, None
        try:
            if isinstance(runtime, RexRuntime):
                await runtime.close()
        finally:
            if sandbox is not None:
                await sandbox.terminate.aio()

    def __del__(self) -> None:
        """End a sandbox that nobody has stopped: it costs."""
        sandbox = getattr(self, "_sandbox", None)
        if sandbox is not None:
            with suppress(Exception):
                sandbox.terminate()
