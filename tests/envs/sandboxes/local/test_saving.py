"""Saving, restoring and forking workspaces that shell commands have changed.

Every test runs over an overlay, over a small workspace without one, and without isolation.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from swerex.runtime.abstract import BashAction, Command, CreateBashSessionRequest

from hrmgym.envs.blobs import Blob, Entry
from hrmgym.envs.sandboxes.executor import WorkspaceTooLargeError
from hrmgym.envs.sandboxes.local import saving
from hrmgym.envs.sandboxes.local.runtime import LocalRuntime
from hrmgym.envs.sandboxes.remote.bench import files_of, tree_of
from hrmgym.envs.workspace import Base, Files
from hrmgym.errors import SandboxError

SMALL = {
    "a": "1",
    "d/b": "2",
    "d/e/c": "3",
    "d/e/g": "4",
    "x y": "5",
}
LARGE = SMALL | {f"many/{i % 7}/{i}": str(i) for i in range(300)}

#: Tells a tree without any of our code.
LIST = r"""
find . -mindepth 1 \( -type f -printf 'f %m %P\n' -o -type l -printf 'l 0 %P -> %l\n' \
    -o -type d -printf 'd %m %P\n' -o -printf 's 0 %P\n' \)
find . -type f -exec sha1sum {} +
"""


class Place:
    """A runtime with its own event loop, and the base that its tests begin with."""

    def __init__(self, *, isolate: bool, base: Base) -> None:
        self.loop = asyncio.new_event_loop()
        self.runtime = LocalRuntime(isolate=isolate)
        self.isolated, self.base = isolate, base

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def change(self, files: Files, command: str, timeout: float | None = 20.0) -> Any:
        return self.do(self.runtime.change(files, command, timeout))

    def bash(self, command: str) -> str:
        action = BashAction(command=command, check="silent", timeout=20.0)
        return str(self.do(self.runtime.run_in_session(action)).output)

    def listing(self) -> list[str]:
        command = Command(command=["sh", "-c", LIST])
        return sorted(self.do(self.runtime.execute(command)).stdout.splitlines())

    def close(self) -> None:
        self.do(self.runtime.close())
        self.loop.close()


PLACES = {
    "overlay": lambda: Place(isolate=True, base=Base.of(LARGE)),
    "small": lambda: Place(isolate=True, base=Base.of(SMALL)),
    "unisolated": lambda: Place(isolate=False, base=Base.of(LARGE)),
}


@pytest.fixture(scope="module", params=PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    made: Place = PLACES[request.param]()
    yield made
    made.close()


@pytest.fixture(scope="module")
def overlay() -> Iterator[Place]:
    """For what does not depend on how the workspace is made."""
    made = PLACES["overlay"]()
    yield made
    made.close()


def told(files: Files) -> list[str]:
    """What `Place.listing` says of a workspace that holds these files."""
    lines = []
    for path, entry in files.entries().items():
        if isinstance(entry.content, Blob):
            lines.append(f"f {entry.mode:o} {path}")
            lines.append(f"{hashlib.sha1(entry.content.data).hexdigest()}  ./{path}")
        elif entry.kind == "l":
            lines.append(f"l 0 {path} -> {entry.content}")
        else:
            lines.append(f"d {entry.mode:o} {path}")
    return sorted(lines)


# --- exactness ---

COMMANDS = {
    "nothing": "true",
    "written": "echo new > a; echo more >> d/b; echo x > new",
    "same content": "cp a a2; rm a; mv a2 a",
    "in place": "printf 9 | dd of=d/e/c conv=notrunc 2>/dev/null",
    "same size and time": "touch -r a $TMPDIR/t; printf 7 > a; touch -r $TMPDIR/t a",
    "hard links": "ln a h; ln d/b h2; echo more >> h2",
    "deleted": "rm a 'x y'; rm -r d/e",
    "deleted and made again": "rm -r d; mkdir d; echo new > d/new",
    "the same folder again": "cp -r d $TMPDIR/d; rm -r d; cp -r $TMPDIR/d d",
    "renamed folder": "mv d z; mv z/e e",
    "renamed over": "mv d/b a; mkdir q; mv d/e q",
    "file to folder": "rm a; mkdir -p a/b; echo 1 > a/b/c",
    "folder to file": "rm -r d; echo 1 > d",
    "folder to link": "rm -r d; ln -s /etc d",
    "links": "ln -s /etc/passwd l; ln -s ../.. up; ln -s gone dead; ln -sf d/b a",
    "permissions": "chmod 755 a; chmod 600 d/b; chmod 700 d; chmod 711 'x y'",
    "empty folders": "mkdir -p m/n/o p",
    "names": r"touch $'new\nline' $'caf\351' -- -n '*' ' ' '$x' '\' .hidden; mkdir -p ./...",
    "special": "mkfifo pipe; rm a; mkfifo a",
    "large": "head -c 3000000 /dev/zero > big; truncate -s 1M hole",
    "deep": "mkdir -p $(printf 'd/%.0s' $(seq 200)); echo 1 > $(printf 'd/%.0s' $(seq 200))f",
    "sparse whiteouts": "rm -r d; mkdir -p d/e; echo 3 > d/e/c; chmod 755 d",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_are_saved_restored_and_forked_exactly(place: Place, name: str) -> None:
    start = place.base.files
    done = place.change(start, COMMANDS[name])
    assert done.output == ""
    if name not in ("special", "names"):
        assert told(done.files) == place.listing()
    place.do(place.runtime.restore(start))
    assert place.listing() == told(start)
    assert place.do(place.runtime.save()) == start
    place.do(place.runtime.restore(done.files))
    if name != "names":
        assert place.listing() == told(done.files)
    again = place.do(place.runtime.save())
    assert again == done.files
    assert again.key == done.files.key


def test_other_sandboxes_are_told_the_same() -> None:
    base = Base.of(SMALL)
    files = (
        base.files.with_text("d/new", b"\xff")
        .without("a")
        .changed(
            {
                "l": Entry("l", 0, "caf\udce9"),
                "m": Entry("d", 0o700),
                "x y": Entry("f", 0o755, Blob.of("5")),
            }
        )
    )
    tree = tree_of(files)
    assert files_of(tree, base) == files
    assert list(tree).index("d") < list(tree).index("d/new")


def test_what_was_found(place: Place) -> None:
    start = place.base.files
    assert place.change(start, "cp a a2; rm a; mv a2 a").files.key == start.key
    files = place.change(start, "chmod 755 a; ln -s /x l; mkdir m; rm d/b; mkfifo p").files
    assert dict(files.changes) == {
        "a": Entry("f", 0o755, Blob.of("1")),
        "l": Entry("l", 0, "/x"),
        "m": Entry("d", 0o755),
        "d/b": None,
    }
    names = place.change(start, COMMANDS["names"]).files
    assert {"new\nline", "caf\udce9", "-n", "*", " ", "$x", "\\", ".hidden"} <= set(names)
    odd = place.change(start, "chmod u+s,+t a; chmod +t d; mkdir m; chmod 4711 m").files
    assert dict(odd.changes) == {"m": Entry("d", 0o711)}
    assert place.change(start, "stat -c %a a d").output == "644\n755\n"
    hard = place.change(start, "ln a h; echo more >> h").files
    assert hard["a"] == hard["h"] == "1more\n"


def test_what_is_locked(place: Place) -> None:
    start = place.base.files
    place.change(start, "cp -r d e; rm -r d; mv e d")  # hides what lies below it from now on
    locked = place.change(start, "chmod 0 d/e/c d/e d a").files
    assert {path: (entry.kind, entry.mode) for path, entry in locked.changes.items() if entry} == {
        "a": ("f", 0),
        "d": ("d", 0),
        "d/e": ("d", 0),
        "d/e/c": ("f", 0),
    }
    place.do(place.runtime.restore(start))
    assert place.listing() == told(start)
    place.do(place.runtime.restore(locked))
    assert place.do(place.runtime.save()) == locked
    more = place.change(locked, "chmod 755 d d/e; chmod 644 d/e/c; cat d/e/c; rm d/e/g")
    assert more.output == "3"
    assert place.change(locked.without("d/e/g"), "ls | head -1").files == locked.without("d/e/g")


def test_the_workspaces_own_folder_may_be_locked(place: Place) -> None:
    files = place.change(place.base.files, "echo 1 > new; chmod 0 .").files
    assert dict(files.changes) == {"new": Entry("f", 0o644, Blob.of("1\n"))}
    assert place.change(files, "cat new").output == "1\n"


PATHS = st.sampled_from(["a", "d", "d/b", "d/e", "d/e/c", "n", "n/o", "n/o/p", "l"])
STEPS = st.one_of(
    st.builds("echo {0} > {1}".format, st.integers(0, 3), PATHS),
    st.builds("echo {0} >> {1}".format, st.integers(0, 3), PATHS),
    st.builds("rm -rf {0}".format, PATHS),
    st.builds("mkdir -p {0}".format, PATHS),
    st.builds("mv -T {0} {1}".format, PATHS, PATHS),
    st.builds("cp -rT {0} {1}".format, PATHS, PATHS),
    st.builds("ln -sfT {0} {1}".format, PATHS, PATHS),
    st.builds("ln -f {0} {1}".format, PATHS, PATHS),
    st.builds("chmod {0} {1}".format, st.sampled_from(["755", "700", "644"]), PATHS),
)


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(STEPS, min_size=1, max_size=6), min_size=1, max_size=3), st.randoms())
def test_any_commands(place: Place, rounds: list[list[str]], random: Any) -> None:
    """States that random commands lead to, and back to any of them in any order."""
    files = place.base.files
    seen = []
    for steps in rounds:
        done = place.change(
            files, f"({'; '.join(steps)}) 2>/dev/null; chmod -R u+rwX . 2>/dev/null"
        )
        files = done.files
        seen.append((files, place.listing()))
        assert seen[-1][1] == told(files)
    random.shuffle(seen)
    for files, listing in seen:
        place.do(place.runtime.restore(files))
        assert place.listing() == listing


# --- what is not part of a state ---


def test_nothing_but_files_outlives_a_change(place: Place, running: Callable[[str], bool]) -> None:
    files = place.change(
        place.base.files, "echo 1 > $TMPDIR/left; cd d; X=1; setsid -f sleep 4719; (sleep 4719 &)"
    ).files
    assert not running("sleep 4719")
    done = place.change(files, "ls -A ${TMPDIR:-/tmp}; echo $X; basename $PWD")
    assert done.output.splitlines()[0] == ""
    assert done.output.splitlines()[1] == "workspace"


def test_a_program_that_writes_on_is_stopped_first(place: Place) -> None:
    command = "(while :; do echo x >> log; done) & sleep 0.05"
    files = place.change(place.base.files, command).files
    assert "log" in files
    assert place.change(files, "sleep 0.05").files == files


def test_output_status_and_time(place: Place) -> None:
    done = place.change(place.base.files, "echo out; echo err >&2; exit 3")
    assert (done.output, done.status) == ("out\nerr\n", 3)
    done = place.change(place.base.files, "echo 1 > new; sleep 100", 0.3)
    assert done.status == 124
    assert done.output.endswith("[killed after 0.3 s]\n")
    assert done.files["new"] == "1\n"
    done = place.change(place.base.files, "if true; then")
    assert done.status != 0
    assert "unexpected end of file" in done.output
    assert place.change(place.base.files, "kill -9 $PPID").files == place.base.files
    assert place.change(place.base.files, "echo up").output == "up\n"


def test_more_than_a_state_may_hold(place: Place) -> None:
    done = place.change(place.base.files, "truncate -s 65M big; echo 1 > a")
    assert done.files == place.base.files
    assert "more than 64 MiB: no change is kept" in done.output
    with pytest.raises(WorkspaceTooLargeError):
        place.do(place.runtime.save())
    assert place.change(place.base.files, "ls big").status != 0


def test_more_files_than_a_state_may_hold(overlay: Place) -> None:
    command = "mkdir m; cd m; seq 20001 | xargs touch"
    assert "more than 20000" in overlay.change(overlay.base.files, command).output


def test_a_program_cannot_hide_the_base(overlay: Place) -> None:
    """What an overlay keeps in its upper layer for itself, made by hand."""
    program = """
