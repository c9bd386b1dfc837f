"""Landlock: what foreign code may reach without namespaces, and what a program inside may."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import hrmgym
from hrmgym.envs.sandboxes.confinement import isolation, landlock

Run = Callable[[str], str]
pytestmark = pytest.mark.skipif(not landlock.abi(), reason="this kernel has no Landlock")


def in_fork(act: Callable[[], object]) -> str:
    """What `act` does in a process of its own, as a word."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            isolation.prctl(isolation.PR_SET_NO_NEW_PRIVS, 1)
            said = str(act())
        except OSError as error:
            said = type(error).__name__
        os.write(into, said.encode())
        os._exit(0)
    os.close(into)
    with os.fdopen(out) as file:
        text = file.read()
    os.waitpid(child, 0)
    return text


@pytest.mark.parametrize("alone", [True, False])
def test_rules(tmp_path: Path, alone: bool) -> None:
    (tmp_path / "free").mkdir()
    (tmp_path / "kept").write_text("kept")
    grants = [(str(tmp_path / "free"), landlock.WRITE), (str(tmp_path / "no"), landlock.WRITE)]

    def restricted(act: Callable[[], object]) -> str:
        def both() -> object:
            landlock.restrict(grants, alone=alone)
            return act()

        return in_fork(both)

    assert restricted(lambda: (tmp_path / "free/a").write_text("x")) == "1"
    assert restricted((tmp_path / "free/a").read_text) == "x"
    assert restricted(lambda: (tmp_path / "kept").write_text("x")) == "PermissionError"
    assert restricted((tmp_path / "kept").unlink) == "PermissionError"
    assert restricted(lambda: os.truncate(tmp_path / "kept", 0)) == "PermissionError"
    seen = "PermissionError" if alone else "kept"
    assert restricted((tmp_path / "kept").read_text) == seen
    assert (tmp_path / "kept").read_text() == "kept"


def test_one_ruleset_for_many_processes_that_cannot_change_it(tmp_path: Path) -> None:
    def use() -> str:
        rules = landlock.Ruleset([("/", landlock.READ)])
        first = in_fork(lambda: (rules.restrict(), (tmp_path / "a").write_text("x")))
        second = in_fork(lambda: (rules.restrict(), open_descriptors() - before)[1])
        return f"{first} {second}"

    before = open_descriptors()
    assert in_fork(use) == "PermissionError set()"


def open_descriptors() -> set[str]:
    found = set()
    for path in Path("/proc/self/fd").iterdir():
        try:
            found.add(str(path.readlink()))
        except OSError:
            continue  # the one that listed them
    return {name for name in found if "landlock" in name}


def test_hidden_folders_are_left_out(tmp_path: Path) -> None:
    for name in ("shown", "site/hidden", "site/other"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "site/link").symlink_to(tmp_path / "site/hidden")
    top = str(tmp_path)
    grants = dict(landlock._around(top, [f"{top}/site/hidden"]))
    assert grants == {
        top: landlock.READ_DIR,
        f"{top}/shown": landlock.READ,
        f"{top}/site": landlock.READ_DIR,
        f"{top}/site/other": landlock.READ,
    }


# --- foreign code without namespaces -------------------------------------------------------------

TRY = """
import os, sys
for act in {acts!r}:
    try: print(eval(act) and "done")
    except PermissionError: print("refused")
    except OSError as error: print(error.strerror)
"""


def test_the_users_files_are_out_of_reach(outside: Run, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    home = Path.home()
    reads = [mine, Path(__file__), Path(hrmgym.envs.__path__[0]) / "task.py"]
    acts = [f"open({str(path)!r}).read()" for path in reads]
    acts += [f"os.listdir({str(path)!r})" for path in (home, tmp_path, "/etc", "/dev/shm", "/tmp")]
    acts += [f"open({str(mine)!r}, {mode!r})" for mode in ("w", "a", "r+")]
    acts += [f"os.{name}({str(mine)!r})" for name in ("unlink", "remove")]
    acts += [
        f"os.rename({str(mine)!r}, 'mine')",
        f"os.link({str(mine)!r}, 'mine')",
        f"os.truncate({str(mine)!r}, 0)",
        f"os.mkdir({str(tmp_path / 'new')!r})",
        f"os.symlink('x', {str(tmp_path / 'new')!r})",
        f"open({str(home / 'hrmgym-was-here')!r}, 'w')",
        "open('/dev/shm/hrmgym-was-here', 'w')",
        f"os.symlink({str(mine)!r}, 'link') or open('link').read()",
        f"open('/proc/{os.getpid()}/environ').read()",
        f"open('/proc/{os.getpid()}/mem', 'r+')",
    ]
    said = outside(TRY.format(acts=acts)).splitlines()
    allowed = [act for act, word in zip(acts, said, strict=True) if word != "refused"]
    # A hard link across file systems is refused for another reason.
    assert not [act for act in allowed if "os.link" not in act], said
    assert mine.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [mine]


def test_its_own_folders_are_within_reach(outside: Run) -> None:
    acts = [
        "open('a', 'w').write('x')",
        "os.rename('a', os.environ['TMPDIR'] + '/b') is None",
        "os.mkdir('c') is None",
        "os.mkfifo('d') is None",
        "open('/dev/null', 'w').write('x')",
        "open('/dev/urandom', 'rb').read(1)",
        "__import__('pytest').__name__",
        "__import__('subprocess').run(['sh', '-c', 'cat /proc/self/status >x']).returncode == 0",
        "len(open('x').read()) > 9",
    ]
    said = outside(TRY.format(acts=[f"bool({act})" for act in acts])).splitlines()
    assert said == ["done"] * len(acts)


def test_signals_reach_nobody_else(outside: Run) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            acts = [f"os.kill({other.pid}, {number}) is None" for number in (0, 9, 15)]
            acts += ["os.kill(-1, 9) is None", f"os.kill({os.getpid()}, 15) is None"]
            said = outside(TRY.format(acts=acts)).splitlines()
            alive = other.poll() is None
        finally:
            other.send_signal(signal.SIGKILL)
    scoped = landlock.abi() >= 6
    assert said[3:] == ["refused", "refused"]
    assert (said[:3], alive) == (["refused"] * 3, True) or not scoped


# --- programs in a sandbox -----------------------------------------------------------------------


def test_a_program_inside_writes_in_its_scratch_space_only(inside: Run) -> None:
    acts = [
        "open('a', 'w').write('x')",
        "os.rename('a', 'b') is None",
        "open('/tmp/c', 'w').write('x')",
        "open('/dev/null', 'w').write('x')",
        "open('/proc/self/comm', 'w').write('x')",
        "open('/usr/x', 'w')",
        "open('/x', 'w')",
    ]
    said = inside(TRY.format(acts=acts)).splitlines()
    assert said[:5] == ["done"] * 5
    assert "done" not in said[5:]
