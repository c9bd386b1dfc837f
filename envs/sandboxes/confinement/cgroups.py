"""Control groups: limits on the memory and the processes of all that is in one together.

Each guest has one, and each process that is kept with tests in it, so that no run is charged with
what another one has used, or with what is kept.

Resource limits bind each process by itself; 32 processes of 512 MiB are 16 GiB. A group binds
their sum, and files in memory, pipes and sockets with it: what goes beyond is killed.

Groups are made next to, or below, the group that this process is in, so that whatever limits this
process limits them too. A group that is not used any more goes to the next guest; with the last
guest all of them are removed. Groups of processes that did not come to that are removed by the
next one. See cgroups(7): version 2 where its controllers are enabled for us, version 1 else.
"""

from __future__ import annotations

import atexit
import errno
import itertools
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hrmgym.envs.sandboxes.confinement.grouping import Place, find

PREFIX = "hrmgym-"
#: Errors that say that groups are not for this process to make.
_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.EOPNOTSUPP)
_OURS_MB = 128  # the guest itself, and what the kernel counts besides
_OURS_PROCESSES = 64  # guests and keepers
#: Until limits are given.
_FIRST_MB, _FIRST_PROCESSES = 8192, 512


class Group:
    """One group. It is made without members; `close` it when they are dead."""

    def __init__(self, place: Place, name: str) -> None:
        self.version = place.version
        self._at = {control: folder / name for control, folder in place.folders.items()}
        self._held: dict[Path, int] = {}
        self._asked = 0, 0
        events = "memory.events" if self.version == 2 else "memory.oom_control"
        self._kills = str(self._path("memory", events))
        made: list[Path] = []
        try:
            for folder in self.folders:
                folder.mkdir()
                made.append(folder)
            if self.version == 2:
                self._write("memory", "memory.swap.max", 0)
            else:
                self._write("memory", "memory.swappiness", 0)
            self._set(_FIRST_MB << 20, _FIRST_PROCESSES)
        except BaseException:
            for folder in made:
                folder.rmdir()
            raise

    @property
    def controllers(self) -> list[str]:
        """What it limits: `memory`, `pids`."""
        return sorted(self._at)

    @property
    def folders(self) -> list[Path]:
        """Its folders, one for each hierarchy."""
        return list(dict.fromkeys(self._at.values()))

    @property
    def entries(self) -> list[Path]:
        """Files to which a process with a single thread writes "0" to join."""
        # In version 1 one thread may move by itself, which spares a wait of milliseconds.
        return [folder / ("cgroup.procs", "tasks")[self.version == 1] for folder in self.folders]

    def fit(self, limits: Mapping[str, Any]) -> None:
        """Set the limits for the next run.

        Args:
            limits: The fields of `hrmgym.envs.task.Limits`.

        Raises:
            OSError: The limits cannot be set: EBUSY where the group still holds more than that.
        """
        # The scratch space, workspace and /tmp, is memory too.
        mega = limits["memory_mb"] + 2 * limits["file_mb"] + _OURS_MB
        size, processes = mega << 20, limits["processes"] + _OURS_PROCESSES
        if (size, processes) != self._asked:
            self._asked = size, processes
            self._set(size, processes)

    def _set(self, size: int, processes: int) -> None:
        self._write("pids", "pids.max", processes)
        if self.version == 2:
            self._write("memory", "memory.max", size)
            return
        # The limit with swap may never be the smaller one.
        names = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]
        lower = size < self._held.get(self._path("memory", names[0]), 1 << 63)
        for name in names if lower else reversed(names):
            self._write("memory", name, size)

    def _path(self, control: str, name: str) -> Path:
        return self._at[control] / name if control in self._at else Path()

    def _write(self, control: str, name: str, value: int) -> None:
        path = self._path(control, name)
        if control not in self._at or self._held.get(path) == value:
            return
        with suppress(FileNotFoundError):  # a kernel that does not count swap
            path.write_text(str(value))
        self._held[path] = value

    def forget(self) -> None:
        """Its next user starts from the first limits."""
        self._asked = 0, 0
        self._set(_FIRST_MB << 20, _FIRST_PROCESSES)

    def memory_kills(self) -> int:
        """Processes of it that the kernel has killed for want of memory, here or everywhere.

        Raises:
            OSError: It cannot be told just now.
        """
        if "memory" not in self._at:
            return 0
        fd = os.open(self._kills, os.O_RDONLY | os.O_CLOEXEC)
        try:
            words = os.read(fd, 1024).split()
        finally:
            os.close(fd)
        return int(words[words.index(b"oom_kill") + 1]) if b"oom_kill" in words else 0

    def close(self) -> None:
        """Give the group back."""
        _process.give_back(self)


