"""Tasks of Fargate, as far as they can be tested without the service."""

from __future__ import annotations

import asyncio
import gc
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hrmgym.envs.sandboxes.config import FargateSandboxConfig
from hrmgym.errors import SandboxUnavailableError
from hrmgym.tests.pinned import fault_of

pytest.importorskip("boto3", reason="needs the extra `aws`")
ours = pytest.importorskip("hrmgym.envs.sandboxes.remote.fargate")
theirs = pytest.importorskip("swerex.deployment.fargate")


@pytest.fixture(autouse=True)
def event_loop() -> Iterator[None]:
    """A loop for the destructor of SWE-ReX's deployment, which makes one and leaves it open."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    gc.collect()
    asyncio.set_event_loop(None)
    loop.close()


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a task's command as Fargate does, with the real server, which prints its version."""
    programs = Path(sys.executable).parent
    server = folder / "swerex-remote"
    script = f'#!/bin/sh\necho "$@" >> {folder}/asked\nexec {programs}/swerex-remote "$@" --help\n'
    server.write_text(script)
    server.chmod(0o755)
    for name in ("apt-get", "pipx"):  # nothing is to be installed here
        (folder / name).write_text("#!/bin/sh\nexit 1\n")
        (folder / name).chmod(0o755)
    return subprocess.run(
        ["/bin/sh", "-c", *command],
        env={"PATH": f"{folder}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_server_is_given_its_token(tmp_path: Path) -> None:
    made = FargateSandboxConfig(port=8123).deployment()
    done = run(made._get_command(token="secret"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "asked").read_text() == "--port 8123 --auth-token secret\n"

    stock = theirs.FargateDeployment(port=8123)
    with fault_of("swe-rex", "a server at Fargate is not given its token"):
        (command, *_) = shlex.split(stock._get_command(token="secret")[0])[-1].split("||")
        assert "--auth-token" not in command


def test_logs_go_to_the_region_of_the_task() -> None:
    made: Any = FargateSandboxConfig(image="debian:12").deployment()
    (container,) = made.task_definition("role", "eu-north-1")["containerDefinitions"]
    assert container["logConfiguration"]["options"]["awslogs-region"] == "eu-north-1"
    assert container["image"] == "debian:12"
    silent: Any = FargateSandboxConfig(log_group=None).deployment()
    (container,) = silent.task_definition("role", "eu-north-1")["containerDefinitions"]
    assert "logConfiguration" not in container


class Ecs:
    """What the service is asked."""

    def __init__(self) -> None:
        self.stopped: list[str] = []

    def client(self, name: str) -> Ecs:
        assert name == "ecs"
        return self

    def stop_task(self, *, task: str, cluster: str) -> None:
        self.stopped.append(f"{cluster}/{task}")


def test_a_task_is_ended_once() -> None:
    ecs = Ecs()

    class Deployment(ours.FargateDeployment):  # type: ignore[misc, name-defined]
        boto3 = ecs

    made = Deployment(image="debian:12")
    made._task_arn, made._cluster_arn = "task", "cluster"
    asyncio.run(made.stop())
    asyncio.run(made.stop())
    assert ecs.stopped == ["cluster/task"]
    made._task_arn = "lost"
    del made
    gc.collect()
    assert ecs.stopped == ["cluster/task", "cluster/lost"]


def test_without_an_account_it_is_said() -> None:
    import boto3

    if boto3.Session().region_name:
        pytest.skip("there is a region, and perhaps an account")
    with pytest.raises(SandboxUnavailableError, match="AWS: You must specify a region"):
        asyncio.run(FargateSandboxConfig().deployment().start())
