"""Control groups: found on every kind of machine, made, kept, and removed by whoever comes next."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from swerex.runtime.abstract import Command

from hrmgym.envs.sandboxes.confinement import cgroups
from hrmgym.envs.sandboxes.confinement.grouping import Place, find
from hrmgym.envs.sandboxes.local.runtime import LocalRuntime
from hrmgym.envs.task import Limits

SMALL = {"memory_mb": 16, "file_mb": 8, "processes": 8}
PLACE = find()
needs_groups = pytest.mark.skipif(
    PLACE is None or "memory" not in PLACE.folders, reason="no control groups for this user"
)


def ours() -> set[str]:
    folders = PLACE.folders.values() if PLACE else ()
    mark = cgroups._mark(os.getpid())
    return {str(path) for folder in folders for path in folder.glob(f"{mark}-*")}


def test_limits_of_version_2(tmp_path: Path) -> None:
    group = cgroups.Group(Place(2, dict.fromkeys(("memory", "pids"), tmp_path)), "g")
    folder = tmp_path / "g"
    assert (folder / "memory.swap.max").read_text() == "0"
    assert group.entries == [folder / "cgroup.procs"]
    group.fit(SMALL)
    assert (folder / "memory.max").read_text() == str((16 + 2 * 8 + 128) << 20)
    assert (folder / "pids.max").read_text() == str(8 + 64)


# --- the real ones ---


@pytest.fixture
def group() -> Iterator[cgroups.Group]:
    made = cgroups.take()
    assert made is not None
    yield made
    made.close()


def read(group: cgroups.Group, *names: str) -> list[int]:
    found = [folder / name for name in names for folder in group.folders]
    return [int(path.read_text()) for path in found if path.exists()]


@needs_groups
def test_limits_are_raised_and_lowered(group: cgroups.Group) -> None:
    size = (16 + 2 * 8 + 128) << 20
    names = ("memory.max", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
    group.fit({**SMALL, "memory_mb": 1000})
    group.fit(SMALL)
    assert set(read(group, *names)) == {size}
    group.fit({**SMALL, "memory_mb": 26})
    assert set(read(group, *names)) == {size + (10 << 20)}
    group.fit(SMALL)
    assert set(read(group, *names)) == {size}
    assert set(read(group, "pids.max")) <= {8 + 64}


@needs_groups
def test_a_group_is_used_again_and_removed_with_the_last() -> None:
    before = ours()
    first, second = cgroups.take(), cgroups.take()
    assert first is not None
    assert second is not None
    made = ours() - before
    first.close()
    third = cgroups.take()
    assert third is first
    second.close()
    third.close()
    third.close()  # once too often
    if not before:  # no other test has left a sandbox open
        assert made
        assert not ours()


LEAVE = """
import os, time
from hrmgym.envs.sandboxes.confinement import cgroups
group = cgroups.take()
if os.fork() == 0:
    for path in group.entries: path.write_text("0")
    print(*group.folders, flush=True)
    time.sleep(100)
time.sleep(100)
"""


@needs_groups
def test_groups_of_a_dead_process_are_removed_with_what_is_in_them() -> None:
    assert PLACE is not None
    command = [sys.executable, "-c", LEAVE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        left = [Path(name) for name in process.stdout.readline().split()]
        assert all(folder.is_dir() for folder in left)
        cgroups.sweep(PLACE)
        assert all(folder.is_dir() for folder in left)  # its process is alive
        members = {pid for folder in left for pid in (folder / "cgroup.procs").read_text().split()}
        process.kill()
        process.wait()
        for _ in range(100):
            cgroups.sweep(PLACE)
            if not any(folder.exists() for folder in left):
                break
        assert not any(folder.exists() for folder in left)
        assert len(members) == 1


def test_only_what_surely_is_left_over_is_removed(tmp_path: Path) -> None:
    space = cgroups._mark(1).split("-")[1]
    dead = 1 << 30
    stale = [f"one/hrmgym-{space}-{dead}-5-0", f"two/hrmgym-{space}-{os.getpid()}-5-0"]
    kept = [f"one/hrmgym-{int(space) + 1}-{dead}-5-0", "one/hrmgym-5", "two/other"]
    kept.append(f"two/{cgroups._mark(os.getpid())}-7")
    for name in (*stale, *kept):
        (tmp_path / name).mkdir(parents=True)
    cgroups.sweep(Place(1, {"pids": tmp_path / "one"}))
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*")}
    assert left == set(kept)


def test_a_forked_process_leaves_the_groups_of_its_parent_alone() -> None:
    group = cgroups.take()
    child = os.fork()
    if child == 0:
        cgroups._process.end()
        os._exit(0 if not cgroups._process._used else 1)
    assert os.waitpid(child, 0)[1] == 0
    if group is not None:
        assert all(folder.is_dir() for folder in group.folders)
        group.close()


HOGS = """
import os, time
children = []
for _ in range(8):
    child = os.fork()
    if child == 0:
        kept = b"x" * (100 << 20)
        time.sleep(1)
        os._exit(0)
    children.append(child)
print(sum(os.waitpid(child, 0)[1] == 9 for child in children))
"""


@needs_groups
@pytest.mark.parametrize("isolate", [True, False])
def test_the_memory_of_all_processes_together_is_limited(isolate: bool) -> None:
    limits = Limits(memory_mb=256, file_mb=8, wall_s=30, cpu_s=10)

    async def life() -> tuple[int, str, str]:
        runtime = LocalRuntime(isolate=isolate)
        try:
            hogs = Command(command=["python3", "-c", HOGS])
            killed = (await runtime.run_program(hogs, limits)).stdout
            after = (await runtime.run_program(Command(command=["echo", "well"]), limits)).stdout
            names = Command(command=["cat", "/proc/self/cgroup"])
            shown = (await runtime.run_program(names, limits)).stdout
        finally:
            await runtime.close()
        return int(killed), after, shown

    before = ours()
    killed, after, shown = asyncio.run(life())
    assert 3 <= killed < 8  # 8 x 100 MiB in 400
    assert after == "well\n"
    assert (cgroups.PREFIX in shown) is not isolate
    assert ours() <= before
