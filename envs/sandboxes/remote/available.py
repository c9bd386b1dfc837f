"""Which sandboxes other than the local one this machine could use."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from dataclasses import dataclass

_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Available:
    """One kind of sandbox."""

    name: str
    """As in a configuration block."""
    ready: bool
    detail: str
    """What was found, or what is missing."""


def deployments() -> list[Available]:
    """Every kind but `local`. Starts nothing, and asks no service."""
    return [
        _engine("docker"),
        _engine("podman"),
        _service("modal", "modal", "modal"),
        _service("fargate", "boto3", "aws"),
        Available("remote", True, "needs a running swerex-remote and its token"),
    ]


def _engine(name: str) -> Available:
    shown = name if name == "docker" else f"docker with container_runtime: {name}"
    program = shutil.which(name)
    if program is None:
        return Available(shown, False, f"{name} is not installed")
    command = [program, "version", "--format", "{{.Server.Version}}"]
    if name == "podman":  # it has no server, and makes folders when it is asked more than that
        command = [program, "--version"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return Available(shown, False, f"{program} does not answer")
    said = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return Available(shown, done.returncode == 0, said[-1] if said else "no answer")


def _service(name: str, package: str, extra: str) -> Available:
    if importlib.util.find_spec(package) is None:
        return Available(name, False, f"pip install 'hrmgym[{extra}]'")
    return Available(name, True, f"{package} is installed; needs an account; not tested with one")
