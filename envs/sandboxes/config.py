"""Which sandbox to use: one block of a configuration, a union on `type`.

The fields of the SWE-ReX deployments keep SWE-ReX's names. Importing this module loads neither
swerex nor any of its back ends.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hrmgym.config import expand_home, read_block
from hrmgym.errors import SandboxUnavailableError, UnknownNameError

if TYPE_CHECKING:
    from swerex.deployment.abstract import AbstractDeployment

    from hrmgym.envs.sandboxes.executor import Executor
    from hrmgym.envs.sandboxes.local.deployment import LocalDeployment
    from hrmgym.envs.task import Environment

_IMAGE = (
    "Container image with sh, bash and Python 3.11 or newer; without swe-rex in it, it is installed"
    " from the internet at every start"
)

_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _increasing(stages: tuple[float, ...]) -> tuple[float, ...]:
    for before, after in pairwise(stages):
        if after <= before:
            raise ValueError(
                f"stages must increase, and {after:g} comes after {before:g}; write "
                f"{sorted(set(stages))}"
            )
    return stages


class ExecutorConfig(BaseModel):
    """What every block has, and what a sandbox asks of it: nobody else asks which one it is.

    A subclass has a `type`, the name of its kind, and a `deployment` or an `executor` of its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: ClassVar[Literal["own", "engine", "none"]] = "none"
    """How a task's image is run: as the block's own `image`, by this machine's Docker or Podman, or
    not at all."""
    locks: ClassVar[bool] = False
    """Whether a task's lock is installed, and the block has `packages` for its folder."""

    type: str
    stages: Annotated[tuple[_Seconds, ...], Field(strict=False), AfterValidator(_increasing)] = (
        Field(
            default=(),
            description="CPU seconds that a proposal's visible tests get first, then next, and so"
            " on; what timed out is repeated, last under the task's own limit. Stages that are not"
            " below that are left out. For score.mode: proposals, and the steps of trainer: ppo",
        )
    )

    @property
    def default_size(self) -> int:
        """How many sandboxes a pool has, where nobody says."""
        return 1

    def keeps_apart(self, environment: Environment) -> bool:
        """Whether tests in that environment can run in another process than the tested code."""
        return False

    def deployment(self) -> AbstractDeployment:
        """A deployment of SWE-ReX's, not started."""
        raise NotImplementedError

    def executor(self) -> Executor:
        """What runs code there, not started."""
        from hrmgym.envs.sandboxes.remote.executor import RemoteExecutor

        return RemoteExecutor(self.deployment)

    def _fields(self) -> dict[str, Any]:
        """The fields as SWE-ReX takes them: lists for tuples, and none that are not its own."""
        return self.model_dump(mode="json", exclude={"type", "stages"})


class LocalSandboxConfig(ExecutorConfig):
    """Processes of this machine in namespaces of their own. The default; needs no daemon."""

    images, locks = "engine", True

    type: Literal["local"] = Field(
        default="local", description="Isolated processes of this machine"
    )
    allow_unisolated: bool = Field(
        default=False,
        description="Where the kernel refuses namespaces, run foreign code as an ordinary process"
        " with limits only, instead of refusing to start",
    )
    packages: Annotated[str, AfterValidator(expand_home)] | None = Field(
        default=None,
        description="Folder of installed packages, as `pip install --target` makes it, that"
        " programs find read-only; a task's own lock takes its place",
    )

    @property
    def default_size(self) -> int:
        """One for each processor."""
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1

    def keeps_apart(self, environment: Environment) -> bool:
        """Wherever the task needs no image, which is run as a container."""
        return not environment.image

    def deployment(self) -> LocalDeployment:
        """A deployment, not started."""
        from hrmgym.envs.sandboxes.local.deployment import LocalDeployment

        return LocalDeployment(allow_unisolated=self.allow_unisolated, packages=self.packages or "")

    def executor(self) -> Executor:
        """Guests of this machine."""
        from hrmgym.envs.sandboxes.local.executor import LocalExecutor

        return LocalExecutor(self.deployment)


class DockerSandboxConfig(ExecutorConfig):
    """A container of Docker or Podman. Its port is open to this machine alone; the network is open
    to what runs in it."""

    images = "own"

    type: Literal["docker"] = Field(default="docker", description="A container of Docker or Podman")
    image: str = Field(default="python:3.11", description=_IMAGE)
    port: int | None = Field(
        default=None, description="Port on this machine; a free one where null"
    )
    docker_args: tuple[str, ...] = Field(
        default=(),
        description='Further arguments of `docker run`, such as ["--memory", "2g", "--cpus", "1"]',
    )
    startup_timeout: float = Field(
        default=180.0,
        gt=0,
        description="Seconds to wait for image and container, which is then removed",
    )
    pull: Literal["never", "always", "missing"] = Field(
        default="missing", description="When to pull the image"
    )
    remove_images: bool = Field(default=False, description="Remove the image when the sandbox ends")
    python_standalone_dir: Annotated[str, AfterValidator(expand_home)] | None = Field(
        default=None, description="Folder of a Python that is built into images without one"
    )
    platform: str | None = Field(
        default=None, description="Platform of the image, for example linux/amd64"
    )
    remove_container: bool = Field(
        default=True, description="Remove the container when it has stopped"
    )
    container_runtime: Literal["docker", "podman"] = Field(
        default="docker", description="Program that runs containers"
    )

    def deployment(self) -> AbstractDeployment:
        """A deployment, not started."""
        logger = _quiet_logger()
        from hrmgym.envs.sandboxes.remote.docker import DockerDeployment

        return DockerDeployment(logger=logger, **self._fields())


