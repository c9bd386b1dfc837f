"""CPU seconds that this process and everything that it starts have used."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


@contextmanager
def accounting() -> Iterator[Callable[[], float]]:
    """Gives a function that says how many CPU seconds were used so far; differences count.

    Where this process may make a control group (version 2, no controller needed), it moves into one
    of its own until the end, and the kernel counts whatever happens in it. Elsewhere the processes
    that live at the moment are added up, with what they know of their ended children: what a killed
    process has used reaches no parent, so sandboxes that end in between are counted too low.
    """
    home = _own_group()
    group = None if home is None else home / f"hrmgym-cpu-{os.getpid()}"
    try:
        if group is None:
            raise OSError("no version 2 control groups")
        group.mkdir()
        (group / "cgroup.procs").write_text("0")
    except OSError:
        if group is not None and group.is_dir():
            group.rmdir()
        yield cpu_of_family
        return
    assert home is not None
    try:
        yield lambda: _used_in(group)
    finally:
        (home / "cgroup.procs").write_text("0")
        for _ in range(500):  # what is being killed is in it for a moment more
            with suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.01)


def _own_group() -> Path | None:
    """The folder of the version 2 control group that this process is in."""
    with suppress(OSError, StopIteration, ValueError):
        groups = Path("/proc/self/cgroup").read_text().splitlines()
        own = next(line.removeprefix("0::/") for line in groups if line.startswith("0::/"))
        mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
        top = next(fields[1] for fields in mounts if fields[2] == "cgroup2")
        return Path(top) / own
    return None


def _used_in(group: Path) -> float:
    lines = (group / "cpu.stat").read_text().splitlines()
    return 1e-6 * next(int(line.split()[1]) for line in lines if line.startswith("usage_usec "))


def cpu_of_family() -> float:
    """CPU seconds of this process, and of all below it with the children that they have reaped."""
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        process = int(path.parent.name)
        parents[process] = int(fields[1])
        used[process] = sum(map(int, fields[11:15])) * _TICK_S
    total = time.process_time()
    for process in parents.keys() - {os.getpid()}:
        above = process
        while above in parents and above != os.getpid():
            above = parents[above]
        if above == os.getpid():
            total += used[process]
    return total
