"""Runs of known programs in a pool whose processes are killed at random moments.

    python benchmarks/chaos.py --runs 10000 --json

A killer sends SIGKILL to processes of ours, whichever they are: incubators, guests, keepers, and
the foreign programs themselves. Every run has an outcome that is known beforehand. The last line is
one JSON object:

- lost: runs without an outcome, and runs that were given up;
- wrong: runs with another outcome than theirs;
- leaked: processes, mounts, cgroups, temporary files and descriptors that are there after the pool
  was closed and were not before it was made;
- killed, how many processes, and of which kind; retried and replaced, as the pool counts them.

The exit code is 1 unless the first three are 0.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrmgym.envs.sandboxes.confinement import isolation
from hrmgym.envs.sandboxes.pool import Pool
from hrmgym.envs.task import CallCase, CallTests, CommandTests, Limits, PytestTests, Status

LIMITS = Limits(cpu_s=5.0, wall_s=20.0, memory_mb=256, processes=16, output_kb=16, file_mb=8)
SHORT = Limits(cpu_s=0.05, wall_s=20.0, memory_mb=256, processes=16, output_kb=16, file_mb=8)
P, F, E, T, M = Status.PASSED, Status.FAILED, Status.ERROR, Status.TIMEOUT, Status.MISSING
#: What is at which depth below this process.
KINDS = {1: "incubator", 2: "incubator", 3: "guest", 4: "run or keeper"}
DEEPER = "foreign program"


@dataclass(frozen=True)
class Job:
    """A run, and what is known of its end."""

    name: str
    weight: int
    run: Callable[[Pool], Any]
    known: tuple[Status, ...] | tuple[str, int]


def _calls(name: str, weight: int, body: str, *known: Status, **options: Any) -> Job:
    cases = tuple(CallCase(id=f"c{i}", args=(i,), expected=2 * i) for i in range(len(known)))
    tests = CallTests(path="f.py", function="f", cases=cases)
    files = {"f.py": f"import os, time\ndef f(x):\n    {body}\n    return 2 * x\n"}
    limits = options.pop("limits", LIMITS)
    return Job(name, weight, lambda pool: pool.run_tests(files, tests, limits, **options), known)


def _pytest(name: str, weight: int, body: str, *known: Status) -> Job:
    names = [f"test_{i}" for i in range(len(known))]
    text = "from f import f\n" + "".join(
        f"def {test}():\n    assert f({i}) == {2 * i}\n" for i, test in enumerate(names)
    )
    ids = tuple(f"test_f.py::{test}" for test in names)
    tests = PytestTests(files={"test_f.py": text}, ids=ids)
    files = {"f.py": f"def f(x):\n    {body}\n"}
    return Job(name, weight, lambda pool: pool.run_tests(files, tests, LIMITS), known)


def _session(name: str, weight: int, command: str, output: str, code: int) -> Job:
    files: dict[str, str | bytes] = {"a.txt": "one\ntwo\n"}
    return Job(name, weight, lambda pool: pool.run_command_in(files, command), (output, code))


def jobs() -> list[Job]:
    """Every kind of run, with its known end.

    Whichever of a run's processes is killed, it shows: a shell that goes on after the death of its
    child has an outcome of its own, and nobody could tell whose doing the death was.
    """
    command = CommandTests(command=("grep", "-q", "7", "n"))
    return [
        _calls("right", 40, "pass", P, P, P, P),
        _calls("right, fresh", 8, "pass", P, P, P, P, fresh=True),
        _calls("wrong", 16, "x = x if x < 2 else 0", P, P, F, F),
        _calls("wrong, fresh", 4, "x = x if x < 2 else 0", P, P, F, F, fresh=True),
        _calls("raising", 8, "x = x or 1 / 0", F, P, P),
        _calls("slow", 6, "time.sleep(0.01)", P, P, P),
        _calls("endless", 2, "while x: pass", P, T, T, limits=SHORT),
        _calls("aborting", 2, "x or os.abort()", E, M, M),
        _calls("leaving", 2, "x and os._exit(3)", P, E, M),
        _calls("killing itself", 2, "x and os.kill(os.getpid(), 9)", P, E, M),
        _calls("forking", 2, "os.fork() or time.sleep(60)", P, P),
        _pytest("pytest, right", 2, "return 2 * x", P, P),
        _pytest("pytest, wrong", 2, "return x", P, F),
        Job("command", 2, lambda p: p.run_tests({"n": "7\n"}, command, LIMITS), (P,)),
        Job("command, wrong", 2, lambda p: p.run_tests({"n": "8\n"}, command, LIMITS), (F,)),
        _session("session", 4, "read line < a.txt; echo $line", "one\n", 0),
        _session("session, wrong", 2, "cd nowhere 2> /dev/null", "", 1),
    ]


# --- the killer ----------------------------------------------------------------------------------


class Killer(threading.Thread):
    """Kills processes below this one at random moments, until it is stopped.

    Args:
        share: Kills for each run that has ended: `ended` is the caller's to count.
        seed: Of the moments and of the victims.
    """

    def __init__(self, share: float, seed: int) -> None:
        super().__init__(name="killer", daemon=True)
        self._share, self._random = share, random.Random(seed)
        self._stop_now = threading.Event()
        self.ended = 0
        self.killed: Counter[str] = Counter()

    def run(self) -> None:
        while not self._stop_now.wait(self._random.uniform(0.0, 0.02)):
            if self.killed.total() < self._share * self.ended:
                by_depth = _descendants(os.getpid())
                victims = [(depth, one) for depth, found in by_depth.items() for one in found]
                depth, victim = self._random.choice(victims or [(0, (0, b""))])
                if victim[0] and _kill(victim):
                    self.killed[KINDS.get(depth, DEEPER)] += 1

    def stop(self) -> None:
        """Kill no more."""
        self._stop_now.set()
        self.join()


def _stat(pid: int) -> list[bytes]:
    """What /proc/PID/stat says after the name: state, parent, ..., start time at 19."""
    return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()


def _descendants(top: int) -> dict[int, list[tuple[int, bytes]]]:
    """Depth below `top` -> processes there, each with its start time; no zombies."""
    found: dict[int, tuple[int, bytes]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = _stat(int(path.name))
        except OSError:
            continue
        if fields[0] not in (b"Z", b"X"):
            found[int(path.name)] = int(fields[1]), fields[19]
    by_depth: dict[int, list[tuple[int, bytes]]] = {}
    for pid, (parent, started) in found.items():
        depth = 1
        while parent in found and parent != top:
            parent, depth = found[parent][0], depth + 1
        if parent == top and pid != top:
            by_depth.setdefault(depth, []).append((pid, started))
    return by_depth


def _kill(victim: tuple[int, bytes]) -> bool:
    """Kill a process, and never another one that has got its number meanwhile."""
    pid, started = victim
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if _stat(pid)[19] != started:
            return False
        signal.pidfd_send_signal(fd, signal.SIGKILL)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


# --- what is left --------------------------------------------------------------------------------


def _belongings() -> dict[str, set[str]]:
    """What this process could leak."""
    groups = Path("/sys/fs/cgroup").glob(f"**/*hrmgym*{os.getpid()}*")
    return {
        "processes": {str(pid) for found in _descendants(os.getpid()).values() for pid, _ in found},
        "mounts": set(Path("/proc/self/mountinfo").read_text().splitlines()),
        "cgroups": {str(path) for path in groups if path.is_dir()},
        "files": {str(path) for path in Path(tempfile.gettempdir()).iterdir()},
        "descriptors": set(filter(None, map(_descriptor, Path("/proc/self/fd").iterdir()))),
    }


def _descriptor(path: Path) -> str:
    try:
        return f"{path.name} {path.readlink()}"
    except OSError:
        return ""  # the one that lists them


def _leaked(before: dict[str, set[str]]) -> dict[str, list[str]]:
    now = _belongings()
    return {kind: sorted(now[kind] - before[kind]) for kind in now if now[kind] - before[kind]}


# --- the whole -----------------------------------------------------------------------------------


def measure(
    runs: int, *, size: int, share: float, seed: int, report: Callable[[str], None]
) -> dict[str, Any]:
    """Make the runs, and count.

    Args:
        runs: How many.
        size: Sandboxes in the pool.
        share: Kills for each run.
        seed: Of the choice of runs and of victims.
        report: Takes a line for each run that went wrong.
    """
    choices = jobs()
    with Pool(size=1) as calm:  # what a process keeps for good is there before it is counted
        expected = [job.run(calm) for job in choices]
    for job, seen in zip(choices, expected, strict=True):
        statuses = seen if isinstance(seen, tuple) else tuple(seen.tests.values())
        if statuses != job.known:
            raise SystemExit(f"{job.name}: {seen} instead of {job.known}, and nothing was killed")
    before = _belongings()
    picked = random.Random(seed).choices(
        range(len(choices)), [job.weight for job in choices], k=runs
    )
    lost = wrong = 0
    start = time.monotonic()
    killer = Killer(share, seed)
    with Pool(size=size) as pool:
        killer.start()
        try:
            for number, result in _results(pool, choices, picked):
                killer.ended += 1
                if isinstance(result, BaseException) or getattr(result, "trouble", False):
                    lost += 1
                    report(f"lost: {choices[number].name}: {result!r}")
                elif result != expected[number]:
                    wrong += 1
                    report(f"wrong: {choices[number].name}: {result!r}")
        finally:
            killer.stop()
        counts = pool.counts
        seconds = time.monotonic() - start
    leaked = _leaked(before)
    for kind, what in leaked.items():
        report(f"leaked {kind}: {what}")
    return {
        "runs": runs,
        "lost": lost,
        "wrong": wrong,
        "leaked": sum(map(len, leaked.values())),
        "killed": killer.killed.total(),
        "killed_by_kind": dict(killer.killed),
        "retried": counts.retried,
        "replaced": counts.replaced,
        "seconds": round(seconds, 1),
        "runs_per_s": round(runs / seconds, 1),
        "sandboxes": size,
        "seed": seed,
    }


def _results(pool: Pool, choices: Sequence[Job], picked: Sequence[int]) -> Any:
    """(number of the job, its result or exception) of each picked job, as they end."""
    waiting: dict[Future[Any], int] = {}
    left = iter(picked)
    with ThreadPoolExecutor(2 * pool.size) as threads:
        done = 0
        while done < len(picked):
            while len(waiting) < 2 * pool.size and (number := next(left, None)) is not None:
                waiting[threads.submit(choices[number].run, pool)] = number
            ended, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in ended:
                done += 1
                yield waiting.pop(future), future.exception() or future.result()


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=4, help="sandboxes in the pool")
    parser.add_argument("--share", type=float, default=0.1, help="kills for each run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="nothing but the JSON object")
    options = parser.parse_args()
    logging.getLogger("hrmgym.sandboxes").setLevel(logging.ERROR)
    isolation.prctl(isolation.PR_SET_CHILD_SUBREAPER, 1)  # so that no orphan escapes the count
    with suppress(OSError):  # so that nobody else's mounts are counted
        isolation.unshare(isolation.CLONE_NEWNS)
        isolation.mount("none", "/", "", isolation.MS_REC | isolation.MS_PRIVATE)
    report = (lambda line: None) if options.json else print
    with tempfile.TemporaryDirectory(prefix="hrmgym-chaos-") as folder:
        tempfile.tempdir = os.environ["TMPDIR"] = folder
        result = measure(
            options.runs, size=options.size, share=options.share, seed=options.seed, report=report
        )
    print(json.dumps(result))
    raise SystemExit(any(result[name] for name in ("lost", "wrong", "leaked")))


if __name__ == "__main__":
    main()