import os, stat
for name in ("user.overlay.opaque", "user.overlay.whiteout", "trusted.overlay.opaque"):
    try: os.setxattr("d", name, b"y")
    except OSError: pass
for name in ("many", "new"):
    try: os.mknod(name, stat.S_IFCHR | 0o600, os.makedev(0, 0))
    except OSError: pass
"""
    start = overlay.base.files
    done = overlay.change(start, f"python3 -c '{program}'; ls d; ls /workspace/base 2>&1 | wc -l")
    assert done.output == "b\ne\n1\n"
    assert done.files == start


def test_more_than_fits(overlay: Place) -> None:
    """The workspace is full, and so has to be made anew for the next state."""
    place, fill = overlay, "head -c 600M /dev/zero > big; echo $?"
    assert place.change(place.base.files, fill).output.endswith("no change is kept]\n")
    assert place.change(place.base.files, "echo 1 > a").files["a"] == "1\n"


# --- sessions, bases, runtimes ---


def test_sessions_live_on(place: Place) -> None:
    start = place.base.files
    place.do(place.runtime.restore(start))
    place.do(place.runtime.create_session(CreateBashSessionRequest()))
    place.bash("cd d/e; x=1; sleep 4720 &")
    changed = start.with_text("d/e/c", "new").without("a").with_text("d/e/made", "1")
    place.do(place.runtime.restore(changed))
    assert place.bash("cat c; echo $x; ls; jobs -r | wc -l") == "new1\nc\ng\nmade\n0\n"
    place.do(place.runtime.restore(start))
    assert place.bash("cat c; ls") == "3c\ng\n"
    other = Base.of({f"other{i}": "1" for i in range(200)})
    place.do(place.runtime.restore(other.files))
    assert place.bash("echo $x; ls | wc -l; basename $PWD").splitlines() == ["", "200", "workspace"]
    place.do(place.runtime.restore(changed))
    assert place.bash("cat d/e/c") == "new"
    place.do(place.runtime._end_sessions())


def test_startup_files_of_a_session_are_read_again(place: Place) -> None:
    large = [Base.of({"rc": f"x={i}\n"} | {f"f{j}": "" for j in range(100)}) for i in range(2)]
    place.do(place.runtime.restore(large[0].files))
    request = CreateBashSessionRequest(startup_source=["rc"])
    place.do(place.runtime.create_session(request))
    place.do(place.runtime.restore(large[1].files))
    assert place.bash("echo $x") == "1\n"
    place.do(place.runtime._end_sessions())


def test_many_bases_one_after_the_other(place: Place) -> None:
    bases = [Base.of({f"f{i}": str(n) for i in range(100)}) for n in range(8)]
    for n in (0, 1, 2, 3, 4, 5, 6, 7, 0, 6, 1):
        done = place.change(bases[n].files, "cat f7; echo new > f8")
        assert (done.output, dict(done.files.changes)) == (
            str(n),
            {"f8": Entry("f", 0o644, Blob.of("new\n"))},
        )


def test_a_fork_goes_its_own_way(place: Place) -> None:
    start = place.base.files
    files = place.change(start, "echo 1 > new; rm d/b; chmod 755 a").files
    other = place.do(place.runtime.fork())
    try:
        assert place.do(other.save()) == files
        theirs = place.do(other.change(files, "echo 2 > new; cat a", 20.0))
        assert theirs.output == "1"
        assert place.do(place.runtime.save()) == files
        assert place.change(files, "cat new").output == "1\n"
    finally:
        place.do(other.close())


def test_a_guest_that_is_lost(place: Place) -> None:
    files = place.change(place.base.files, "echo 1 > new").files
    for guest in place.runtime._guests.values():
        place.do(guest.close())
    with pytest.raises(SandboxError):
        place.do(place.runtime.save())
    place.do(place.runtime.restore(files))
    assert place.change(files, "cat new").output == "1\n"


def test_contents_are_sent_once_and_forgotten_together(overlay: Place) -> None:
    """More contents than host and guest keep, back and forth."""
    place = overlay
    start = place.base.files
    block = 12 << 20
    states = [start.with_text("big", bytes([65 + i]) * block) for i in range(4)]
    assert 4 * block > saving._SHARED_BYTES
    for files in (*states, *states[::-1]):
        place.do(place.runtime.restore(files))
        assert place.do(place.runtime.save()) == files
        assert place.change(files, "head -c1 big").output == files["big"][0]


def test_a_workspace_that_was_never_restored() -> None:
    place = Place(isolate=True, base=Base.of({}))
    try:
        place.do(place.runtime.create_session(CreateBashSessionRequest()))
        place.bash("mkdir d; echo 1 > d/x")
        files = place.do(place.runtime.save())
        assert set(files.changes) == {"d", "d/x"}
        place.do(place.runtime.write_files({"y": "2"}))
        assert place.do(place.runtime.save())["y"] == "2"
        place.do(place.runtime.renew(8))
        assert place.do(place.runtime.save()).entries() == {}
    finally:
        place.close()
