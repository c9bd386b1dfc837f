"""A `swerex-remote` server as the sandbox: the same handle, nothing else changed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hrmgym.envs.sandboxes.config import RemoteSandboxConfig
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import CallTests, CommandTests, Limits, PytestTests

Make = Callable[..., CallTests]


def answers(port: int) -> bool:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/is_alive", headers={"X-API-Key": "token"}
    )
    try:
        with urllib.request.urlopen(request, timeout=5):
            return True
    except urllib.error.URLError:
        return False


@pytest.fixture(scope="module")
def remote() -> Iterator[Sandbox]:
    """A sandbox on a server of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    programs = Path(sys.executable).parent
    server = subprocess.Popen(
        [
            *(str(programs / "swerex-remote"), "--host", "127.0.0.1"),
            *("--port", str(port), "--auth-token", "token"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
    )
    try:
        for _ in range(600):
            if answers(port):
                break
            time.sleep(0.1)
        with Sandbox(RemoteSandboxConfig(auth_token="token", port=port)) as made:
            yield made
            roots = [made._inside._work.root, made._inside._tests.root]
        assert not any(Path(root).exists() for root in roots)
    finally:
        server.terminate()
        server.wait(20)


def test_calls(remote: Sandbox, calls: Make) -> None:
    limits = Limits(cpu_s=1.0)
    files = {"f.py": "def f(x):\n    return {x: (x, [x])}\n"}
    assert remote.run_tests(files, calls(((2,), {2: (2, [2])})), limits).resolved
    files = {"f.py": "def f(x):\n    while True: pass\n"}
    assert remote.run_tests(files, calls(((2,), 4)), limits).message == "f(2) timed out"


def test_pytest_and_commands(remote: Sandbox) -> None:
    module = "import lib\ndef test_1(): assert lib.x == 1\ndef test_2(): assert lib.x == 2\n"
    tests = PytestTests(files={"test_a.py": module}, ids=("test_a.py::test_1", "test_a.py::test_2"))
    outcome = remote.run_tests({"lib.py": "x = 1\n"}, tests, Limits(cpu_s=10, wall_s=30))
    assert [str(status) for status in outcome.tests.values()] == ["passed", "failed"]
    assert remote.run_tests({"x": ""}, CommandTests(command=("test", "-f", "x")), Limits()).resolved


def test_workspace_and_session(remote: Sandbox) -> None:
    remote.put_files({"a/b": "1", "c": b"\xff"})
    assert remote.get_files() == {"a/b": b"1", "c": b"\xff"}
    output, code = remote.run_command("x=5; cat a/b; pwd")
    assert code == 0
    assert output.strip().startswith("1")
    assert "/tmp/hrmgym-" in output
    remote.put_files({"d": "2"})
    output, code = remote.run_command("ls; echo $x; (exit 3)")
    assert (output.split(), code) == (["d", "5"], 3)
    assert remote.run_command("sleep 60", timeout_s=1.0)[1] == 124
    output, code = remote.run_command("echo back")
    assert (output.strip(), code) == ("back", 0)
    assert remote.run_command("if true; then")[1] == 2
