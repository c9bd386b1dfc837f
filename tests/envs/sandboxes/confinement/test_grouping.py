"""Where groups can be made: trees of files as the kernel shows them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hrmgym.envs.sandboxes.confinement.grouping import Place, find


@pytest.fixture
def machine(tmp_path: Path) -> Callable[..., Place | None]:
    """Looks for a place, given the lines of /proc/self/cgroup and mounts (root, point, kind)."""

    def look(own: str, *mounts: tuple[str, str, str]) -> Place | None:
        lines = [
            f"30 20 0:26 {root} {tmp_path}{point} rw,nosuid - {kind}"
            for root, point, kind in mounts
        ]
        (tmp_path / "mountinfo").write_text("\n".join(lines))
        (tmp_path / "cgroup").write_text(own)
        return find(tmp_path / "cgroup", tmp_path / "mountinfo")

    return look


def two(folder: Path, handed: str) -> None:
    folder.mkdir(parents=True)
    (folder / "cgroup.subtree_control").write_text(handed)
    (folder / "cgroup.procs").touch()


def test_version_2(machine: Callable[..., Place | None], tmp_path: Path) -> None:
    two(tmp_path / "fs", "cpu memory pids")
    two(tmp_path / "fs/user", "memory pids\n")
    two(tmp_path / "fs/user/session", "")
    mount = ("/", "/fs", "cgroup2 cgroup2 rw")
    place = machine("0::/user/session\n", mount)
    assert place == Place(2, dict.fromkeys(("memory", "pids"), tmp_path / "fs/user"))
    (tmp_path / "fs/user/cgroup.subtree_control").write_text("cpu\n")
    place = machine("0::/user/session\n", mount)
    assert place is not None
    assert place.folders["memory"] == tmp_path / "fs"
    (tmp_path / "fs/cgroup.subtree_control").write_text("cpu\n")
    assert machine("0::/user/session\n", mount) is None


def test_version_2_of_a_container(machine: Callable[..., Place | None], tmp_path: Path) -> None:
    two(tmp_path / "fs", "memory")
    two(tmp_path / "fs/own", "")
    place = machine("0::/docker/x/own\n", ("/docker/x", "/fs", "cgroup2 cgroup2 rw"))
    assert place == Place(2, {"memory": tmp_path / "fs"})


def test_version_1(machine: Callable[..., Place | None], tmp_path: Path) -> None:
    for name in ("memory/job 1", "pids", "cpu"):
        (tmp_path / name).mkdir(parents=True)
    place = machine(
        "8:pids:/\n4:memory:/job 1\n1:cpu:/\n0::/\n",
        ("/", "/memory", "cgroup cgroup rw,memory"),
        ("/", "/pids", "cgroup cgroup rw,pids"),
        ("/", "/cpu", "cgroup cgroup rw,cpu"),
        ("/", "/unified", "cgroup2 cgroup2 rw"),
    )
    expected = {"memory": tmp_path / "memory/job 1", "pids": tmp_path / "pids"}
    assert place == Place(1, expected)


def test_none(machine: Callable[..., Place | None], tmp_path: Path) -> None:
    assert machine("0::/\n") is None
    assert find(tmp_path / "nothing", tmp_path / "nothing") is None
