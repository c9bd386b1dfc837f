"""Sandbox configurations: light to import, strict to read, and SWE-ReX's own behind them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest
from pydantic import TypeAdapter, ValidationError

from hrmgym.envs.sandboxes import config
from hrmgym.envs.sandboxes.config import SandboxConfig
from hrmgym.envs.sandboxes.local.deployment import LocalDeployment
from hrmgym.errors import SandboxUnavailableError

adapter: TypeAdapter[SandboxConfig] = TypeAdapter(SandboxConfig)
KINDS = ("Local", "Docker", "Modal", "Fargate", "Remote")


@pytest.mark.parametrize("kind", KINDS)
def test_type_chooses_the_class(kind: str) -> None:
    data = {"type": kind.lower()} | ({"auth_token": "t"} if kind == "Remote" else {})
    read = adapter.validate_python(data)
    assert type(read) is getattr(config, f"{kind}SandboxConfig")
    assert adapter.validate_json(read.model_dump_json()) == read


@pytest.mark.parametrize(
    "data",
    [
        {"type": "dockr"},
        {},
        {"type": "local", "image": "python:3.12"},
        {"type": "docker", "pull": "sometimes"},
        {"type": "docker", "startup_timeout": 0},
        {"type": "remote"},
        {"type": "local", "stages": [0]},
        {"type": "local", "stages": [-0.1, 1]},
        {"type": "local", "stages": [float("nan")]},
        {"type": "local", "stages": [float("inf")]},
        {"type": "local", "stages": [1, 1]},
        {"type": "docker", "stages": [1, 0.5]},
        {"type": "local", "stages": 0.1},
    ],
)
def test_illegal_configurations_are_refused(data: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        adapter.validate_python(data)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_described_and_frozen(kind: str) -> None:
    model = getattr(config, f"{kind}SandboxConfig")
    for name, field in model.model_fields.items():
        assert field.description, name
    made = model(**({"auth_token": "t"} if kind == "Remote" else {}))
    with pytest.raises(ValidationError):
        made.type = "other"


@pytest.mark.parametrize("kind", KINDS)
def test_stages_belong_to_every_type_and_reach_no_deployment(kind: str) -> None:
    token = {"auth_token": "t"} if kind == "Remote" else {}
    made = adapter.validate_python({"type": kind.lower(), "stages": [0.1, 2], **token})
    assert made.stages == (0.1, 2.0)
    assert not {"stages", "type"} & set(made._fields())
    with pytest.raises(ValidationError, match=r"2 comes after 3; write \[2.0, 3.0\]"):
        adapter.validate_python({"type": kind.lower(), "stages": [3, 2], **token})


def test_token_stays_out_of_texts() -> None:
    assert "hush" not in repr(config.RemoteSandboxConfig(auth_token="hush"))


def test_importing_configurations_loads_no_back_end() -> None:
    code = (
        "import sys, hrmgym.envs.sandboxes.config; "
        "print([m for m in ('swerex', 'aiohttp', 'torch', 'asyncio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_local_deployment() -> None:
    assert type(config.LocalSandboxConfig().deployment()) is LocalDeployment


def test_docker_deployment_gets_the_fields() -> None:
    from hrmgym.envs.sandboxes.remote.docker import DockerDeployment

    made = config.DockerSandboxConfig(
        image="debian:12", docker_args=("--memory", "1g"), container_runtime="podman"
    ).deployment()
    assert type(made) is DockerDeployment
    assert made._config.image == "debian:12"
    assert made._config.docker_args == ["--memory", "1g"]
    assert made._config.container_runtime == "podman"


def test_remote_deployment_gets_the_fields() -> None:
    from hrmgym.envs.sandboxes.remote.rex import RemoteDeployment

    made = config.RemoteSandboxConfig(auth_token="t", port=8123).deployment()
    assert type(made) is RemoteDeployment
    assert (made._config.auth_token, made._config.port, made._config.timeout) == ("t", 8123, 10.0)


@pytest.mark.parametrize("kind", ["Docker", "Modal", "Fargate", "Remote"])
def test_fields_are_swerexs_own(kind: str) -> None:
    from swerex.deployment import config as theirs

    ours = getattr(config, f"{kind}SandboxConfig").model_fields
    assert set(ours) - {"stages"} == set(getattr(theirs, f"{kind}DeploymentConfig").model_fields)


@pytest.mark.parametrize(
    ("kind", "package", "extra"), [("modal", "modal", "modal"), ("fargate", "boto3", "aws")]
)
def test_a_missing_package_is_named(kind: str, package: str, extra: str) -> None:
    if importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    with pytest.raises(SandboxUnavailableError, match=rf"pip install 'hrmgym\[{extra}\]'"):
        config.sandbox_config(kind).deployment()
