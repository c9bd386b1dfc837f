"""Containers of Docker and Podman.

SWE-ReX's own deployment (1.4) blocks its event loop while it waits, so that several that start at
once in one loop starve each other; after its timeout it reads the output of a container that still
runs, which never ends; it publishes the port to the whole network, shows the token in the process
list, and lets the container's unread output fill a pipe. This one keeps its configuration, and
starts and ends containers in its own way.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import os
import re
import secrets
import subprocess
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from swerex.deployment.docker import DockerDeployment as SwerexDockerDeployment
from swerex.runtime.abstract import IsAliveResponse

from hrmgym.envs.sandboxes.remote.rex import RexRuntime
from hrmgym.errors import SandboxError

_PORT = 8000
_LOOK_S = 0.1  # between two looks at a container that starts
_TOKEN = "HRMGYM_TOKEN"
_LABEL = "hrmgym"

# The token comes by an environment variable that the server drops: its command line can be read by
# everything in the container. The access log would fill the container's log.
_SERVE = f"""
import functools, os, sys, uvicorn
from swerex import server
token = os.environ.pop("{_TOKEN}")
uvicorn.run = functools.partial(uvicorn.run, log_level="warning")
sys.argv[1:] = ["--port", "{_PORT}", "--auth-token", token]
server.main()
"""

# Finds the Python that has swe-rex, or installs the version that this side has. The shell stays, to
# be process 1 of the container: it reaps orphans, which the server does not.
_START = """
rex=$(command -v swerex-remote)
if [ -n "$rex" ]; then
    "$(head -n 1 "$rex" | sed 's/^#! *//; s/ .*//')" -c "$1"
    exit
