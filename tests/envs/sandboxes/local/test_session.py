"""Bash sessions: what a program that runs in one cannot do to it, and what comes through it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
from swerex.exceptions import SessionNotInitializedError

from hrmgym.envs.sandboxes.local.link import Guest
from hrmgym.envs.sandboxes.local.runtime import SESSION_LIMITS, LocalRuntime
from hrmgym.envs.sandboxes.local.session import BashSession, CommandTimedOut

#: Takes the shell's next input line, with the mark that the host waits for, and answers in its
#: place; then says whether it could.
FORGE = r"""
import os, re, sys
pid, found = os.getpid(), False
while pid > 1:
    with open(f"/proc/{pid}/stat") as file:
        pid = int(file.read().rpartition(")")[2].split()[1])
    for fd in [0, *range(9, 256)]:
        try:
            source = os.open(f"/proc/{pid}/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK)
            line = os.read(source, 4096).decode()
            mark = re.search("[0-9a-f]{16,}", line)
            if not mark: continue
            for out in range(9, 256):
                try:
                    forged = os.open(f"/proc/{pid}/fd/{out}", os.O_WRONLY)
                    os.write(forged, f"{mark[0]} 0\n".encode())
                except OSError: pass
            found = True
        except OSError: pass
    try:
        memory = open(f"/proc/{pid}/mem", "rb")
        found = True
    except OSError: pass
print("could" if found else "could not")
sys.exit(3)
"""


class Driver:
    """One guest, and sessions in it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.runtime = LocalRuntime()
        self.guest: Guest = self.do(self.runtime.ready())
        self.do(self.runtime.write_files({"forge.py": FORGE}))

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def start(self) -> BashSession:
        session: BashSession = self.do(BashSession.start(self.guest, SESSION_LIMITS))
        return session

    def close(self) -> None:
        self.do(self.runtime.close())
        self.loop.close()


@pytest.fixture(scope="module")
def driver() -> Iterator[Driver]:
    made = Driver()
    yield made
    made.close()


@pytest.fixture
def session(driver: Driver) -> Iterator[BashSession]:
    made = driver.start()
    yield made
    driver.do(made.close())


# --- forging ---


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    "command",
    ["python3 forge.py", "(python3 forge.py)", "x=$(python3 forge.py); s=$?; echo $x; (exit $s)"],
)
def test_a_program_cannot_speak_for_the_shell(
    driver: Driver, session: BashSession, command: str, apart: bool
) -> None:
    assert driver.do(session.run(command, 20.0, apart=apart)) == ("could not\n", 3)
    assert driver.do(session.run("echo up", 20.0)) == ("up\n", 0)


def test_the_forger_is_one(driver: Driver) -> None:
    """An ordinary bash, as the sandbox's own programs start it, is taken in."""
    shell = "bash -c 'python3 forge.py; true; exit 0' <<< 'printf 0123456789abcdef01234567' 9>&1"
    session = driver.start()
    assert "could\n" in driver.do(session.run(shell, 20.0))[0]
    driver.do(session.close())


def test_a_subshell_holds_nothing_of_its_shell(driver: Driver, session: BashSession) -> None:
    # 255 is bash's own copy of the output.
    command = "for fd in {3..255}; do (: >&$fd) 2>/dev/null && echo $fd; done; read -t 1 x; echo $?"
    assert driver.do(session.run(command, 20.0, apart=True)) == ("255\n1\n", 0)
    redefined = "printf() { builtin printf '%s 0\\n' \"$2\"; }; eval() { :; }; exit 5"
    assert driver.do(session.run(redefined, 20.0, apart=True)) == ("", 5)
    assert driver.do(session.run("exit 4", 20.0, apart=True)) == ("", 4)
    assert driver.do(session.run("trap 'exit 0' EXIT; exec false", 20.0, apart=True)) == ("", 1)


def test_lines_that_look_like_an_answer(driver: Driver, session: BashSession) -> None:
    command = "for i in 1 2 3; do echo 0123456789abcdef 0 >&2; done; false"
    assert driver.do(session.run(command, 20.0))[1] == 1