@contextmanager
def doors(group: Group | None) -> Iterator[list[int]]:
    """The group's entries, open; none for no group."""
    fds: list[int] = []
    try:
        for path in group.entries if group else ():
            fds.append(os.open(path, os.O_WRONLY | os.O_CLOEXEC))
        yield fds
    finally:
        for fd in fds:
            os.close(fd)


def remove(folders: list[Path], patience_s: float) -> list[Path]:
    """Kill whatever is in groups and remove them; those that are left after that time."""
    end = time.monotonic() + patience_s
    while True:
        folders = [folder for folder in folders if not _remove(folder)]
        if not folders or time.monotonic() >= end:
            return folders
        for folder in folders:
            _kill(folder)
        time.sleep(0.001)


def _remove(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _kill(folder: Path) -> None:
    with suppress(OSError):
        if (folder / "cgroup.kill").exists():
            (folder / "cgroup.kill").write_text("1")
            return
        for pid in (folder / "cgroup.procs").read_text().split():
            if int(pid) > 1:  # 0 stands for one that we cannot see
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)


# --- the groups of this process ------------------------------------------------------------------


class _Process:
    """The groups that this process has made."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._place: Place | None = None
        self._sought = False
        self._free: list[Group] = []
        self._used: set[Group] = set()
        self._past_kills = 0
        self._made = False  # whether this process may make groups

    def take(self) -> Group | None:
        with self._lock:
            if not self._sought:
                self._sought, self._place = True, find()
                if self._place is not None:
                    sweep(self._place)
            if self._place is None:
                return None
            if self._free:
                group = self._free.pop()
            else:
                try:
                    group = Group(self._place, f"{_mark(os.getpid())}-{next(self._numbers)}")
                except OSError as error:
                    if error.errno not in _NOT_OURS or self._made:
                        raise  # for want of something; without a group a run had other limits
                    self._place = None  # no layer that a sandbox must have
                    return None
                self._made = True
            self._used.add(group)
            return group

    def give_back(self, group: Group) -> None:
        with self._lock:
            if group not in self._used:
                return
            self._used.discard(group)
            if self._used:
                try:
                    group.forget()
                except OSError:  # it is not what it was: no one else gets it
                    self._past_kills += _known_kills(group)
                    remove(group.folders, 0.05)
                else:
                    self._free.append(group)
                return
            groups, self._free = [group, *self._free], []
            kills = {one: _known_kills(one) for one in groups}
            left = remove([folder for one in groups for folder in one.folders], 0.05)
            self._free = [one for one in groups if all(path in left for path in one.folders)]
            self._past_kills += sum(kills[one] for one in groups if one not in self._free)

    def memory_kills(self) -> int | None:
        with self._lock:
            if not self._sought:
                return 0
            if self._place is None or "memory" not in self._place.folders:
                return None
            now = sum(_known_kills(group) for group in (*self._free, *self._used))
            return self._past_kills + now

    def end(self) -> None:
        with self._lock:
            groups = [*self._free, *self._used]
            remove([folder for group in groups for folder in group.folders], 2.0)


def _known_kills(group: Group) -> int:
    try:
        return group.memory_kills()
    except OSError:  # it is gone, or cannot be read just now
        return 0


def take() -> Group | None:
    """An empty group; None where this machine has none for us.

    Raises:
        OSError: None can be made just now.
    """
    return _process.take()


def memory_kills() -> int | None:
    """Processes in groups of ours that were killed for want of memory; None without groups."""
    return _process.memory_kills()


def _mark(pid: int) -> str:
    """Name of a process that no other one ever has on this machine, until it is started again."""
    space = str(Path("/proc/self/ns/pid").readlink())[len("pid:[") : -1]
    return f"{PREFIX}{space}-{pid}-{_start(pid)}"


def _start(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "0"
    return stat.rpartition(")")[2].split()[19]


def sweep(place: Place) -> None:
    """Remove the groups of processes that have ended without doing so."""
    stale = []
    name = f"{PREFIX}*-*-*-*"
    for folder in set(place.folders.values()):
        # Next to ours lie the groups of other logins, jobs or services.
        for path in (*folder.glob(name), *folder.parent.glob(f"*/{name}")):
            _, space, pid, *_ = path.name.split("-")
            mine = _mark(int(pid)) if pid.isdigit() else ""
            same_space = mine.startswith(f"{PREFIX}{space}-")  # else we cannot tell
            if same_space and not path.name.startswith(mine + "-"):
                stale.append(path)
    remove(stale, 0.05)


_process = _Process()


def _after_fork() -> None:
    global _process
    _process = _Process()  # those of the parent are the parent's to remove


os.register_at_fork(after_in_child=_after_fork)
atexit.register(lambda: _process.end())
