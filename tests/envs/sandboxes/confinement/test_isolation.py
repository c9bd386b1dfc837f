"""What foreign code is left with: its limits, its place, its power over itself."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable

import pytest

from hrmgym.envs.sandboxes.confinement import isolation

Run = Callable[[str], str]

LIMITS = """
import json, resource
print(json.dumps({name: resource.getrlimit(getattr(resource, name)) for name in dir(resource)
                  if name.startswith("RLIMIT_")}))
"""
EXPECTED = {
    "RLIMIT_CORE": 1,
    "RLIMIT_NOFILE": 512,
    "RLIMIT_MEMLOCK": 1 << 16,
    "RLIMIT_MSGQUEUE": 0,
    "RLIMIT_RTPRIO": 0,
    "RLIMIT_NICE": 0,
    "RLIMIT_SIGPENDING": 4096,
    "RLIMIT_AS": 256 << 20,
    "RLIMIT_FSIZE": 8 << 20,
}


@pytest.mark.parametrize("where", ["inside", "outside"])
def test_every_limit_is_set_for_good(where: str, request: pytest.FixtureRequest) -> None:
    run: Run = request.getfixturevalue(where)
    limits = json.loads(run(LIMITS))
    assert {name: limits[name][1] for name in EXPECTED} == EXPECTED
    assert all(soft <= EXPECTED[name] for name, (soft, _) in limits.items() if name in EXPECTED)
    assert limits["RLIMIT_CPU"] == [10, 11]


def test_the_limits_of_a_run_of_calls(inside_function: Run) -> None:
    limits = json.loads(
        inside_function(
            "import json, resource\n"
            "def f(x):\n"
            "    names = [n for n in dir(resource) if n.startswith('RLIMIT_')]\n"
            "    return json.dumps({n: resource.getrlimit(getattr(resource, n)) for n in names})\n"
        )
    )
    assert {name: limits[name][1] for name in EXPECTED} == EXPECTED


def test_a_limit_that_this_process_has_itself_is_no_error() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert isolation._within(resource.RLIMIT_NOFILE, 16) == 16
    if hard != resource.RLIM_INFINITY:
        assert isolation._within(resource.RLIMIT_NOFILE, hard + 1) == hard
    isolation._limit(resource.RLIMIT_NOFILE, soft, hard)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)


TRICKS = """
import ctypes, os, resource
libc = ctypes.CDLL(None, use_errno=True)
def tries(act):
    try: act()
    except OSError as error: return type(error).__name__
    except ValueError: return "ValueError"
    return "done"
def write(path, text):
    with open(path, "w") as file: file.write(text)
print(tries(lambda: os.setpriority(os.PRIO_PROCESS, 0, -5)))
print(tries(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))))
print(tries(lambda: write("/proc/sys/kernel/core_pattern", "x")))
print(tries(lambda: write("/proc/self/oom_score_adj", "-900")))
print(tries(lambda: resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (9, 9))))
print(tries(lambda: resource.setrlimit(resource.RLIMIT_CORE, (2, 2))))
print("done" if libc.mlock(ctypes.create_string_buffer(2 << 20), 2 << 20) == 0 else "refused")
print(tries(lambda: os.pidfd_open(os.getppid())) if OUTSIDE else "PermissionError")
"""


@pytest.mark.parametrize("where", ["inside", "outside"])
def test_tricks_with_limits_and_priorities(where: str, request: pytest.FixtureRequest) -> None:
    run: Run = request.getfixturevalue(where)
    said = run(f"OUTSIDE = {where == 'outside'}\n{TRICKS}").splitlines()
    assert len(said) == 8
    assert "done" not in said


def test_standard_output_can_be_opened_by_name(inside: Run) -> None:
    program = "import subprocess\nsubprocess.run('echo one >/dev/stdout; echo two >&2', shell=True)"
    assert inside(program) == "one\ntwo\n"


def test_names_of_the_host_are_not_shown(inside: Run) -> None:
    program = (
        "import os, socket\n"
        "print({line.split(':', 2)[2].strip() for line in open('/proc/self/cgroup')})\n"
        "print(socket.gethostname(), len(os.listdir('/dev')), os.getuid())\n"
    )
    groups, rest = inside(program).splitlines()
    assert groups in ("{'/'}", "set()")
    assert rest == f"sandbox 10 {isolation.GUEST_ID}"


def test_watches_on_files_are_counted_within_the_sandbox(inside: Run) -> None:
    program = (
        "import ctypes\n"
        "libc = ctypes.CDLL(None)\n"
        "print(sum(libc.inotify_init() >= 0 for _ in range(100)) <= 32)\n"
    )
    assert inside(program) == "True\n"