# --- what comes through ---


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    ("command", "output", "code"),
    [
        ("if true; then", None, None),
        ("echo 'it''s' \"$(echo 'a b')\"", "its a b\n", 0),
        ("cat <<'E'\n)(\nE", ")(\n", 0),
        ("# a comment", "", 0),
        ("echo a # )", "a\n", 0),
        ("cat < <(echo sub)", "sub\n", 0),
        ("echo x | tee /dev/stderr | cat", None, 0),
        ("echo out > /dev/stdout; echo err > /dev/stderr", "out\nerr\n", 0),
        ("printf '\\000\\001\\377'", "\x00\x01\\xff", 0),
        ("set -e; false; echo no", None, 1),
        ("kill -INT $BASHPID; echo after", None, None),
        ("(exit 200)", "", 200),
    ],
)
def test_commands(
    driver: Driver,
    session: BashSession,
    command: str,
    output: str | None,
    code: int | None,
    apart: bool,
) -> None:
    if command.startswith("set -e") and not apart:
        pytest.skip("it ends the session, as it would end any shell")
    said, status = driver.do(session.run(command, 20.0, apart=apart))
    assert output is None or said == output
    assert status == code or (code is None and status != 0) or command.startswith("kill")
    assert driver.do(session.run("echo up", 20.0)) == ("up\n", 0)


#: What direnv, conda and others do, beside what a virtual environment's own script does.
PROMPTING = r"""
hook() { echo prompt; echo prompt >&2; }
PROMPT_COMMAND="hook;${PROMPT_COMMAND-}"
PS1='(venv) $(echo prompt) \w\n$ ' PS0='run ' PS2='more '
export PS1 PS0 PS2 PROMPT_COMMAND
"""


@pytest.mark.parametrize("apart", [False, True])
def test_in_a_virtual_environment_output_is_the_commands_alone(
    driver: Driver, session: BashSession, apart: bool
) -> None:
    driver.do(driver.runtime.write_files({"prompting": PROMPTING}))
    make = "rm -rf venv; python3 -m venv --without-pip venv"
    activate = ". venv/bin/activate; . ./prompting"
    for command in (make, activate):
        assert driver.do(session.run(command, 60.0, apart=apart)) == ("", 0)
    prefix = "python3 -c 'import sys; print(sys.prefix == sys.base_prefix)'"
    for command, said in (
        (prefix, "False\n"),
        ("echo out; echo err >&2", "out\nerr\n"),
        ("printf 'no newline'", "no newline"),
        ("cat <<E\n$(basename $VIRTUAL_ENV)\nE", "venv\n"),
        ("echo ${PS1::6}", "(venv)\n"),
        (f"deactivate; {prefix}", "True\n"),
        ("echo after", "after\n"),
    ):
        line = f"{activate}\n{command}" if apart else command
        assert driver.do(session.run(line, 60.0, apart=apart)) == (said, 0), command


@pytest.mark.parametrize("apart", [False, True])
def test_a_flood_is_cut_in_the_middle(driver: Driver, session: BashSession, apart: bool) -> None:
    command = "echo first; head -c 30000000 /dev/zero; echo last"
    said, code = driver.do(session.run(command, 60.0, apart=apart))
    assert code == 0
    assert said.startswith("first\n")
    assert said.endswith("last\n")
    assert "bytes left out" in said
    assert len(said) < 2 * SESSION_LIMITS.output_kb * 1024


def test_a_long_command(driver: Driver, session: BashSession) -> None:
    text = "x" * 300_000
    said, _ = driver.do(session.run(f"v={text}; echo ${{#v}}", 60.0))
    assert said == "300000\n"


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    "command",
    [
        "sleep 100",
        "trap '' INT TERM; sleep 100",
        "while :; do :; done",
        "setsid sleep 100 & sleep 100",
        "(trap '' INT; while :; do :; done) & wait",
    ],
)
def test_time_runs_out(driver: Driver, session: BashSession, command: str, apart: bool) -> None:
    begin = time.monotonic()
    with pytest.raises(CommandTimedOut) as caught:
        driver.do(session.run(f"echo begun; {command}", 0.2, apart=apart))
    assert caught.value.output.startswith("begun\n")
    assert time.monotonic() - begin < 20
    if session.alive:
        assert driver.do(session.run("pgrep sleep; echo up", 20.0)) == ("up\n", 0)
    else:
        with pytest.raises(SessionNotInitializedError):
            driver.do(session.run("true", 20.0))


def test_a_kill_of_what_is_left_spares_the_shell(driver: Driver, session: BashSession) -> None:
    driver.do(session.run("x=1; sleep 100 & setsid -f sleep 100", 20.0))
    driver.do(session.kill_rest())
    assert driver.do(session.run("pgrep sleep; echo $x", 20.0)) == ("1\n", 0)
