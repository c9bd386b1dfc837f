"""Code that has had its time comes to an end, or its process does. Each runs in one of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hrmgym.envs.sandboxes.screening import timing

_SCRIPT = """\
import os, sys, time
sys.path.insert(0, {folder!r})
from timing import OutOfTime, Timer
timer = Timer(0.02)
def loop():
    while True:
        pass
def swallows():
    try:
        loop()
    except BaseException:
        return
timer.start()
try:
    try:
{code}
    finally:
        timer.armed = False
except OutOfTime:
    timer.armed = False
    os._exit(50 + timer.rang)
os._exit(40 + timer.rang)
"""
#: What runs -> how the process ends: 40, 41: it returned; 51: it was interrupted.
CODES = {
    "pass": 40,
    "loop()": 51,
    "swallows()": 41,
    "swallows(); swallows()": 41,
    "time.sleep(0.1)": 40,
    "timer.armed = False\nend = time.process_time() + 0.03\n"
    "while time.process_time() < end: pass": 40,
    "for _ in range(2):\n    timer.start()\n    end = time.process_time() + 0.012\n"
    "    while time.process_time() < end: pass": 40,
    "while True: swallows()": -signal.SIGPROF,
    "sum(range(10 ** 12))": -signal.SIGPROF,
}


@pytest.mark.parametrize("code", CODES)
def test_how_it_ends(code: str) -> None:
    folder = str(Path(timing.__file__).parent)  # without the package, which takes a second
    script = _SCRIPT.format(folder=folder, code=textwrap.indent(code, " " * 8))
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], check=False, timeout=60)
    assert done.returncode == CODES[code]
