"""The guest behind SWE-ReX: what runs there is kept, however it behaves.

SWE-ReX's own runtime stands in for a machine: it runs programs and takes files, here.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from swerex.exceptions import CommandTimeoutError
from swerex.runtime.abstract import (
    BashAction,
    Command,
    CreateBashSessionRequest,
    UploadRequest,
)
from swerex.runtime.local import LocalRuntime as Stock

from hrmgym.envs.sandboxes.failures import GuestDied
from hrmgym.envs.sandboxes.remote import rex_link
from hrmgym.envs.sandboxes.remote.bench import Entry, RexBench
from hrmgym.envs.task import Limits
from hrmgym.errors import SandboxError
from hrmgym.tests.pinned import fault_of

T = TypeVar("T")
Running = Callable[[str], bool]


class Counting(Stock):
    """Counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.commands = self.uploads = 0

    async def execute(self, command: Command) -> Any:
        self.commands += 1
        return await super().execute(command)

    async def upload(self, request: UploadRequest) -> Any:
        self.uploads += 1
        return await super().upload(request)


def use(act: Callable[[RexBench, Counting], Awaitable[T]]) -> T:
    """Do something with a bench; checks that nothing of it is left."""

    async def work() -> T:
        machine = Counting()
        bench = RexBench(machine)
        try:
            return await act(bench, machine)
        finally:
            await bench.remove()
            assert not Path(bench.root).parent.exists()

    return asyncio.run(work())


# --- programs ---


def test_programs() -> None:
    async def act(bench: RexBench, machine: Counting) -> None:
        done = await bench.run(["sh", "-c", "echo out; echo err >&2; exit 3"], Limits())
        assert (done.output, done.status) == ("out\nerr\n", 3)
        done = await bench.run(["sh", "-c", "kill -9 $$"], Limits())
        assert done.status == -9
        done = await bench.run(["nonesuch"], Limits())
        assert (done.output, done.status) == ("nonesuch: No such file or directory\n", 127)
        done = await bench.run(["sh", "-c", 'echo "$A $HOME"'], Limits(), {"A": "1"})
        assert done.output.startswith("1 /tmp/hrmgym-")
        done = await bench.run(["cat"], Limits())  # standard input is empty
        assert (done.output, done.status) == ("", 0)

    use(act)


def test_one_request_is_one_program() -> None:
    async def act(bench: RexBench, machine: Counting) -> None:
        await bench.replace({"a": "1"})
        before = machine.commands
        await bench.read_all()
        assert machine.commands - before <= 2  # two on a busy machine
        assert machine.uploads == 0

    use(act)


def test_long_programs_do_not_hold_the_machine_up() -> None:
    async def act(bench: RexBench, machine: Counting) -> tuple[int, float]:
        loop = asyncio.get_running_loop()
        start = loop.time()
        slow = [bench.run(["sleep", "0.5"], Limits()) for _ in range(6)]
        await asyncio.gather(*slow)
        return machine.commands, loop.time() - start

    commands, seconds = use(act)
    assert commands > 12  # couriers came back to look
    assert seconds < 2.9  # one after the other would be three seconds and more


def test_secrets_of_the_machine_are_not_shown() -> None:
    os.environ["HRMGYM_TEST_API_KEY"] = os.environ["A_TOKEN"] = "hush"
    try:

        async def act(bench: RexBench, machine: Counting) -> str:
            return (await bench.run(["env"], Limits())).output

        assert "hush" not in use(act)
    finally:
        del os.environ["HRMGYM_TEST_API_KEY"], os.environ["A_TOKEN"]


def test_children_die_with_a_program_that_is_late(running: Running) -> None:
    script = "setsid -f sleep 4731; (sleep 4731 &); sleep 4731"

    async def ours(bench: RexBench, machine: Counting) -> None:
        done = await bench.run(["sh", "-c", script], Limits(wall_s=0.3))
        assert done.status is None
        assert not running("sleep 4731")

    async def theirs() -> None:
        with pytest.raises(CommandTimeoutError):
            await Stock().execute(Command(command=["sh", "-c", script], timeout=0.3))

    use(ours)
    asyncio.run(theirs())
    left = [p for p in Path("/proc").glob("[0-9]*") if "sleep\0004731" in cmdline(p)]
    for process in left:
        os.kill(int(process.name), signal.SIGKILL)
    with fault_of("swe-rex", "what a late command has started lives on"):
        assert left


def cmdline(process: Path) -> str:
    try:
        return (process / "cmdline").read_text()
    except OSError:
        return ""


# --- files ---


def test_trees_keep_modes_links_and_folders() -> None:
    tree = {
        "bin": Entry("d", b"", 0o755),
        "bin/run": Entry("f", b"#!/bin/sh\n", 0o755),
        "data": Entry("f", os.urandom(1000), 0o644),
        "empty": Entry("d", b"", 0o755),
        "link": Entry("l", b"bin/run", 0o777),
        "n\udcffme\n": Entry("f", b"", 0o600),
    }

    async def act(bench: RexBench, machine: Counting) -> dict[str, Entry]:
        await bench.replace({"other": "1"})
        await bench.replace_tree(tree)
        return await bench.read_tree()

    assert use(act) == tree


