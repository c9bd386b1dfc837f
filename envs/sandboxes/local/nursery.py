"""The host's side of incubators: one for each kind of isolation, for as long as it has users."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from hrmgym.config import named_path
from hrmgym.envs.outcome import FailureCode
from hrmgym.envs.sandboxes import failures
from hrmgym.envs.sandboxes.inside import wire
from hrmgym.errors import SandboxError, SandboxUnavailableError

#: What pytest needs at run time; nothing else of site-packages is shown inside.
LIBRARIES = ("_pytest", "py", "pytest", "pluggy", "iniconfig", "packaging", "pygments")

#: Name of a task's packages among them; no module can have it.
PACKAGES = ".packages"

# An incubator imports a few files of `sandboxes` before it closes itself in, and none of the
# packages around them.
_BOOT = """
import sys, types
for name in ("hrmgym", "hrmgym.envs", "hrmgym.envs.sandboxes"):
    sys.modules[name] = package = types.ModuleType(name)
    package.__path__ = []
package.__path__.append(sys.argv.pop())
from hrmgym.envs.sandboxes.confinement import settings
settings.settle()
"""
_FOLDER = os.path.realpath(Path(__file__).parents[1])  # now: later there may be no working folder
_MAIN = "from hrmgym.envs.sandboxes.processes.incubator import main\nmain()"
_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "LANG": "C.UTF-8",
    "HOME": "/tmp",
    "TMPDIR": "/tmp",
    "LD_BIND_NOW": "1",  # what the linker leaves for later, every fork would do again
}
_START_S = 60.0
_END_S = 5.0


class Incubator:
    """One incubator process. It may be used from any thread. Use `lease`."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self.users = 0
        self.ready: Future[None] = Future()
        """Done when guests can be started; failed where the kernel refuses."""
        self.pid = 0
        """Of the process that forks the guests, as this process sees it."""
        self._sock, theirs = socket.socketpair()
        # Above the standard streams, whose numbers it has where they are closed.
        try:
            link = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD_CLOEXEC, 3)
        except OSError:
            self._sock.close()
            raise
        finally:
            theirs.close()
        self._turn = threading.Lock()
        self._ended = threading.Event()
        # The kernel ends an incubator with the thread that started it, so it gets its own.
        thread = threading.Thread(
            target=self._run, args=(link, setup), name="hrmgym-incubator", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no room for a thread
            self._sock.close()
            os.close(link)
            raise

    def _run(self, link: int, setup: dict[str, Any]) -> None:
        try:
            try:
                process = start_bare(_MAIN, str(link), json.dumps(setup), pass_fds=[link])
            finally:
                os.close(link)
            with process:
                self._greet(process)
                process.wait()
            if self.pid:
                wait_for_end(self.pid)
        except BaseException as error:
            self.ready.set_exception(error)
        finally:
            self._ended.set()

    def _greet(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            self._sock.settimeout(_START_S)
            header, _, _ = wire.receive(self._sock)
            self._sock.settimeout(None)
        except OSError as error:
            process.kill()
            said = process.stderr.read().decode(errors="replace").strip()
            if not said and isinstance(error, wire.Broken):
                raise ConnectionError("it was killed when it had hardly started") from None
            raise SandboxError(
                f"the sandbox did not start: {said or error}", FailureCode.SANDBOX_START
            ) from None
        if "error" in header:
            raise refused(header)
        self.pid = header["pid"]
        for stream in (process.stdout, process.stderr):
            stream.close()
        self.ready.set_result(None)

    @property
    def alive(self) -> bool:
        """Whether the process runs, as far as is known."""
        if self._ended.is_set() or self._sock.fileno() < 0:
            return False
        if not self.ready.done():
            return True
        try:
            return bool(self._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def start_guest(self, options: dict[str, Any], fds: Sequence[int]) -> None:
        """Fork a guest; call it when `ready`.

        Args:
            options: mode and file_mb.
            fds: The guest's connection and its life line, which it gets copies of, and groups
                that it joins (files cgroup.procs, open for writing).

        Raises:
            OSError: The incubator has ended.
        """
        with self._turn:
            socket.send_fds(self._sock, [wire.pack(options)], list(fds))

    def close(self) -> None:
        """End it, and every guest; returns when all of it is dead."""
        with self._turn, suppress(OSError):  # it has ended
            self._sock.shutdown(socket.SHUT_RDWR)
        self._ended.wait(_END_S)
        self._sock.close()

    def forget(self) -> None:
        """It belongs to the process that this one is a fork of."""
        self._sock.close()


def refused(header: dict[str, Any]) -> SandboxError:
    """The error for a process that could not close itself in, from what it has said."""
    code = failures.code_of_number(header.get("errno", 0))
    if code in failures.SCARCE:
        return SandboxError(f"the sandbox did not start: {header['error']}", code)
    return refusal(header["error"])


def refusal(reason: str) -> SandboxUnavailableError:
    """The error for a kernel, or a policy, that does not allow isolation."""
    return SandboxUnavailableError(
        f"this machine refuses an isolated sandbox ({reason}); `hrmgym doctor` shows what is"
        " missing; use `type: docker`, or allow_unisolated: true for code that you trust"
    )


_lock = threading.Lock()
_incubators: dict[str, Incubator] = {}


def lease(*, isolate: bool, judge: bool = False, packages: str = "") -> Incubator:
    """This process's incubator for that kind of isolation, or of judges; `release` it after use.

    It may not be ready yet, and a later lease gets another one when this one has ended.
    """
    setup = {
        "isolate": isolate,
        "judge": judge,
        "host": os.getpid(),
        "libraries": _library_paths() | ({PACKAGES: packages} if packages else {}),
        "hidden": _hidden_paths(),
    }
    key = json.dumps(setup)
    with _lock:
        found = _incubators.get(key)
        if found is None or not found.alive:
            found = _incubators[key] = Incubator(setup)
        found.users += 1
        return found


def release(incubator: Incubator) -> None:
    """Give an incubator back; the last one to do so ends it."""
    with _lock:
        incubator.users -= 1
        last = not incubator.users
        if last:
            for key in [key for key, held in _incubators.items() if held is incubator]:
                del _incubators[key]
    if last:
        incubator.close()


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    for incubator in _incubators.values():
        incubator.forget()
    _incubators.clear()


os.register_at_fork(after_in_child=_after_fork)


def wait_for_end(pid: int) -> None:
    """Wait, not for ever, until a process that is not our child is gone."""
    for _ in range(int(_END_S / 0.001)):
        if not is_running(pid):
            return
        time.sleep(0.001)


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[0] not in (b"Z", b"X")


def python() -> str:
    """The real interpreter, without its virtual environment."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def bare_python(code: str, *args: str) -> list[str]:
    """Command that runs `code` without site packages; it can import the modules of `sandboxes`."""
    return [python(), "-P", "-s", "-S", "-B", "-c", _BOOT + code, *args, _FOLDER]


def start_bare(code: str, *args: str, pass_fds: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """Start what `bare_python` says, with nothing of this process's settings.

    Args:
        code: The program.
        args: Its arguments.
        pass_fds: Descriptors that it gets under the same numbers.

    Raises:
        SandboxUnavailableError: This user may not run the interpreter itself.
        OSError: No process can be started just now.
    """
    try:
        return subprocess.Popen(
            bare_python(code, *args),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=pass_fds,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
    except (PermissionError, FileNotFoundError) as error:
        raise SandboxUnavailableError(
            f"the sandbox cannot start {python()} ({error.strerror}): this user needs a Python that"
            " it may read and run"
        ) from None


_found: dict[str, str] = {}


def _library_paths() -> dict[str, str]:
    if not _found:
        for name in LIBRARIES:
            spec = importlib.util.find_spec(name)
            if spec is not None and spec.origin is not None:
                origin = Path(os.path.realpath(spec.origin))
                path = origin.parent if spec.submodule_search_locations else origin
                _found[path.name] = str(path)
                if name == "pluggy":  # pytest prints the version that only this tells
                    infos = path.parent.glob("pluggy-*.dist-info")
                    _found.update((info.name, str(info)) for info in infos)
    return _found


def _hidden_paths() -> list[str]:
    """Folders with solutions or hidden tests, should they lie in a part that is shown."""
    data = named_path("HRMGYM_DATA")
    return [*_own_paths(), os.path.realpath(data)] if data else _own_paths()


@cache
def _own_paths() -> list[str]:
    checkout = Path(__file__).resolve().parents[3]
    hidden = [str(checkout)] if (checkout / "pyproject.toml").exists() else []
    if sys.prefix != sys.base_prefix:
        hidden.append(os.path.realpath(sys.prefix))
    return hidden
