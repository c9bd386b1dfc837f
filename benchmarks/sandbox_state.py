"""Saving and restoring a workspace of 1,000 files, against what others do.

    python benchmarks/sandbox_state.py --json

Each way goes back and forth between two states of the same tree that differ in five places, in
turn with all the others, so that a busy machine is busy for all of them. Trees of other ways lie in
memory, where there is /dev/shm. `docker commit` is measured only where an engine answers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import pickle
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hrmgym.envs.sandboxes.local.runtime import LocalRuntime
from hrmgym.envs.workspace import Base

FILES = 1000
#: Goes from one state of the tree to the other.
CHANGE = "echo 1 > a; echo 2 >> d0/f1.py; echo 3 > d1/f60.py; rm d0/f2.py; chmod +x d2/f100.py"


def tree(count: int) -> dict[str, str]:
    """Files of some 1.4 kB each, in folders of fifty."""
    return {f"d{i // 50}/f{i}.py": f"x = {i}\n" * 200 for i in range(count)}


async def _ours(count: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of `save` and `restore` together, and of what belongs to it."""
    runtime = LocalRuntime()
    took: dict[str, list[float]] = {"save_restore": [], "fork": [], "pickle": []}
    try:
        start = Base.of(tree(count)).files
        changed = (await runtime.change(start, CHANGE, 60.0)).files
        states = [start, changed]
        for i in range(rounds):
            begin = time.perf_counter()
            await runtime.restore(states[i % 2])
            found = await runtime.save()
            took["save_restore"].append(time.perf_counter() - begin)
            assert found == states[i % 2]
            begin = time.perf_counter()
            assert pickle.loads(pickle.dumps(found)) == found
            took["pickle"].append(time.perf_counter() - begin)
        for _ in range(max(1, rounds // 20)):
            begin = time.perf_counter()
            fork = await runtime.fork()
            took["fork"].append(time.perf_counter() - begin)
            await fork.close()
    finally:
        await runtime.close()
    return {name: [1e3 * one for one in times] for name, times in took.items()}


def _run(command: str, folder: Path) -> None:
    subprocess.run(["/bin/sh", "-c", command], cwd=folder, check=True, capture_output=True)


def _git(top: Path) -> Callable[[], float]:
    """Seconds of `git stash -u` and `git stash pop`."""
    folder = top / "git"
    _write(folder)
    name = "-c user.name=a -c user.email=a@a"
    _run(f"git init -q && git add -A && git {name} commit -qm start", folder)

    def act() -> float:
        _run(CHANGE, folder)
        begin = time.perf_counter()
        _run(f"git {name} stash -qu", folder)
        _run("git stash pop -q", folder)
        took = time.perf_counter() - begin
        _run("git checkout -q . && git clean -qfd", folder)
        return took

    return act


def _copy(top: Path) -> Callable[[], float]:
    """Seconds of a copy away and, in place of the original, back."""
    folder = top / "copy"
    _write(folder)

    def act() -> float:
        _run(CHANGE, folder)
        begin = time.perf_counter()
        _run("cp -a copy saved", top)
        _run("rm -rf copy && cp -a saved copy", top)
        took = time.perf_counter() - begin
        shutil.rmtree(top / "saved")
        shutil.rmtree(folder)
        _write(folder)
        return took

    return act


def _write(folder: Path) -> None:
    for name, text in tree(FILES).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _docker_commit(rounds: int) -> list[float]:
    """Milliseconds of `docker commit` and a start from it; none without an engine and an image."""
    took: list[float] = []
    try:
        listed = subprocess.run(
            ["docker", "images", "-q"], capture_output=True, text=True, timeout=20, check=True
        ).stdout.split()
        for _ in range(rounds if listed else 0):
            started = _docker("run", "-d", "--network", "none", listed[0], "sleep", "60")
            begin = time.perf_counter()
            image = _docker("commit", started)
            again = _docker("run", "-d", "--network", "none", image, "sleep", "60")
            took.append(1e3 * (time.perf_counter() - begin))
            _docker("rm", "-f", started, again)
            _docker("rmi", "-f", image)
    except (OSError, subprocess.SubprocessError):
        return took
    return took


def _docker(*words: str) -> str:
    command = ["docker", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def measure_state(rounds: int = 200) -> dict[str, float]:
    """Medians in milliseconds, the least of them, and how many times longer others take."""
    ours = asyncio.run(_ours(FILES, rounds))
    large = asyncio.run(_ours(7 * FILES, max(2, rounds // 4)))
    times: dict[str, list[float]] = {"git_stash": [], "cp_a": []}
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory, prefix="hrmgym-") as folder:
        ways = {"git_stash": _git(Path(folder)), "cp_a": _copy(Path(folder))}
        for _ in range(max(2, rounds // 40)):
            for name, act in ways.items():
                times[name].append(1e3 * act())
    times["docker_commit"] = _docker_commit(3)
    found = {
        "save_restore_ms_1000_files": statistics.median(ours["save_restore"]),
        "save_restore_ms_1000_files_least": min(ours["save_restore"]),
        "save_restore_ms_7000_files": statistics.median(large["save_restore"]),
        "fork_ms_1000_files": statistics.median(ours["fork"]),
        "pickle_and_back_ms": statistics.median(ours["pickle"]),
    }
    for name, took in times.items():
        if took:
            found[f"{name}_ms"] = statistics.median(took)
            found[f"{name}_ratio"] = found[f"{name}_ms"] / found["save_restore_ms_1000_files"]
    return found


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=200, help="of saving and restoring")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    found = measure_state(options.rounds)
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:36} {value:10.3f}")


if __name__ == "__main__":
    main()
