"""Containers: how they start, what they leave, and what SWE-ReX's own deployment does wrong.

Run with a real engine: `tests/docker/engine.sh run DIR .venv/bin/python -m pytest tests/docker
tests/envs/sandboxes/test_contract.py`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Literal

import pytest
from swerex.runtime.abstract import Command

from hrmgym.envs.benchmark import make_benchmark
from hrmgym.envs.sandboxes.config import DockerSandboxConfig
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.remote.docker import DockerDeployment
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import CallCase, CallTests, CommandTests, Limits
from hrmgym.errors import DataError, SandboxError
from hrmgym.tests.pinned import fault_of

IMAGE = os.environ.get("HRMGYM_TEST_IMAGE", "")
BARE = os.environ.get("HRMGYM_TEST_BARE_IMAGE", "")
pytestmark = [
    pytest.mark.needs_docker,
    pytest.mark.skipif(not IMAGE, reason="no HRMGYM_TEST_IMAGE; see tests/docker/engine.sh"),
]
ENGINES = [name for name in ("docker", "podman") if shutil.which(name)]
DOUBLE = {"f.py": "def f(x):\n    return x * 2\n"}
TESTS = CallTests(path="f.py", function="f", cases=(CallCase(id="a", args=(2,), expected=4),))


def containers(engine: str = "docker") -> set[str]:
    """Every container of the engine, stopped ones too."""
    command = [engine, "ps", "--all", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Every test removes its containers."""
    before = {engine: containers(engine) for engine in ENGINES}
    yield
    assert {engine: containers(engine) for engine in ENGINES} == before


def config(engine: str = "docker", image: str = IMAGE, **options: object) -> DockerSandboxConfig:
    name = f"localhost/{image}" if engine == "podman" else image
    block = {"image": name, "pull": "never", "container_runtime": engine, **options}
    return DockerSandboxConfig.model_validate(block)


def deployment(engine: str = "docker", image: str = IMAGE, **options: object) -> DockerDeployment:
    made = config(engine, image, **options).deployment()
    assert isinstance(made, DockerDeployment)
    return made


# --- starting and stopping ---


@pytest.mark.parametrize("engine", ENGINES)
def test_sandbox(engine: str) -> None:
    with Sandbox(config(engine)) as made:
        assert made.run_tests(DOUBLE, TESTS, Limits()).resolved
        made.put_files({"a": "1"})
        assert made.run_command("cat a; id -u") != ("1", 0)
        assert made.get_files() == {"a": b"1"}
        assert len(containers(engine)) == 1
    assert made.run_tests(DOUBLE, TESTS, Limits()).resolved  # it may be used again
    made.close()


def test_nothing_listens_to_the_network_and_no_token_is_shown() -> None:
    async def work() -> tuple[str, str, str]:
        made = deployment()
        await made.start()
        try:
            token = made.runtime._config.auth_token
            ports = await made._engine("port", made.container_name, "8000")
            lines = await made.runtime.execute(
                Command(command=["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"])
            )
            return token, ports, lines.stdout
        finally:
            await made.stop()

    token, ports, lines = asyncio.run(work())
    assert ports.startswith("127.0.0.1:")
    assert "uvicorn" in lines
    assert token not in lines


def test_several_start_at_once_in_one_event_loop() -> None:
    async def ours() -> list[bool]:
        made = [deployment(startup_timeout=60) for _ in range(4)]
        try:
            await asyncio.gather(*(one.start() for one in made))
            return [bool(await one.is_alive()) for one in made]
        finally:
            await asyncio.gather(*(one.stop() for one in made))

    assert asyncio.run(ours()) == [True] * 4


_STOCK = """
import asyncio, sys
from swerex.deployment.docker import DockerDeployment
async def main():
    made = [DockerDeployment(image=sys.argv[1], pull="never", startup_timeout=4) for _ in range(4)]
    await asyncio.gather(*(one.start() for one in made))
    print("started")
asyncio.run(main())
"""