class ModalSandboxConfig(ExecutorConfig):
    """A sandbox of Modal. Needs the extra `modal` and an account; not tested against the service.

    The server in it is reached through an unencrypted tunnel of Modal's.
    """

    images = "own"

    type: Literal["modal"] = Field(default="modal", description="A sandbox of Modal")
    image: str = Field(default="python:3.11", description=_IMAGE)
    startup_timeout: float = Field(
        default=180.0, gt=0, description="Seconds to wait for the sandbox"
    )
    runtime_timeout: float = Field(
        default=60.0, gt=0, description="Seconds to wait for a sign of life"
    )
    deployment_timeout: float = Field(
        default=3600.0, gt=0, description="Seconds after which Modal ends the sandbox in any case"
    )
    modal_sandbox_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="Further arguments of modal.Sandbox.create"
    )
    install_pipx: bool = Field(default=True, description="Install pipx, for images without swe-rex")

    def deployment(self) -> AbstractDeployment:
        """A deployment, not started."""
        logger = _quiet_logger()
        with _needs("modal", "modal"):
            from hrmgym.envs.sandboxes.remote.modal import ModalDeployment

        return ModalDeployment(logger=logger, **self._fields())


class FargateSandboxConfig(ExecutorConfig):
    """A task of AWS Fargate. Needs the extra `aws` and an account; not tested against the service.

    The server in it has a public address, and is reached over plain HTTP.
    """

    images = "own"

    type: Literal["fargate"] = Field(default="fargate", description="A task of AWS Fargate")
    image: str = Field(default="python:3.11", description=_IMAGE)
    port: int = Field(default=8880, description="Port of the server in the task")
    cluster_name: str = Field(
        default="swe-rex-cluster", description="ECS cluster; made where missing"
    )
    execution_role_prefix: str = Field(
        default="swe-rex-execution-role", description="IAM role; made where missing"
    )
    task_definition_prefix: str = Field(
        default="swe-rex-task", description="Task definition; made where missing"
    )
    log_group: str | None = Field(
        default="/ecs/swe-rex-deployment", description="CloudWatch log group; null for no logs"
    )
    security_group_prefix: str = Field(
        default="swe-rex-deployment-sg", description="Security group"
    )
    fargate_args: dict[str, str] = Field(default_factory=dict, description="Further ECS arguments")
    container_timeout: float = Field(
        default=900.0, gt=0, description="Seconds until the task ends itself"
    )
    runtime_timeout: float = Field(
        default=60.0, gt=0, description="Seconds to wait until the server in a started task answers"
    )

    def deployment(self) -> AbstractDeployment:
        """A deployment, not started."""
        logger = _quiet_logger()
        with _needs("boto3", "aws"):
            from hrmgym.envs.sandboxes.remote.fargate import FargateDeployment

        return FargateDeployment(logger=logger, **self._fields())


class RemoteSandboxConfig(ExecutorConfig):
    """A `swerex-remote` server that somebody else has started, and goes on running.

    Whoever holds the token can run any program there as the server's user; over http:// it can be
    read on the way. Start the server with --host 127.0.0.1 and reach it through an SSH tunnel.
    Where the server runs as root, foreign code is another user; else it is the server's own.
    """

    type: Literal["remote"] = Field(default="remote", description="A running swerex-remote server")
    auth_token: str = Field(repr=False, description="The server's token")
    host: str = Field(default="http://127.0.0.1", description="Address, with http:// or https://")
    port: int | None = Field(default=None, description="Port of the server")
    timeout: float = Field(default=10.0, gt=0, description="Seconds to wait for a sign of life")

    def deployment(self) -> AbstractDeployment:
        """A deployment, not started."""
        logger = _quiet_logger()
        from hrmgym.envs.sandboxes.remote.rex import RemoteDeployment

        return RemoteDeployment(logger=logger, **self._fields())


SandboxConfig = Annotated[
    LocalSandboxConfig
    | DockerSandboxConfig
    | ModalSandboxConfig
    | FargateSandboxConfig
    | RemoteSandboxConfig,
    Field(discriminator="type"),
]
"""Any of the above, told apart by `type`."""


_BLOCKS: dict[str, type[ExecutorConfig]] = {
    one.model_fields["type"].default: one for one in get_args(get_args(SandboxConfig)[0])
}


def sandbox_config(given: str | Mapping[str, Any] | ExecutorConfig) -> ExecutorConfig:
    """A config from a type's name, a mapping, or a config.

    Raises:
        UnknownNameError: no sandbox of that type, or a value is none of its key's words.
        ConfigError: the mapping is not legal.
    """
    if isinstance(given, ExecutorConfig):
        return given
    block = {"type": given} if isinstance(given, str) else dict(given)
    kind = _BLOCKS.get(str(block.get("type")))
    if kind is None:
        raise UnknownNameError("sandbox type", str(block.get("type")), _BLOCKS)
    return read_block(kind, block, "sandbox")


@contextmanager
def _needs(package: str, extra: str) -> Iterator[None]:
    """Turn the lack of an optional package into an error that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("modal", "boto3", "botocore"):
            raise
        raise SandboxUnavailableError(
            f"this sandbox needs the package {package}: pip install 'hrmgym[{extra}]'"
        ) from None


def _quiet_logger() -> logging.Logger:
    """Our logger; and SWE-ReX's own, about to be imported, not to print every step."""
    os.environ.setdefault("SWE_REX_LOG_STREAM_LEVEL", "WARNING")
    return logging.getLogger("hrmgym.sandboxes")
