"""What forks are handed down, and what is left of preparations before a fork."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from hrmgym.envs.sandboxes.local import nursery

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of Linux")

_FAULTS = """
import os, resource, sys
from hrmgym.envs.sandboxes.inside import pages
def faults():
    out, into = os.pipe()
    if not os.fork():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        compile("def f(x):\\n    return [x for _ in range(9)]\\n", "f", "exec")
        after = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        os.write(into, b"%d" % (after - before))
        os._exit(0)
    os.wait()
    return int(os.read(out, 99))
faults()
before = faults()
print(pages.hand_down_files(), before, faults())
"""

_TRACES = """
import gc, json, os, resource, sys
from hrmgym.envs.sandboxes.between import candidate
from hrmgym.envs.sandboxes.inside import calls
calls.warm_up()
def state():
    limits = [resource.getrlimit(which) for which in range(16)]
    return {
        "modules": sorted(sys.modules), "main": id(sys.modules["__main__"]), "path": sys.path[:],
        "finders": [id(finder) for finder in sys.meta_path], "argv": sys.argv, "limits": limits,
        "users": [os.getresuid(), os.getresgid()], "folder": os.getcwd(), "collects": collects(),
        "files": sorted(os.listdir("/proc/self/fd")), "out": id(sys.stdout),
    }
collects = gc.isenabled
before = state()
candidate.warm_up()
after = state()
gc.disable()
candidate.warm_up()
print(json.dumps([before, after, gc.isenabled()]))
"""


def run(code: str) -> str:
    command = nursery.bare_python(code)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_forks_meet_fewer_pages_of_files_again() -> None:
    mappings, before, after = map(int, run(_FAULTS).split())
    if not mappings:
        pytest.skip("this kernel lets no process write to its own programs")
    assert after < before


def test_nothing_is_left_of_a_rehearsal() -> None:
    before, after, collects = json.loads(run(_TRACES))
    assert before == after
    assert not collects
