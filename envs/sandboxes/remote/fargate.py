"""Tasks of AWS Fargate, with what SWE-ReX's deployment (1.4) gets wrong put right.

It starts `swerex-remote` without its token, so that the server refuses to start and every task
installs another one first; and it sends the logs to us-east-2, wherever the task runs.
Not tested against the service, which needs an account.
"""

from __future__ import annotations

import math
import shlex
from contextlib import suppress
from typing import Any, ClassVar

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from swerex import PACKAGE_NAME, REMOTE_EXECUTABLE_NAME
from swerex.deployment.fargate import FargateDeployment as SwerexFargateDeployment
from swerex.utils import aws

from hrmgym.envs.sandboxes.remote.rex import RexRuntime, adopt, await_life
from hrmgym.errors import SandboxUnavailableError


class FargateDeployment(SwerexFargateDeployment):
    """One task of Fargate that runs `swerex-remote`, over plain HTTP on a public address."""

    #: Where clients of AWS come from.
    boto3: ClassVar[Any] = boto3

    _runtime: RexRuntime | None
    _cluster_arn: Any
    _execution_role_arn: Any
    _vpc_id: Any
    _subnet_id: Any
    _security_group_id: Any
    _container_name: Any
    _task_arn: Any

    def _get_command(self, *, token: str) -> list[str]:
        arguments = f"--port {self._config.port} --auth-token {token}"
        install = "apt-get update -y && apt-get install -y pipx && pipx ensurepath"
        inner = (
            f"if command -v {REMOTE_EXECUTABLE_NAME} >/dev/null; "
            f"then exec {REMOTE_EXECUTABLE_NAME} {arguments}; fi; "
            f"{install} && exec pipx run {PACKAGE_NAME} {arguments}"
        )
        return [
            f"timeout {math.ceil(self._config.container_timeout)}s bash -c {shlex.quote(inner)}"
        ]

    def _init_aws(self) -> None:
        """Make sure of cluster, role, task definition and network."""
        config = self._config
        self._cluster_arn = aws.get_cluster_arn(config.cluster_name)
        self._execution_role_arn = aws.get_execution_role_arn(
            execution_role_prefix=config.execution_role_prefix
        )
        self._task_definition = self._define_task(self._execution_role_arn)
        self._vpc_id, self._subnet_id = aws.get_default_vpc_and_subnet()
        self._security_group_id = aws.get_security_group(
            vpc_id=self._vpc_id,
            port=config.port,
            security_group_prefix=config.security_group_prefix,
        )
        self._container_name = aws.get_container_name(config.image)

    def task_definition(self, role: str, region: str) -> dict[str, Any]:
        """The task that ECS is told of; its command is given to each run."""
        config = self._config
        container: dict[str, Any] = {
            "name": aws.get_container_name(config.image),
            "image": config.image,
            "portMappings": [
                {"containerPort": config.port, "hostPort": config.port, "protocol": "tcp"}
            ],
            "essential": True,
            "entryPoint": ["/bin/sh", "-c"],
            "command": ["true"],
        }
        if config.log_group:
            container["logConfiguration"] = {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": config.log_group,
                    "awslogs-region": region,
                    "awslogs-stream-prefix": "ecs",
                    "awslogs-create-group": "true",
                },
            }
        return {
            "executionRoleArn": role,
            "networkMode": "awsvpc",
            "cpu": "1 vCPU",
            "memory": "2048",
            "containerDefinitions": [container],
            "requiresCompatibilities": ["FARGATE", "EC2"],
        }

    def _define_task(self, role: str) -> Any:
        """The registered definition; the same one for the same content."""
        client = self.boto3.client("ecs")
        definition = self.task_definition(role, client.meta.region_name)
        family = aws.get_name_hash(self._config.task_definition_prefix, definition, max_length=255)
        with suppress(client.exceptions.ClientException):
            return client.describe_task_definition(taskDefinition=family)["taskDefinition"]
        tags = [{"key": "origin", "value": "hrmgym"}]
        made = client.register_task_definition(family=family, tags=tags, **definition)
        return made["taskDefinition"]

    async def _wait_until_alive(self, timeout: float) -> None:
        await await_life(self.is_alive, timeout)

    async def start(self) -> None:
        """Start the task and wait until it answers. After an error it is gone.

        Raises:
            SandboxUnavailableError: AWS refuses, for want of credentials for instance.
        """
        try:
            await super().start()  # type: ignore[no-untyped-call]
            self._runtime = adopt(super().runtime, self.logger)
        except (BotoCoreError, ClientError) as error:
            await self.stop()
            raise SandboxUnavailableError(f"AWS: {error}") from error
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the task with everything in it. Without effect where there is none."""
        runtime, self._runtime = self._runtime, None
        task, self._task_arn = self._task_arn, None
        try:
            if isinstance(runtime, RexRuntime):
                await runtime.close()
        finally:
            if task is not None:
                self.boto3.client("ecs").stop_task(task=task, cluster=self._cluster_arn)

    def __del__(self) -> None:
        """End a task that nobody has stopped: it costs."""
        task = getattr(self, "_task_arn", None)
        if task is not None:
            with suppress(Exception):
                self.boto3.client("ecs").stop_task(task=task, cluster=self._cluster_arn)
