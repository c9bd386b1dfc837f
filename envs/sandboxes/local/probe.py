"""What this machine can isolate with."""

from __future__ import annotations

import functools
import json
import subprocess
from dataclasses import dataclass

from hrmgym.envs.sandboxes.confinement import settings
from hrmgym.envs.sandboxes.local import nursery
from hrmgym.envs.task import Limits
from hrmgym.errors import SandboxError, SandboxUnavailableError

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


_TRIALS = "from hrmgym.envs.sandboxes.confinement.trials import main\nmain()"


@functools.cache
def probe() -> tuple[Layer, ...]:
    """Try every layer in a child process; asked once per process.

    Raises:
        SandboxError: The child did not answer.
    """
    with nursery.start_bare(_TRIALS) as process:
        try:
            answer, said = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise SandboxError("the probe of this machine does not end") from None
    try:
        entries = json.loads(answer)
    except ValueError:
        raise SandboxError(f"the probe did not run: {said.decode(errors='replace')}") from None
    held = {name for name, holds, _ in entries if holds}
    used = held if held.issuperset(REQUIRED) else held.intersection(_WITHOUT)
    return tuple(Layer(name, holds, detail, name in used) for name, holds, detail in entries)


def missing() -> list[Layer]:
    """The required layers that do not hold."""
    return [layer for layer in probe() if layer.required and not layer.holds]


@functools.lru_cache
def check_limits(limits: Limits) -> None:
    """Look whether this process may give a run what `limits` promise it.

    Raises:
        SandboxUnavailableError: A hard resource limit of this process is lower.
    """
    if short := settings.shortcomings(limits.fields()):
        raise SandboxUnavailableError("; ".join(short))
