"""What a task's programs find installed: the sandbox that has it.

Nothing, as for most tasks, changes no sandbox. Python packages with a lock are installed once, into
the user's cache, and shown read-only in local sandboxes: on the path of programs and of imports. An
image is run as a container, by Docker or Podman where the sandbox is a local one.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from hrmgym.envs.outcome import FailureCode
from hrmgym.envs.sandboxes.config import DockerSandboxConfig, ExecutorConfig
from hrmgym.envs.sandboxes.remote.available import deployments
from hrmgym.envs.task import Environment
from hrmgym.errors import SandboxError

_PATIENCE_S = 900.0


def fitting(config: ExecutorConfig, environment: Environment) -> ExecutorConfig:
    """The sandbox that a task runs in, where `config` is wanted.

    Raises:
        SandboxError: This machine, or that sandbox, cannot give the environment.
    """
    if why := lacking(config, environment):
        raise SandboxError(why, FailureCode.TOOLCHAIN_MISSING)
    if environment.lock:
        return config.model_copy(update={"packages": str(installed(environment.lock))})
    if not environment.image:
        return config
    if config.images == "engine":
        return DockerSandboxConfig(
            image=environment.image,
            container_runtime="docker" if "docker" in _engines() else "podman",
        )
    return config.model_copy(update={"image": environment.image})


def lacking(config: ExecutorConfig, environment: Environment) -> str:
    """Why a sandbox cannot give an environment; empty where it can, as far as is known before."""
    if environment.lock and not config.locks:
        return (
            f"this task's packages have a lock, which a {config.type!r} sandbox does not install; "
            "use type: local, or give the task an image"
        )
    if not environment.image or config.images == "own":
        return ""
    if config.images == "none":
        return f"this task needs the image {environment.image!r}: use sandbox.type docker"
    if not _engines():
        return f"this task needs the image {environment.image!r}, and here is no Docker or Podman"
    return ""


def _engines() -> set[str]:
    """Engines that answer here."""
    return {one.name.split()[-1] for one in deployments()[:2] if one.ready}


def installed(lock: str) -> Path:
    """The folder with the packages of a lock; they are installed the first time.

    Only wheels, each with its hash: nothing of theirs runs while they are installed. Their modules
    are compiled once, here: a program in the sandbox may write nothing there, and would do it anew.

    Raises:
        SandboxError: They cannot be had.
    """
    from hrmgym.envs.cache import cache_dir

    version = f"{sys.version_info[0]}.{sys.version_info[1]} {sys.platform} {os.uname().machine}"
    name = hashlib.blake2b(f"{version}\n{lock}".encode(), digest_size=16).hexdigest()
    folder = cache_dir() / "environments" / name
    if folder.is_dir():
        return folder
    part = folder.with_name(f"{name}.{secrets.token_hex(4)}.part")
    try:
        part.mkdir(parents=True)
        listed = part / "requirements.txt"
        listed.write_text(lock)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"),
                *("--require-hashes", "--only-binary", ":all:"),
                *("--disable-pip-version-check", "--no-input"),
                *("--target", str(part / "packages"), "--requirement", str(listed)),
            ],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["pip says nothing"])[-1]
            raise SandboxError(
                f"a task's packages cannot be installed: {said}", FailureCode.TOOLCHAIN_MISSING
            )
        _unbind(part / "packages" / "bin")
        try:
            (part / "packages").rename(folder)
        except OSError:  # somebody else was faster
            if not folder.is_dir():
                raise
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxError(
            f"a task's packages cannot be installed: {error}", FailureCode.TOOLCHAIN_MISSING
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _unbind(programs: Path) -> None:
    """Have Python programs run by the Python of the sandbox, not by the one that installed them."""
    for path in programs.iterdir() if programs.is_dir() else ():
        first, line_end, rest = path.read_bytes().partition(b"\n")
        if first.startswith(b"#!") and b"python" in first:
            path.write_bytes(b"#!/usr/bin/env python3" + line_end + rest)