def test_swerexs_own_deployment_does_not() -> None:
    before = containers()
    process = subprocess.Popen(
        [sys.executable, "-c", _STOCK, IMAGE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        with (
            fault_of("swe-rex", "four deployments in one process never start"),
            pytest.raises(subprocess.TimeoutExpired),  # 4 seconds, it was told
        ):
            process.communicate(timeout=12)
    finally:
        process.kill()
        out, _ = process.communicate()
        for name in containers() - before:
            subprocess.run(["docker", "rm", "-f", name], capture_output=True, check=False)
    with fault_of("swe-rex", "four deployments in one process never start"):
        assert b"started" not in out


def test_a_server_that_does_not_come_up_in_time_ends_in_an_error() -> None:
    made = deployment(startup_timeout=3, docker_args=("--cpus", "0.01"))
    with pytest.raises(SandboxError, match="did not answer within 3 s"):
        asyncio.run(made.start())


def test_a_server_that_ends_is_noticed_at_once() -> None:
    made = deployment(docker_args=("--entrypoint", "/bin/false"))
    with pytest.raises(SandboxError, match="has ended"):
        asyncio.run(made.start())


@pytest.mark.parametrize("after_s", [0.05, 0.6])
def test_a_start_that_is_cancelled_leaves_no_container(after_s: float) -> None:
    async def work() -> None:
        starting = asyncio.create_task(deployment().start())
        await asyncio.sleep(after_s)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

    asyncio.run(work())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"image": "hrmgym-nonesuch:1"}, "No such image|not found|nonesuch"),
        ({"docker_args": ("--nonesuch",)}, "unknown flag: --nonesuch"),
        ({"image": BARE, "startup_timeout": 90}, "swe-rex|pip"),
    ],
)
@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_wrong_is_said(engine: str, options: dict[str, object], said: str) -> None:
    made = deployment(engine, **options)  # type: ignore[arg-type]
    with pytest.raises(SandboxError, match=said) as caught:
        asyncio.run(made.start())
    assert "\n" not in str(caught.value)


def test_an_image_that_cannot_be_pulled_is_said() -> None:
    made = deployment(image="nonesuch.invalid/none:1", pull="missing", startup_timeout=30)
    with pytest.raises(SandboxError, match=r"image 'nonesuch.invalid/none:1' cannot be had: .+"):
        asyncio.run(made.start())


_FORGETFUL = """
import sys
from hrmgym.envs.sandboxes.config import DockerSandboxConfig
from hrmgym.envs.sandboxes.handle import Sandbox
made = Sandbox(DockerSandboxConfig(image=sys.argv[1], pull="never"))
print(made.run_command("echo up"), flush=True)
if sys.argv[2] == "deployment":
    import asyncio
    other = made.config.deployment()
    asyncio.run(other.start())
    raise SystemExit(0)
raise ValueError("an exception")
"""


