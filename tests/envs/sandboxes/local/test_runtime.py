"""The SWE-ReX interface of the local runtime, with isolation and without."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from swerex.exceptions import (
    BashIncorrectSyntaxError,
    CommandTimeoutError,
    NonZeroExitCodeError,
    SessionDoesNotExistError,
    SessionExistsError,
)
from swerex.runtime.abstract import (
    AbstractRuntime,
    BashAction,
    BashInterruptAction,
    CloseBashSessionRequest,
    Command,
    CreateBashSessionRequest,
    ReadFileRequest,
    UploadRequest,
    WriteFileRequest,
)

from hrmgym.envs.sandboxes.local.runtime import LocalRuntime
from hrmgym.envs.task import Limits
from hrmgym.errors import SandboxError


class Driver:
    """A runtime with its own event loop, and short ways to use it."""

    def __init__(self, *, isolate: bool) -> None:
        self.loop = asyncio.new_event_loop()
        self.isolated = isolate
        self.runtime = LocalRuntime(isolate=isolate)

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def open(self, session: str = "default") -> None:
        self.do(self.runtime.create_session(CreateBashSessionRequest(session=session)))

    def bash(self, command: str, **options: Any) -> tuple[str, int | None]:
        action = BashAction(command=command, **{"check": "silent", "timeout": 20.0, **options})
        seen = self.do(self.runtime.run_in_session(action))
        return seen.output, seen.exit_code

    def execute(self, command: str | list[str], **options: Any) -> Any:
        return self.do(self.runtime.execute(Command(command=command, **options)))

    def close(self) -> None:
        self.do(self.runtime.close())
        self.loop.close()


@pytest.fixture(scope="module", params=[True, False], ids=["isolated", "unisolated"])
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    made = Driver(isolate=request.param)
    yield made
    made.close()


@pytest.fixture
def shell(driver: Driver) -> Iterator[Driver]:
    """The driver with a fresh workspace and a default session."""
    driver.do(driver.runtime.wipe())
    driver.open()
    yield driver
    if "default" in driver.runtime._sessions:
        driver.do(driver.runtime.close_session(CloseBashSessionRequest()))


def test_it_is_a_swerex_runtime(driver: Driver) -> None:
    assert isinstance(driver.runtime, AbstractRuntime)
    assert driver.do(driver.runtime.is_alive(timeout=20))


# --- sessions ---


def test_session_keeps_its_state(shell: Driver) -> None:
    root = shell.bash("pwd")[0].strip()
    assert shell.bash("mkdir -p a/b && cd a/b; x=5; export Y=6; g() { echo g$1; }") == ("", 0)
    assert shell.bash("pwd; echo $x $Y; g 7") == (f"{root}/a/b\n5 6\ng7\n", 0)


@pytest.mark.parametrize(
    ("command", "output", "code"),
    [
        ("true", "", 0),
        ("false", "", 1),
        ("(exit 42)", "", 42),
        ("echo -n no newline", "no newline", 0),
        ("cat <<EOF\none $((1 + 1))\nEOF\necho three", "one 2\nthree\n", 0),
        ("for i in 1 2; do\n  echo $i\ndone", "1\n2\n", 0),
        ("echo out; echo err >&2", "out\nerr\n", 0),
        ("echo \"it's\" '\"quoted\"' a!b '$x' \\\\", 'it\'s "quoted" a!b $x \\\n', 0),
        ("# only a comment", "", 0),
        ("", "", 0),
        ("cat; read line; echo $?", "1\n", 0),
        ("printf '\\303\\251\\377'", "é\\xff", 0),
        ("echo é ü", "é ü\n", 0),
        ("nosuchprogram", "bash: nosuchprogram: command not found\n", 127),
        ("kill -9 $BASHPID & wait $!", None, 137),
        ("printf 'x %s' 0 >&9", None, 1),
    ],
)
def test_commands(shell: Driver, command: str, output: str | None, code: int) -> None:
    said, status = shell.bash(command)
    assert status == code
    assert output is None or said == output
    assert shell.bash("echo still here") == ("still here\n", 0)


def test_check_raises_for_exit_codes(shell: Driver) -> None:
    with pytest.raises(NonZeroExitCodeError, match=r"mine: .*exit code 3"):
        shell.bash("(exit 3)", check="raise", error_msg="mine")
    assert shell.bash("(exit 3)", check="ignore") == ("", None)


def test_syntax_errors(shell: Driver) -> None:
    with pytest.raises(BashIncorrectSyntaxError) as caught:
        shell.bash("if true; then echo x")
    assert "unexpected end of file" in caught.value.extra_info["bash_stderr"]
    assert shell.bash("echo 'bash: syntax error'; (exit 2)") == ("bash: syntax error\n", 2)


def test_timeout_kills_the_command_and_keeps_the_shell(
    shell: Driver, running: Callable[[str], bool]
) -> None:
    shell.bash("x=kept")
    with pytest.raises(CommandTimeoutError) as caught:
        shell.bash("echo before; setsid sleep 4712.1 & sleep 4712.2; echo after", timeout=0.3)
    assert caught.value.output.startswith("before\n")
    assert "after" not in caught.value.output
    assert shell.bash("echo $x") == ("kept\n", 0)
    assert not running("sleep 4712.")


def test_timeout_of_a_program_that_ignores_signals(shell: Driver) -> None:
    program = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(99)"
    with pytest.raises(CommandTimeoutError):
        shell.bash(f"python -S -c '{program}'", timeout=0.5)
    assert shell.bash("echo back") == ("back\n", 0)


def test_timeout_of_a_shell_that_does_not_let_go_ends_the_session(shell: Driver) -> None:
    with pytest.raises(CommandTimeoutError):
        shell.bash("trap '' INT; while :; do sleep 0.05; done", timeout=0.3)
    with pytest.raises(SessionDoesNotExistError):
        shell.bash("echo")


def test_interrupt(shell: Driver) -> None:
    async def both() -> Any:
        action = BashAction(command="sleep 4713; echo after", check="silent")
        command = asyncio.ensure_future(shell.runtime.run_in_session(action))
        await asyncio.sleep(0.2)
        await shell.runtime.run_in_session(BashInterruptAction())
        return await command

    seen = shell.do(both())
    assert seen.exit_code == 130
    assert "after" not in seen.output
    assert shell.bash("echo back") == ("back\n", 0)


def test_interrupting_an_idle_session_does_nothing(shell: Driver) -> None:
    shell.do(shell.runtime.run_in_session(BashInterruptAction()))
    assert shell.bash("echo back")[1] == 0


def test_exit_ends_the_session(shell: Driver) -> None:
    assert shell.bash("echo bye; exit 7") == ("bye\n", 7)
    with pytest.raises(SessionDoesNotExistError):
        shell.bash("echo")


def test_closing_a_session_kills_its_daemons(
    driver: Driver, running: Callable[[str], bool]
) -> None:
    driver.open("other")
    driver.bash("setsid -f sleep 4714.1; nohup sleep 4714.2 & disown", session="other")
    assert running("sleep 4714.1")
    driver.do(driver.runtime.close_session(CloseBashSessionRequest(session="other")))
    assert not running("sleep 4714.")


def test_sessions_are_apart_and_run_at_once(driver: Driver) -> None:
    for name in ("a", "b"):
        driver.open(name)

    async def both() -> list[Any]:
        # each waits for what the other writes: one after the other would not end
        commands = {
            "a": "touch /tmp/a; until [ -e /tmp/b ]; do sleep 0.01; done; cd /; echo $PWD",
            "b": "touch /tmp/b; until [ -e /tmp/a ]; do sleep 0.01; done; cd /usr; echo $PWD",
        }
        if not driver.isolated:
            commands = {k: v.replace("/tmp", "$TMPDIR") for k, v in commands.items()}
        actions = [
            BashAction(command=text, session=name, timeout=20.0) for name, text in commands.items()
        ]
        return await asyncio.gather(*map(driver.runtime.run_in_session, actions))

    assert [seen.output for seen in driver.do(both())] == ["/\n", "/usr\n"]
    for name in ("a", "b"):
        driver.do(driver.runtime.close_session(CloseBashSessionRequest(session=name)))


def test_names_of_sessions(shell: Driver) -> None:
    with pytest.raises(SessionExistsError):
        shell.open()
    with pytest.raises(SessionDoesNotExistError):
        shell.bash("echo", session="nobody")


def test_large_output_keeps_its_beginning_and_end(shell: Driver) -> None:
    said, code = shell.bash("echo begin; head -c 5000000 /dev/zero | tr '\\0' x; echo; echo end")
    assert code == 0
    assert said.startswith("begin\nxxx")
    assert said.endswith("xxx\nend\n")
    assert "bytes left out]" in said
    assert len(said) < 4_300_000


def test_what_needs_a_terminal_is_refused(shell: Driver) -> None:
    with pytest.raises(ValueError, match="terminal"):
        shell.bash("python", is_interactive_command=True)
    with pytest.raises(ValueError, match="NUL"):
        shell.bash("echo \0")


# --- commands ---


def test_execute(driver: Driver) -> None:
    done = driver.execute("echo out; echo err >&2; exit 3", shell=True)
    assert (done.stdout, done.stderr, done.exit_code) == ("out\n", "err\n", 3)
    done = driver.execute("echo out; echo err >&2", shell=True, merge_output_streams=True)
    assert (done.stdout, done.stderr) == ("out\nerr\n", "")
    done = driver.execute(["printf", "%s|", "a b", "$x", "*"])
    assert done.stdout == "a b|$x|*|"


def test_execute_environment_folder_and_input(driver: Driver) -> None:
    driver.do(driver.runtime.write_files({"sub/x": "1"}))
    done = driver.execute("echo $A; ls; cat; type python", shell=True, env={"A": "b"}, cwd="sub")
    assert done.stdout.splitlines()[:2] == ["b", "x"]
    assert "python is " in done.stdout


def test_execute_what_is_not_there(driver: Driver) -> None:
    assert driver.execute(["nosuchprogram"]).exit_code == 127
    assert "No such file" in driver.execute(["ls"], cwd="no/such").stderr


def test_execute_check(driver: Driver) -> None:
    with pytest.raises(NonZeroExitCodeError, match="exit code 1"):
        driver.execute(["false"], check=True)


def test_execute_kills_what_is_left(driver: Driver, running: Callable[[str], bool]) -> None:
    assert driver.execute("setsid -f sleep 4715.1; echo done", shell=True).stdout == "done\n"
    with pytest.raises(CommandTimeoutError):
        driver.execute("setsid sleep 4715.2 & sleep 4715.3", shell=True, timeout=0.3)
    assert not running("sleep 4715.")


def test_execute_at_once(driver: Driver) -> None:
    async def many() -> list[Any]:
        commands = [Command(command=f"sleep 0.05; echo {i}", shell=True) for i in range(6)]
        return await asyncio.gather(*map(driver.runtime.execute, commands))

    assert [done.stdout for done in driver.do(many())] == [f"{i}\n" for i in range(6)]


def test_limits_of_a_program(driver: Driver) -> None:
    limits = Limits(cpu_s=1, memory_mb=64, file_mb=1, output_kb=4)

    def run(script: str) -> Any:
        command = Command(command=["python", "-S", "-c", script], timeout=20)
        return driver.do(driver.runtime.run_program(command, limits))

    assert run("while True: pass").status == -24  # SIGXCPU
    assert "MemoryError" in run("bytearray(1 << 28)").stderr
    assert run("open('big', 'wb').write(bytes(2 << 20))").status != 0
    assert len(run("print('x' * 100_000)").stdout) < 5000
    assert run("pass").cpu_s > 0


# --- files ---


def test_files_there_and_back(driver: Driver) -> None:
    driver.do(driver.runtime.wipe())
    driver.do(driver.runtime.write_file(WriteFileRequest(path="a/b.txt", content="é\n")))
    assert driver.do(driver.runtime.read_file(ReadFileRequest(path="a/b.txt"))).content == "é\n"
    driver.do(driver.runtime.write_files({"c.bin": b"\xff\0", "a/b.txt": "short"}))
    assert driver.do(driver.runtime.read_files()) == {"a/b.txt": b"short", "c.bin": b"\xff\0"}
    with pytest.raises(UnicodeDecodeError):
        driver.do(driver.runtime.read_file(ReadFileRequest(path="c.bin")))
    driver.do(driver.runtime.replace_files({"d": "1"}))
    assert driver.do(driver.runtime.read_files()) == {"d": b"1"}


def test_reading_what_is_no_file(driver: Driver) -> None:
    driver.do(driver.runtime.replace_files({"folder/x": ""}))
    driver.execute(["mkfifo", "pipe"])
    for path, error in {
        "nothing": FileNotFoundError,
        "folder": IsADirectoryError,
        "pipe": OSError,
        "/dev/zero": OSError,
        "folder/x/y": NotADirectoryError,
    }.items():
        with pytest.raises(error):
            driver.do(driver.runtime.read_file(ReadFileRequest(path=path)))


def test_links_are_not_followed_out_of_the_workspace(driver: Driver) -> None:
    driver.do(driver.runtime.replace_files({"real": "1"}))
    driver.execute("ln -s /etc/passwd l; ln -s /etc e; ln -s . loop; mkfifo p", shell=True)
    assert driver.do(driver.runtime.read_files()) == {"real": b"1"}
    driver.do(driver.runtime.wipe())
    assert driver.execute(["ls", "-A"]).stdout == ""
    assert Path("/etc/passwd").exists()


def test_workspace_that_is_too_large_to_read(driver: Driver) -> None:
    driver.do(driver.runtime.replace_files({"a": b"x" * 600, "b": b"x" * 600}))
    assert len(driver.do(driver.runtime.read_files(most=1200))) == 2
    with pytest.raises(SandboxError, match="more than"):
        driver.do(driver.runtime.read_files(most=1199))


def test_wiping_deep_and_locked_trees(driver: Driver) -> None:
    driver.execute("mkdir -p $(printf 'd/%.0s' $(seq 300)) x/y; chmod 0 x/y x", shell=True)
    driver.do(driver.runtime.wipe())
    assert driver.do(driver.runtime.read_files()) == {}


def test_upload(driver: Driver, tmp_path: Path) -> None:
    driver.do(driver.runtime.wipe())
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "sub" / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (tmp_path / "tree" / "sub" / "run.sh").chmod(0o755)
    (tmp_path / "tree" / "data").write_bytes(b"\0")

    def upload(source: Path, target: str) -> None:
        request = UploadRequest(source_path=str(source), target_path=target)
        driver.do(driver.runtime.upload(request))

    upload(tmp_path / "tree", "here")
    upload(tmp_path / "tree" / "data", "one")
    assert set(driver.do(driver.runtime.read_files())) == {"here/sub/run.sh", "here/data", "one"}
    assert driver.execute(["here/sub/run.sh"]).stdout == "ran\n"
    with pytest.raises(FileNotFoundError):
        upload(tmp_path / "nothing", "x")


# --- the sandbox's own tools ---


def test_pytest_is_there_and_nothing_else_of_ours(driver: Driver) -> None:
    driver.do(driver.runtime.replace_files({"test_x.py": "def test_x(): assert 1 + 1 == 2\n"}))
    done = driver.execute(["pytest", "-q", "-p", "no:cacheprovider"])
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    if driver.isolated:
        assert driver.execute(["python", "-c", "import hrmgym"]).exit_code == 1
        assert driver.execute(["python", "-c", "import numpy"]).exit_code == 1


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")
def test_compilers_of_the_system_work(driver: Driver) -> None:
    driver.do(driver.runtime.replace_files({"a.c": '#include <stdio.h>\nint main(){puts("c");}'}))
    assert driver.execute("gcc a.c -o a && ./a", shell=True).stdout == "c\n"