fi
command -v python3 >/dev/null || { echo 'the image has no python3'; exit 1; }
echo "the image has no swerex-remote; installing swe-rex $2"
python3 -m pip install --quiet --target /tmp/swe-rex "swe-rex==$2" || exit 1
PYTHONPATH=/tmp/swe-rex python3 -c "$1"
exit
"""


class DockerDeployment(SwerexDockerDeployment):
    """One container that runs `swerex-remote`; its port is open to this machine alone."""

    _runtime: RexRuntime | None
    _container_name: Any

    async def start(self) -> None:
        """Start the container and wait until it answers.

        Raises:
            SandboxError: No engine, no such image, or no answer in time. The container is gone.
        """
        if self._runtime is not None:
            raise SandboxError("the container was started before")
        engine, name = self._config.container_runtime, self._get_container_name()
        deadline = time.monotonic() + self._config.startup_timeout
        token = secrets.token_hex(32)
        image = await self._image(deadline)
        self._hooks.on_custom_step("Starting runtime")
        self._container_name = name
        # Also where nobody calls `stop`: at the end of the process, or when this object is lost.
        self._removal = weakref.finalize(self, _remove, engine, name, os.getpid())
        try:
            await self._engine(
                *(
                    "run",
                    "--detach",
                    "--pull",
                    "never",
                    "--name",
                    name,
                    "--label",
                    f"{_LABEL}={os.getpid()}",
                ),
                *("--publish", f"127.0.0.1:{self._config.port or ''}:{_PORT}"),
                *("--env", _TOKEN),
                *(["--platform", self._config.platform] if self._config.platform else []),
                *self._config.docker_args,
                *(image, "/bin/sh", "-c", _START, "sh", _SERVE, _version()),
                deadline=deadline,
                token=token,
            )
            self._config.port = await self._published(deadline)
            runtime = RexRuntime(
                host="http://127.0.0.1",
                port=self._config.port,
                auth_token=token,
                logger=self.logger,
            )
            self._runtime = runtime
            await self._wait(runtime, deadline)
        except BaseException:
            await self.stop()
            raise

    async def _image(self, deadline: float) -> str:
        """The image to run: pulled, or built, where the configuration says so."""
        config = self._config
        try:
            if config.pull == "always" or (
                config.pull == "missing" and not await self._has_image()
            ):
                self._hooks.on_custom_step("Pulling container image")
                await self._engine("pull", "--quiet", config.image, deadline=deadline)
        except SandboxError as error:
            raise SandboxError(f"image {config.image!r} cannot be had: {error}") from error
        if not config.python_standalone_dir:
            return str(config.image)
        platform = ["--platform", config.platform] if config.platform else []
        built = await self._engine(
            *("build", "--quiet", *platform, "--build-arg", f"BASE_IMAGE={config.image}", "-"),
            deadline=deadline,
            typed=self.glibc_dockerfile,
        )
        return built.strip().splitlines()[-1]

    async def _has_image(self) -> bool:
        with suppress(SandboxError):
            await self._engine("image", "inspect", self._config.image)
            return True
        return False

    async def _engine(
        self, *args: str, deadline: float = 0.0, token: str = "", typed: str = ""
    ) -> str:
        """Run a command of the engine's client, and return its output."""
        seconds = max(1.0, deadline - time.monotonic()) if deadline else 60.0
        work = asyncio.create_task(
            asyncio.to_thread(_run, [self._config.container_runtime, *args], seconds, token, typed)
        )
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:  # the command ends first: what it makes is to be removed
            await asyncio.wait([work])
            raise

    async def _published(self, deadline: float) -> int:
        name = str(self._container_name)
        try:
            text = await self._engine("port", name, str(_PORT), deadline=deadline)
            return int(text.splitlines()[0].rpartition(":")[2])
        except (SandboxError, ValueError, IndexError):
            if await self._is_running():
                raise
            raise SandboxError(await self._why("the container has ended")) from None

    async def _wait(self, runtime: RexRuntime, deadline: float) -> None:
        said = ""
        while (left := deadline - time.monotonic()) > 0:
            answer = await runtime.is_alive(timeout=min(left, 5.0))
            if answer:
                return
            said = answer.message
            if not await self._is_running():
                raise SandboxError(await self._why("the container has ended"))
            await asyncio.sleep(_LOOK_S)
        late = f"the container did not answer within {self._config.startup_timeout:g} s ({said})"
        raise SandboxError(await self._why(late))

    async def _is_running(self) -> bool:
        with suppress(SandboxError):
            told = await self._engine("inspect", str(self._container_name))
            return bool(json.loads(told)[0]["State"]["Running"])
        return False

    async def _why(self, what: str) -> str:
        """`what`, with the last lines that the container wrote."""
        log = ""
        with suppress(SandboxError):
            log = await self._engine("logs", "--tail", "5", str(self._container_name))
        lines = " | ".join(line.strip() for line in log.splitlines() if line.strip())
        return f"{self._config.image}: {what}" + (f"; it said: {lines}" if lines else "")

    async def is_alive(self, *, timeout: float | None = None) -> IsAliveResponse:
        """Whether the server in the container answers."""
        if self._runtime is None:
            return IsAliveResponse(is_alive=False, message="not started")
        return await self._runtime.is_alive(timeout=timeout)

    async def stop(self) -> None:
        """End the container with everything in it. Without effect where there is none."""
        runtime, self._runtime = self._runtime, None
        if runtime is not None:
            await runtime.close()
        name, self._container_name = self._container_name, None
        if name is None:
            return
        if self._config.remove_container:
            await asyncio.shield(asyncio.to_thread(self._removal))
        else:
            self._removal.detach()
            with suppress(SandboxError):
                await self._engine("kill", name)
        if self._config.remove_images:
            await self._engine("rmi", self._config.image)

    def __del__(self) -> None:
        """Nothing: `_removal` does it without an event loop."""


def _version() -> str:
    return importlib.metadata.version("swe-rex")


def _run(argv: Sequence[str], seconds: float, token: str, typed: str) -> str:
    """Standard output of a command, and for `logs` its standard error too."""
    try:
        done = subprocess.run(
            argv,
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if argv[1] == "logs" else subprocess.PIPE,
            timeout=seconds,
            text=True,
            errors="replace",
            check=False,
            env=os.environ | ({_TOKEN: token} if token else {}),
        )
    except FileNotFoundError:
        raise SandboxError(
            f"{argv[0]} is not installed; install it, or use `type: local`"
        ) from None
    except subprocess.TimeoutExpired:
        raise SandboxError(f"{argv[0]} {argv[1]} did not end within {seconds:.0f} s") from None
    if done.returncode != 0:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        said = lines[-1].strip() if lines else f"exit code {done.returncode}"
        for line in lines:  # what follows is advice to use --help
            if re.search("rror|annot|unknown", line):
                said = line.strip()
                break
        raise SandboxError(f"{argv[0]} {argv[1]}: {said}")
    return done.stdout


def _remove(engine: str, name: str, owner: int) -> None:
    """Remove a container, which a fork of the process that started it must not do."""
    if os.getpid() != owner:
        return
    at_once = ["--time", "0"] if engine == "podman" else []
    with suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            [engine, "rm", "--force", *at_once, "--volumes", name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