@pytest.mark.parametrize("how", ["exception", "deployment"])
def test_nothing_outlives_a_process_that_forgot_to_close(how: str) -> None:
    command = [sys.executable, "-c", _FORGETFUL, IMAGE, how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout == "('up\\n', 0)\n"


def test_the_container_stays_where_that_was_asked_for() -> None:
    made = deployment(remove_container=False)

    async def work() -> str:
        await made.start()
        name = str(made.container_name)
        await made.stop()
        return name

    name = asyncio.run(work())
    told = subprocess.run(
        ["docker", "inspect", "--format", "{{.State.Running}}", name],
        capture_output=True,
        text=True,
        check=True,
    )
    subprocess.run(["docker", "rm", name], capture_output=True, check=True)
    assert told.stdout == "false\n"


# --- what happens in them ---


def test_foreign_code_is_not_root_and_cannot_reach_the_server() -> None:
    script = """
id -u | grep -qx 0 && exit 11
kill -9 1 2>/dev/null && exit 12
cat /proc/1/environ 2>/dev/null | grep -q HRMGYM && exit 13
ls /tmp/hrmgym-*/guest 2>/dev/null && exit 14
kill -9 -1 || true
"""
    with Sandbox(config()) as made:
        outcome = made.run_tests({}, CommandTests(command=("sh", "-c", script)), Limits())
        assert outcome.resolved
        assert made.run_tests(DOUBLE, TESTS, Limits()).resolved


def test_what_a_run_leaves_in_common_folders_is_removed() -> None:
    litter = CommandTests(
        command=("sh", "-c", "mkdir /tmp/l; touch /tmp/l/x /dev/shm/x /var/tmp/x")
    )
    look = CommandTests(command=("sh", "-c", "! ls -d /tmp/l /dev/shm/x /var/tmp/x"))
    with Sandbox(config()) as made:
        assert made.run_tests({}, litter, Limits()).resolved
        assert made.run_tests({}, look, Limits()).resolved


def test_fork_bomb() -> None:
    bomb = CommandTests(command=("sh", "-c", "f() { f | f & }; f; sleep 30"))
    with Sandbox(config()) as made:
        assert not made.run_tests({}, bomb, Limits(wall_s=2, processes=16)).resolved
        assert made.run_tests(DOUBLE, TESTS, Limits()).resolved


_HOGS = """
import os, sys, time
children = []
for _ in range(4):
    children.append(os.fork())
    if not children[-1]:
        held = b"x" * (60 << 20)
        time.sleep(1)
        os._exit(0)
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""


@pytest.mark.parametrize(("memory", "enough"), [("150m", False), ("1g", True)])
def test_memory_of_the_whole_container_can_be_limited(memory: str, enough: bool) -> None:
    hogs = CommandTests(command=("python3", "-c", _HOGS))
    with Sandbox(config(docker_args=("--memory", memory))) as made:
        assert made.run_tests({}, hogs, Limits(wall_s=20)).resolved == enough
        assert made.run_tests(DOUBLE, TESTS, Limits()).resolved  # the server has survived


def test_a_long_chain_of_requests_does_not_fill_the_log() -> None:
    async def work() -> int:
        made = deployment()
        await made.start()
        try:
            for _ in range(500):  # an access log line each would be 30 kB
                await made.runtime.execute(Command(command=["true"], timeout=20))
            return len(await made._engine("logs", str(made.container_name)))
        finally:
            await made.stop()

    assert asyncio.run(work()) < 10_000


@pytest.mark.parametrize("name", ["katas", pytest.param("quixbugs", marks=pytest.mark.needs_data)])
def test_tasks_in_containers_are_judged_as_everywhere(name: str) -> None:
    try:
        benchmark = make_benchmark(name)
        tasks = list(benchmark.tasks(benchmark.splits[0]))[:2]
    except DataError as error:
        pytest.skip(str(error))
    with Sandbox(config()) as inside, Sandbox() as here:
        for task in tasks:
            for change in ({}, task.reference):
                files = {**task.workspace.files, **change}
                seen = inside.run_tests(files, task.visible_tests, task.limits)
                assert seen.resolved == bool(change)
                assert seen.tests == here.run_tests(files, task.visible_tests, task.limits).tests


@pytest.mark.parametrize("interface", ["edit", "shell"])
def test_environment(interface: Literal["edit", "shell"]) -> None:
    block = config().model_dump()
    env = SoftwareEnv("katas", interface=interface, sandbox=block, max_steps=2)
    try:
        env.reset(seed=0)
        if interface == "shell":
            before = env.save()
            observation, *_ = env.step("echo x > new; ls new")
            assert "new" in str(observation)
            env.restore(before)
            observation, *_ = env.step("ls new")
            assert "No such file" in str(observation)
        else:
            assert env.step(env.action_space.sample())[1] is not None
    finally:
        env.close()


def test_many_sandboxes_from_many_threads() -> None:
    seen = []

    def work(number: int) -> None:
        with Sandbox(config()) as made:
            seen.append(made.run_command(f"sleep 0.5; echo {number}"))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [(f"{i}\n", 0) for i in range(4)]
    assert time.monotonic() - start < 60  # SWE-ReX's hangs
