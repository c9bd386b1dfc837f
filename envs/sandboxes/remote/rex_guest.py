"""The guest in a machine that SWE-ReX reaches: a small fork server behind a unix socket.

SWE-ReX starts a program there and gives back what it prints, and that is all. So the host starts
this guest once, and then short-lived couriers that hand it one request each. Every request is done
by a process of its own that is the subreaper of all it starts: nothing of a run outlives it.

Where the guest is root, foreign code is another user, one per guest: it can neither signal the
guest nor touch SWE-ReX's server. Standard library only; the sources come by wire, see rex_link.py.
"""

# The guest starts faster without pathlib.
from __future__ import annotations

import _signal
import gc
import json
import os
import resource
import select
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from hrmgym.envs.sandboxes.confinement import isolation, settings
from hrmgym.envs.sandboxes.inside import calls, files, keeper, runs, wire
from hrmgym.envs.sandboxes.remote import rex_files, rex_shell
from hrmgym.envs.sandboxes.remote.rex_place import Place, Reply, answer, pour

_PAUSE_S = 0.05


def main(top: str, user: int) -> None:
    """Make the folders, leave a process behind that serves, and print how foreign code will run."""
    os.umask(settings.UMASK)
    place = Place(top, user)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{place.own}/socket")
    listener.listen(64)
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            if os.fork() == 0:
                isolation.clear_arguments()
                _serve(place, listener)
        finally:
            os._exit(1)
    os.waitpid(child, 0)
    print(json.dumps({"user": place.user, "path": os.environ.get("PATH", os.defpath)}))


def _serve(place: Place, listener: socket.socket) -> NoReturn:
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):  # SWE-ReX waits until nobody holds the output
        os.dup2(null, fd)
    os.chdir("/")
    isolation.prctl(isolation.PR_SET_CHILD_SUBREAPER, 1)
    isolation.renounce()
    calls.warm_up()
    _forget_sources()
    gc.collect()
    gc.freeze()
    gc.disable()
    while True:
        conn, _ = listener.accept()
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        with conn:
            try:
                request, blob, _ = wire.receive(conn)
            except (ConnectionError, ValueError):
                continue
            if request["op"] == "stop":
                keeper.kill_rest(isolated=False)
                place.sweep()
                with suppress(OSError):
                    files.remove(place.top)
                conn.send(b"+")
                os._exit(0)
            if os.fork() == 0:
                listener.close()
                work(place, conn, request, blob)


def _forget_sources() -> None:
    """Let a workspace have a package of our name; and hide where our sources came from."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "hrmgym"]:
        del sys.modules[name]
    sys.meta_path[:] = [finder for finder in sys.meta_path if not hasattr(finder, "hrmgym")]
    sys.modules["__main__"].__dict__.clear()


def work(place: Place, conn: socket.socket, request: dict[str, Any], blob: bytes) -> NoReturn:
    """Do one request in this process, a fork of the guest, and leave the reply as a file."""
    code = 1
    try:
        isolation.prctl(isolation.PR_SET_CHILD_SUBREAPER, 1)
        if request["op"] == "shell":
            rex_shell.serve(place, conn, request)
        else:
            answer(
                place, conn, request["id"], lambda: HANDLERS[request["op"]](place, request, blob)
            )
        code = 0
    finally:
        os._exit(code)


def _run(place: Place, request: dict[str, Any], blob: bytes) -> Reply:
    """Run `argv` in the workspace; standard output and error come back together.

    The reply's `status` is the exit code, minus the signal that killed it, or None for a program
    that ran out of time.
    """
    limits = request["limits"]
    start = time.monotonic()
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        _exec(place, request, into)
    os.close(into)
    text, status = listen(child, out, start + limits["wall_s"], limits["output_kb"] * 1024)
    keeper.kill_rest(isolated=False)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = usage.ru_utime + usage.ru_stime
    return {"status": status, "cpu_s": cpu_s, "wall_s": time.monotonic() - start}, text


def _exec(place: Place, request: dict[str, Any], output: int) -> NoReturn:
    """Become a foreign program."""
    argv = request["argv"]
    try:
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR)
        for target, fd in ((0, null), (1, output), (2, output)):
            os.dup2(fd, target)
        os.closerange(3, 1024)
        place.become_foreign(request["limits"])
        for number in (_signal.SIGPIPE, _signal.SIGXFSZ):  # Python ignores these
            _signal.signal(number, _signal.SIG_DFL)
        os.chdir(place.workspace)
        os.execvpe(argv[0], argv, place.environment(request["env"]))
    except OSError as error:
        os.write(2, f"{argv[0]}: {os.strerror(error.errno or 0)}\n".encode())
    finally:
        os._exit(127)


def listen(child: int, out: int, deadline: float, most: int) -> tuple[bytes, int | None]:
    """What a child writes, `most` bytes of it, until it has ended or the deadline has come."""
    poll = select.poll()
    poll.register(out, select.POLLIN)
    os.set_blocking(out, False)
    text = bytearray()
    done, status, is_open = 0, 0, True
    while not done and (left := deadline - time.monotonic()) > 0:
        if is_open:
            poll.poll(1000 * min(left, _PAUSE_S) + 1)
            is_open = pour(out, text, most)
        else:
            time.sleep(min(left, 0.002))
        done, status = os.waitpid(child, os.WNOHANG)
    pour(out, text, most)
    os.close(out)
    return bytes(text), os.waitstatus_to_exitcode(status) if done else None


def _calls(place: Place, request: dict[str, Any], blob: bytes) -> Reply:
    """Call a function of some files, case by case: see runs.py."""
    place.sweep()
    files.wipe(place.workspace)
    return runs.run(
        request["calls"],
        place.workspace,
        lambda: place.become_foreign(request["calls"]["limits"]),
        runs.Start(),
        isolated=False,
        host=None,
    )


HANDLERS: dict[str, Callable[[Place, dict[str, Any], bytes], Reply]] = {
    "archive": rex_files.archive,
    "calls": _calls,
    "fresh": rex_files.fresh,
    "read": rex_files.read,
    "replace": rex_files.replace,
    "run": _run,
}

if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
