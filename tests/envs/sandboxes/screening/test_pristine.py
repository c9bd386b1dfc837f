"""Whatever code changes of its process is noticed. Each change is made in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_SCRIPT = """\
import collections, decimal, gc, json, math, os, signal, string, sys, threading, time, warnings
from hrmgym.envs.sandboxes.screening.pristine import Pristine
os.chdir({folder!r})
noted = Pristine(({folder!r}, {folder!r} + "/file"), frozenset({{"own"}}))
assert noted.intact()
{change}
os._exit(40 + noted.intact())
"""
CHANGES = (
    "math.pi = 3",
    "del string.ascii_letters",
    "string.Formatter.format = None",
    "import builtins; builtins.len = max",
    "sys.modules['math'] = collections",
    "del sys.modules['string']",
    "sys.modules['made'] = math",
    "sys.path.append('x')",
    "sys.meta_path.clear()",
    "os.environ['X'] = '1'",
    "os.chdir('/')",
    "open('new', 'w').close()",
    "open('file', 'w').write('other')",
    "os.umask(0o77)",
    "os.dup(0)",
    "sys.setrecursionlimit(500)",
    "sys.settrace(lambda *a: None)",
    "sys.setprofile(lambda *a: None)",
    "gc.disable()",
    "gc.set_threshold(1)",
    "gc.callbacks.append(print)",
    "warnings.simplefilter('error')",
    "signal.signal(signal.SIGUSR1, signal.SIG_IGN)",
    "threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
    "os.fork() or os._exit(0)",
    "sys.stdout = None",
    "decimal.getcontext = None",
)
ALLOWED = ("import json.tool", "sys.modules['own'] = math", "x = [1] * 1000", "math.floor(2.5)")


def _intact(change: str, folder: Path) -> bool:
    (folder / "file").write_text("one")
    script = _SCRIPT.format(folder=str(folder), change=change)
    done = subprocess.run([sys.executable, "-c", script], env=dict(os.environ), check=False)
    assert done.returncode in (40, 41), done
    return done.returncode == 41


def _some(changes: tuple[str, ...]) -> list[Any]:
    """Each starts an interpreter; a few of them by default."""
    marks = [[pytest.mark.nightly] if number % 13 else [] for number in range(len(changes))]
    return [pytest.param(one, marks=mark) for one, mark in zip(changes, marks, strict=True)]


@pytest.mark.parametrize("change", _some(CHANGES))
def test_a_change_is_noticed(change: str, tmp_path: Path) -> None:
    assert not _intact(change, tmp_path)


@pytest.mark.parametrize("change", _some(ALLOWED))
def test_what_is_no_change(change: str, tmp_path: Path) -> None:
    assert _intact(change, tmp_path)
