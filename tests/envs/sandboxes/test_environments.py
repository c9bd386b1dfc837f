"""What tasks bring along: packages with a lock, and images."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from hrmgym.envs.benchmark import Benchmark
from hrmgym.envs.outcome import FailureCode, Outcome
from hrmgym.envs.sandboxes import environments
from hrmgym.envs.sandboxes import pool as pool_module
from hrmgym.envs.sandboxes.config import (
    DockerSandboxConfig,
    LocalSandboxConfig,
    RemoteSandboxConfig,
)
from hrmgym.envs.sandboxes.environments import fitting, installed, lacking
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.pool import Pool
from hrmgym.envs.sandboxes.verdicts.trial import task_apart
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import CommandTests, Environment, Limits, PytestTests
from hrmgym.errors import DataError, SandboxError
from hrmgym.tests.tiny import Tiny

IMAGE = Environment(image="python:3.11")
REMOTE = RemoteSandboxConfig(auth_token="x")


def wheel(folder: Path, name: str, text: str) -> str:
    """Builds a wheel with one module and one program; the lock of it."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": text,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name}-say = {name}:main\n",
    }
    record = ""
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest())
        record += f"{path},sha256={digest.decode().rstrip('=')},{len(content)}\n"
    made = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        for path, content in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(path, content)
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    return f"--no-index\n--find-links {folder}\n{name}==1.0 --hash=sha256:{digest}\n"


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("wheels")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HRMGYM_CACHE", str(folder / "cache"))
        text = "WORD = 'brought'\n\n\ndef main():\n    print(WORD)\n"
        yield wheel(folder, "bringalong", text)


def outcome_of(place: Sandbox | Pool, lock: str, command: str) -> Outcome:
    tests = CommandTests(command=("sh", "-c", command))
    return place.within(Environment(lock=lock)).run_tests({"a": ""}, tests, Limits())


IMPORT = "python3 -c \"import bringalong as b; assert b.WORD == 'brought'\""


def test_packages_with_a_lock_are_found_by_programs(lock: str) -> None:
    with Sandbox() as sandbox:
        assert outcome_of(sandbox, lock, IMPORT).resolved
        assert outcome_of(sandbox, lock, 'test "$(bringalong-say)" = brought').resolved
        assert not outcome_of(
            sandbox, lock, "echo x > $(dirname $(which bringalong-say))/y"
        ).resolved
        bare = sandbox.run_tests({}, CommandTests(command=("sh", "-c", IMPORT)), Limits())
        assert "No module named 'bringalong'" in bare.message
        assert sandbox.within(Environment()) is sandbox
        inner = sandbox.within(Environment(lock=lock))
        assert inner is sandbox.within(Environment(lock=lock))
        assert inner.within(Environment(lock=lock)) is inner


class Bringing(Tiny):
    """Tiny tasks whose tests need a package."""

    def tasks(self, split: str):  # type: ignore[no-untyped-def]
        """The tasks, with the environment that the test has set."""
        return [replace(task, **self.change) for task in super().tasks(split)]

    change: ClassVar[dict[str, object]] = {}


def test_a_task_is_graded_with_its_packages_and_so_are_tests_apart(lock: str) -> None:
    """In episodes too, and in their shell."""
    text = "from bringalong import WORD\n\n\ndef test_word():\n    assert WORD == 'brought'\n"
    tests = PytestTests(files={"test_w.py": text}, ids=("test_w.py::test_word",))
    command = CommandTests(command=("sh", "-c", IMPORT))
    Bringing.change = {
        "environment": Environment(lock=lock),
        "visible_tests": tests,
        "hidden_tests": command,
    }
    env = SoftwareEnv(f"{__name__}:Bringing", interface="shell", auto_submit=False)
    try:
        env.reset()
        said, *_, info = env.step("bringalong-say\ntest")
        assert "brought" in said
        assert info["tests"] == "1/1 tests pass", info
        *_, info = env.step("submit")
        assert info["is_success"]
    finally:
        env.close()


