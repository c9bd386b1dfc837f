"""What this machine can isolate with."""

from __future__ import annotations

import functools
import json
import subprocess
from dataclasses import dataclass

from hrmgym.envs.sandboxes.local import nursery
from hrmgym.errors import SandboxError

#: Layers that the local sandbox refuses to start without. The others are used where they hold.
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


#: Layers that foreign code gets even where `allow_unisolated` lets it run without the others.
_WITHOUT = ("no new privileges", "resource limits", "landlock", "seccomp", "cgroups")


@dataclass(frozen=True, slots=True)
class Layer:
    """One means of isolation."""

    name: str
    holds: bool
    detail: str
    used: bool = False
    """Whether the local sandbox of this machine has it: without isolation, as far as allowed."""

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
    command = nursery.bare_python(
        "from hrmgym.envs.sandboxes.confinement.trials import main\nmain()"
    )
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, text=True)
    try:
        entries = json.loads(done.stdout)
    except ValueError:
        raise SandboxError(f"the probe did not run: {done.stderr.strip()}") from None
    held = {name for name, holds, _ in entries if holds}
    used = held if held.issuperset(REQUIRED) else held.intersection(_WITHOUT)
    return tuple(Layer(name, holds, detail, name in used) for name, holds, detail in entries)


def missing() -> list[Layer]:
    """The required layers that do not hold."""
    return [layer for layer in probe() if layer.required and not layer.holds]
