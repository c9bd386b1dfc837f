"""Two sandboxes at once: neither finds anything of the other."""

from __future__ import annotations

import threading

from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import CallCase, CallTests, Limits, Outcome

LIMITS = Limits(cpu_s=2.0, wall_s=20.0, memory_mb=256, processes=16, output_kb=16, file_mb=8)

#: Leaves traces of all kinds, waits, and then looks for those of its mark.
PROGRAM = """\
import ctypes, os, socket, time

def leave(mark):
    open(f"/tmp/{mark}", "w").close()
    open(f"{mark}", "w").close()
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(15, mark.encode(), 0, 0, 0)
        time.sleep(30)
    servers = []
    for address in ("\\0" + mark, f"/tmp/{mark}.socket"):
        servers.append(socket.socket(socket.AF_UNIX))
        servers[-1].bind(address)
        servers[-1].listen()
    servers.append(socket.socket())
    servers[-1].bind(("127.0.0.1", 10_000 + sum(mark.encode())))
    servers[-1].listen()
    return servers

def f(own, looked_for, wait_s):
    servers = leave(own)
    time.sleep(wait_s)
    found = [p for p in (f"/tmp/{looked_for}", looked_for) if os.path.exists(p)]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with open(f"/proc/{pid}/comm") as file:
            if file.read().strip() == looked_for:
                found.append("process")
        root = f"/proc/{pid}/root/tmp/{looked_for}"
        found += [root] if own != looked_for and os.path.exists(root) else []
    for address in ("\\0" + looked_for, f"/tmp/{looked_for}.socket"):
        with socket.socket(socket.AF_UNIX) as one:
            found += [address] if one.connect_ex(address) == 0 else []
    with socket.socket() as one:
        port = 10_000 + sum(looked_for.encode())
        found += [port] if one.connect_ex(("127.0.0.1", port)) == 0 else []
    return len(found)
"""


def look(own: str, looked_for: str, expected: int, wait_s: float) -> Outcome:
    """The outcome of a run in a sandbox of its own."""
    case = CallCase(id="found", args=(own, looked_for, wait_s), expected=expected)
    tests = CallTests(path="f.py", function="f", cases=(case,))
    with Sandbox() as sandbox:
        return sandbox.run_tests({"f.py": PROGRAM}, tests, LIMITS)


def test_two_sandboxes_at_once() -> None:
    outcomes: dict[str, Outcome] = {}

    def run(own: str, other: str) -> None:
        outcomes[own] = look(own, other, 0, 1.5)

    threads = [threading.Thread(target=run, args=pair) for pair in (("ann", "bob"), ("bob", "ann"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for outcome in outcomes.values():
        assert outcome.resolved, outcome.message
    assert len(outcomes) == 2


def test_what_there_is_to_be_found() -> None:
    """The program finds all of its own traces: the test above can fail."""
    outcome = look("ann", "ann", 6, 0.1)
    assert outcome.resolved, outcome.message