@pytest.mark.parametrize("together", [True, False])
def test_pytest_finds_the_packages_on_both_sides(lock: str, together: bool) -> None:
    tests = PytestTests(
        files={"test_a.py": "import a, bringalong as b\ndef test_a():\n    assert a.W == b.WORD\n"},
        ids=("test_a.py::test_a",),
        together=together,
    )
    files = {"a.py": "from bringalong import WORD as W\n"}
    with Sandbox() as sandbox:
        place = sandbox.within(Environment(lock=lock))
        assert place.run_tests(files, tests, Limits()).resolved
        assert not sandbox.run_tests(files, tests, Limits()).resolved


def test_what_cannot_be_had_is_no_verdict(lock: str) -> None:
    wrong = lock.replace("bringalong", "nowhere")
    Bringing.change = {"environment": Environment(lock=wrong)}
    benchmark: Benchmark = Bringing()
    task = benchmark.tasks("train")[0]
    with Pool(size=1) as pool:
        outcome = benchmark.grade(task, task.workspace.start, pool)
        assert outcome.failure is FailureCode.TOOLCHAIN_MISSING
        assert "cannot be installed" in outcome.message
        assert not outcome.resolved
        with pytest.raises(SandboxError, match="cannot be installed"):
            pool.within(Environment(lock=lock.replace("sha256:", "sha256:0")))


def test_a_lock_is_installed_once(lock: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = installed(lock)
    monkeypatch.setattr(environments.subprocess, "run", None)  # it would fail
    assert installed(lock) == folder
    modules = [path for path in folder.rglob("*.py") if "-info" not in str(path)]
    assert modules
    for path in modules:  # compiled now, since nothing in a sandbox may write there
        assert list(path.parent.glob(f"__pycache__/{path.stem}.*.pyc")), path
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_of_many_environments_only_some_are_kept_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And each of them can be used again."""
    monkeypatch.setattr(environments, "installed", lambda lock: tmp_path)
    monkeypatch.setattr(pool_module, "MOST_ENVIRONMENTS", 2)
    tests = CommandTests(command=("true",))
    places = [Environment(lock=f"--hash={number}") for number in range(4)]
    with Pool(size=1) as pool, Sandbox() as sandbox:
        for environment in [*places, places[0]]:
            assert pool.within(environment).run_tests({}, tests, Limits()).resolved
            assert sandbox.within(environment).run_command("echo a")[0] == "a\n"
        assert [found.started for found in sandbox._within.values()] == [False, False, False, True]
        found = [one._sandboxes[0].started for one in pool._within.values()]
        assert found == [False, False, True, True]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lock": "six==1.17.0\n"}, "--hash="),
        ({"lock": "a --hash=x", "image": "b"}, "not both"),
    ],
)
def test_an_environment_is_one_thing(given: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Environment(**given)


def test_an_image_needs_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    docker = DockerSandboxConfig(image="other", docker_args=("--cpus", "1"))
    assert fitting(docker, IMAGE) == docker.model_copy(update={"image": "python:3.11"})
    assert fitting(docker, Environment()) is docker
    assert "sandbox.type docker" in lacking(REMOTE, IMAGE)
    assert "a 'docker' sandbox does not install" in lacking(docker, Environment(lock="--hash="))
    for engines, kind in (({"docker", "podman"}, "docker"), ({"podman"}, "podman")):
        monkeypatch.setattr(environments, "_engines", lambda engines=engines: engines)
        found = fitting(LocalSandboxConfig(), IMAGE)
        assert isinstance(found, DockerSandboxConfig)
        assert (found.image, found.container_runtime) == ("python:3.11", kind)
    monkeypatch.setattr(environments, "_engines", set)
    with pytest.raises(SandboxError, match="no Docker or Podman") as caught:
        fitting(LocalSandboxConfig(), IMAGE)
    assert caught.value.code == "toolchain_missing"


def test_the_mode_of_tests_in_an_image_is_that_of_a_container() -> None:
    tests = PytestTests(files={"test_a.py": "def test_a(): pass\n"}, ids=("test_a.py",))
    Bringing.change = {"environment": IMAGE, "visible_tests": tests, "hidden_tests": tests}
    with Pool(size=1) as pool:
        mode, why = task_apart(Bringing().tasks("train")[0], pool)
    assert mode == "together"
    assert why == "in this sandbox, pytest runs in one process with the code"