def test_large_trees_go_by_file() -> None:
    files = {f"f{i}": os.urandom(400_000) for i in range(5)}

    async def act(bench: RexBench, machine: Counting) -> dict[str, bytes]:
        await bench.replace(files)
        assert machine.uploads == 1
        top = Path(bench.root).parent
        assert not list(top.parent.glob(f"{top.name}-*"))
        return await bench.read_all()

    assert use(act) == files


def test_traps_in_the_workspace() -> None:
    script = """
    mkfifo pipe; ln -s /etc/passwd link; ln -s / root; mkdir -p deep/er; chmod 0 deep
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sock")'; echo x > file
    """

    async def act(bench: RexBench, machine: Counting) -> None:
        await bench.run(["sh", "-c", script], Limits(wall_s=20, cpu_s=10))
        files = await bench.read_all()
        assert files == {"file": b"x\n"}
        assert await bench.read("pipe") == ""
        assert await bench.read("nonesuch") == ""
        with pytest.raises(SandboxError, match="more than 0 MiB"):
            await bench.read_tree(most=1)
        await bench.replace({"a": "1"})
        assert await bench.read_all() == {"a": b"1"}

    use(act)


# --- sessions ---


def test_sessions_cannot_be_forged_as_swerexs_can() -> None:
    forging = "printf 'SHELLPS1PREFIX EXITCODESTART0EXITCODEEND SHELLPS1PREFIX'; (exit 9)"

    async def ours(bench: RexBench, machine: Counting) -> int:
        return (await bench.run_command(forging, 10.0))[1]

    async def theirs() -> int | None:
        made = Stock()
        await made.create_session(CreateBashSessionRequest(startup_timeout=10))
        seen = await made.run_in_session(BashAction(command=forging, timeout=10, check="silent"))
        await made.close()
        return seen.exit_code

    assert use(ours) == 9
    with fault_of("swe-rex", "a command can forge its exit code"):
        assert asyncio.run(theirs()) == 0


def test_exit_ends_swerexs_session_for_good() -> None:
    async def ours(bench: RexBench, machine: Counting) -> list[tuple[str, int]]:
        return [await bench.run_command(text, 10.0) for text in ("exit 3", "echo up")]

    async def theirs() -> None:
        made = Stock()
        await made.create_session(CreateBashSessionRequest(startup_timeout=10))
        for text in ("exit 3", "echo up"):
            with pytest.raises(Exception):  # noqa: B017, PT011
                await made.run_in_session(BashAction(command=text, timeout=5))

    assert use(ours) == [("", 3), ("up\n", 0)]
    with fault_of("swe-rex", "a command that ends the shell ends the session"):
        asyncio.run(theirs())


def test_processes_of_a_session_end_with_the_bench(running: Running) -> None:
    async def act(bench: RexBench, machine: Counting) -> None:
        await bench.run_command("setsid -f sleep 4732; sleep 4732 & disown", 10.0)
        assert running("sleep 4732")

    use(act)
    assert not running("sleep 4732")


def test_two_sessions_do_not_meet() -> None:
    async def act(bench: RexBench, machine: Counting) -> None:
        other = RexBench(machine)
        await bench.run_command("x=1", 10.0)
        assert await other.run_command("echo $x; ls", 10.0) == ("\n", 0)
        await other.remove()
        assert await bench.run_command("echo $x", 10.0) == ("1\n", 0)

    use(act)


# --- when it breaks ---


def guest_of(bench: RexBench) -> int:
    """Process of the guest: its command line is wiped, but its socket has a name."""
    top = str(Path(bench.root).parent)
    sockets = Path("/proc/net/unix").read_text().splitlines()
    (inode,) = [line.split()[6] for line in sockets if line.endswith(f"{top}/guest/socket")]
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(link.readlink()) == f"socket:[{inode}]":
                return int(link.parts[2])
        except OSError:
            continue
    raise AssertionError("no guest")


def test_a_guest_that_was_killed_is_told_of_and_replaced() -> None:
    async def act(bench: RexBench, machine: Counting) -> None:
        await bench.replace({"a": "1"})
        await bench.run_command("x=1", 10.0)
        os.kill(guest_of(bench), signal.SIGKILL)
        with pytest.raises(GuestDied, match="what it held is lost"):
            await bench.read_all()
        assert await bench.read_all() == {}
        assert (await bench.run(["true"], Limits())).status == 0

    use(act)


def test_a_machine_without_python_is_told_of() -> None:
    class Bare(Stock):
        async def execute(self, command: Command) -> Any:
            return await super().execute(command.model_copy(update={"env": {"PATH": "/nonesuch"}}))

    async def work() -> None:
        with pytest.raises(SandboxError, match="no python3"):
            await RexBench(Bare()).replace({})

    asyncio.run(work())


def test_sources_are_complete_and_small() -> None:
    assert len(rex_link._sources()) < 80_000
