"""What this machine can isolate with."""

from __future__ import annotations

import functools
import json
import subprocess
from dataclasses import dataclass

from hrmgym.envs.sandboxes import link
from hrmgym.errors import SandboxError

#: Layers that the local sandbox refuses to start without. The others are reported only.
REQUIRED = (
    "user namespace",
    "mount namespace",
    "pid namespace",
    "net namespace",
    "ipc namespace",
    "uts namespace",
    "bare root",
    "no new privileges",
    "resource limits",
)


@dataclass(frozen=True, slots=True)
class Layer:
    """One means of isolation."""

    name: str
    holds: bool
    detail: str

    @property
    def required(self) -> bool:
        """Whether the local sandbox refuses to start without it."""
        return self.name in REQUIRED


@functools.cache
def probe() -> tuple[Layer, ...]:
    """Try every layer in a child process; asked once per process.

    Raises:
        SandboxError: The child did not answer.
    """
    command = link.bare_python("from hrmgym.envs.sandboxes.trials import main\nmain()")
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, text=True)
    try:
        return tuple(Layer(*entry) for entry in json.loads(done.stdout))
    except ValueError:
        raise SandboxError(f"the probe did not run: {done.stderr.strip()}") from None


def missing() -> list[Layer]:
    """The required layers that do not hold."""
    return [layer for layer in probe() if layer.required and not layer.holds]
