"""A bash that keeps its state between commands, in a machine that SWE-ReX reaches.

It runs on pipes; the exit code of each command comes with a random mark on a descriptor that the
command does not hold, so that output cannot forge it. Standard library only.
"""

# The guest starts faster without pathlib.
# ruff: noqa: PTH108
from __future__ import annotations

import _signal
import os
import select
import socket
import time
from contextlib import suppress
from typing import Any, NoReturn

from hrmgym.envs.sandboxes.inside import bash, keeper, wire
from hrmgym.envs.sandboxes.remote.rex_place import Place, Reply, answer, pour

_START_S = 30.0
_PATIENCE_S = 1.0  # that the shell has to come back after its command was killed
_TOO_LATE = 124


def serve(place: Place, conn: socket.socket, request: dict[str, Any]) -> NoReturn:
    """Be the keeper of one shell: answer its requests until one ends it or it has ended itself."""
    listener = socket.socket(socket.AF_UNIX)
    shell = Shell(place, request["limits"])

    def start() -> Reply:
        # History expansion would change what is in quotes.
        shell.run("set +H", _START_S)
        listener.bind(f"{place.own}/{request['name']}")
        listener.listen(8)
        return {"alive": shell.alive}, b""

    try:
        answer(place, conn, request["id"], start)
        conn.close()
        while shell.alive:
            conn = shell.accept(listener)
            with conn:
                try:
                    asked, _, _ = wire.receive(conn)
                except (ConnectionError, ValueError):
                    continue

                def act(asked: dict[str, Any] = asked) -> Reply:
                    text, code = shell.run(asked["command"], asked["timeout_s"])
                    if asked["alone"]:
                        shell.kill_others()
                    return {"code": code, "alive": shell.alive}, text

                if asked["op"] != "command":
                    break
                answer(place, conn, asked["id"], act)
    finally:
        with suppress(OSError):
            os.unlink(f"{place.own}/{request['name']}")
        keeper.kill_rest(isolated=False)
        os._exit(0)


class Shell:
    """One bash, and all that it has started; a child of this process."""

    def __init__(self, place: Place, limits: dict[str, Any]) -> None:
        self._most = limits["output_kb"] * 1024
        commands, self._stdin = os.pipe()
        self._output, out = os.pipe()
        self._status, into = os.pipe()
        self._text = bytearray()
        self._answers = bash.Answers()
        self.pid = os.fork()
        if self.pid == 0:
            _become_bash(place, limits, commands, out, into)
        for fd in (commands, out, into):
            os.close(fd)
        for fd in (self._stdin, self._output, self._status):
            os.set_blocking(fd, False)
        self.code: int | None = None

    @property
    def alive(self) -> bool:
        """Whether bash runs."""
        if self.code is None:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                self.code = code if code >= 0 else 128 - code
        return self.code is None

    def accept(self, listener: socket.socket) -> socket.socket:
        """The next connection; drops what background programs write in the meantime."""
        while True:
            self._wait([listener.fileno(), self._output], 1.0)
            self._drain()
            self._text.clear()
            listener.settimeout(0)
            with suppress(BlockingIOError):
                conn, _ = listener.accept()
                conn.settimeout(None)
                return conn
            with suppress(ChildProcessError):
                while self.alive and self._reap_others():
                    pass

    def _reap_others(self) -> bool:
        """Take note of the end of orphans; bash itself stays for `alive`."""
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is None or found.si_pid == self.pid:
            return False
        os.waitpid(found.si_pid, 0)
        return True

    def run(self, command: str, timeout_s: float) -> tuple[bytes, int]:
        """Output and exit code of a command; 124 for one that was killed for its time."""
        self._drain()
        self._text.clear()
        mark = os.urandom(8).hex()
        self._answers.expect(command)
        code = self._converse(bash.asking(command, mark), mark, timeout_s)
        if code is not None:
            return self._said(), code
        keeper.signal_all(_signal.SIGINT, isolated=False)
        time.sleep(0.05)
        self.kill_others()
        if self._converse("", mark, _PATIENCE_S) is None:
            self._end()
        said = self._said()
        self._settle()
        return said + f"[killed after {timeout_s:g} s]\n".encode(), _TOO_LATE

    def kill_others(self) -> None:
        """Kill all but bash itself."""
        for _ in range(20):
            others = [process for process in keeper.descendants() if process != self.pid]
            if not others:
                return
            for process in others:
                with suppress(ProcessLookupError):
                    os.kill(process, _signal.SIGKILL)
            time.sleep(0.002)

    def _said(self) -> bytes:
        self._drain()
        data = bytes(self._text)
        self._text.clear()
        return self._answers.output(data, alive=self.alive)

    def _settle(self) -> None:
        """After a signal: a shell that was idle already drops what it reads next."""
        for _ in range(4):
            mark = os.urandom(8).hex()
            line = bash.settling(mark)
            if not self.alive or self._converse(line, mark, _PATIENCE_S) is not None:
                return
        self._end()

    def _converse(self, line: str, mark: str, timeout_s: float) -> int | None:
        """Send a line; the exit code that comes with the mark, or bash's own when it ends."""
        deadline = time.monotonic() + timeout_s
        data, heard = line.encode(errors="surrogateescape"), b""
        while (left := deadline - time.monotonic()) > 0:
            if data:
                with suppress(BlockingIOError):
                    try:
                        data = data[os.write(self._stdin, data) :]
                    except BrokenPipeError:
                        data = b""
            with suppress(BlockingIOError):
                heard = (heard + os.read(self._status, 4096))[-4096:]
            told = self._answers.code(heard, mark)
            if told is not None:
                return told
            if not self.alive:
                return self.code
            self._drain()
            self._wait([self._output, self._status], min(left, 0.05), [self._stdin] if data else [])
        return None

    def _wait(self, readers: list[int], seconds: float, writers: list[int] | None = None) -> None:
        select.select(readers, writers or [], [], seconds)

    def _drain(self) -> None:
        pour(self._output, self._text, self._most)

    def _end(self) -> None:
        keeper.kill_rest(isolated=False)
        if self.code is None:
            self.code = 128 + _signal.SIGKILL


def _become_bash(place: Place, limits: dict[str, Any], stdin: int, out: int, status: int) -> None:
    try:
        os.setsid()
        targets = (0, 1, 2, bash.OUTPUT_FD, bash.STATUS_FD)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        high = [os.dup(fd) for fd in (stdin, nowhere, nowhere, out, status)]
        base = max(*high, *targets) + 1
        high = [_dup_above(fd, base) for fd in high]
        for fd, target in zip(high, targets, strict=True):
            os.dup2(fd, target)
        os.closerange(3, bash.OUTPUT_FD)
        os.closerange(bash.STATUS_FD + 1, 1024)
        place.become_foreign(limits)
        for number in (_signal.SIGPIPE, _signal.SIGXFSZ):  # Python ignores these
            _signal.signal(number, _signal.SIG_DFL)
        os.chdir(place.workspace)
        argv = ["bash", "--noprofile", "--norc", "--noediting", "-i"]
        os.execvpe("bash", argv, place.environment(bash.ENVIRONMENT))
    except OSError as error:
        os.write(2, f"bash: {os.strerror(error.errno or 0)}\n".encode())
    finally:
        os._exit(127)


def _dup_above(fd: int, least: int) -> int:
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_DUPFD, least)
