"""What every sandbox does alike: the same tests, whatever the configuration block says."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

import pytest

from hrmgym.envs.sandboxes.config import (
    DockerSandboxConfig,
    LocalSandboxConfig,
    RemoteSandboxConfig,
    SandboxConfig,
)
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.inside.values import Opaque
from hrmgym.envs.task import (
    CallTests,
    CommandTests,
    Limits,
    PytestTests,
    Status,
    StdioCase,
    StdioTests,
)
from hrmgym.errors import CodeError, SandboxError
from hrmgym.tests.rexserver import TOKEN, swerex_remote

Make = Callable[..., CallTests]
IMAGE = os.environ.get("HRMGYM_TEST_IMAGE", "")
#: Long enough for a busy machine.
LIMITS = Limits(cpu_s=1.0, wall_s=20.0, memory_mb=512, output_kb=16, file_mb=8)


@pytest.fixture(
    scope="module",
    params=["local", "remote", pytest.param("docker", marks=pytest.mark.needs_docker)],
)
def config(request: pytest.FixtureRequest) -> Iterator[SandboxConfig]:
    if request.param == "local":
        yield LocalSandboxConfig()
    elif request.param == "remote":
        with swerex_remote() as port:
            yield RemoteSandboxConfig(auth_token=TOKEN, port=port)
    elif not IMAGE:
        pytest.skip("no HRMGYM_TEST_IMAGE; see tests/docker/engine.sh")
    else:
        yield DockerSandboxConfig(image=IMAGE, pull="never")


@pytest.fixture(scope="module")
def place(config: SandboxConfig) -> Iterator[Sandbox]:
    with Sandbox(config) as made:
        yield made


# --- tests ---


def test_calls(place: Sandbox, calls: Make) -> None:
    files = {"f.py": "def f(x):\n    return {x: (x, [x])}\n"}
    assert place.run_tests(files, calls(((2,), {2: (2, [2])})), LIMITS).resolved
    wrong = place.run_tests(files, calls(((2,), 3)), LIMITS)
    assert wrong.message == "f(2) returned {2: (2, [2])}, expected 3"
    files = {"f.py": "def f(x):\n    while True: pass\n"}
    assert place.run_tests(files, calls(((2,), 4)), LIMITS).message == "f(2) timed out"
    files = {"f.py": "import os\ndef f(x):\n    os._exit(3)\n"}
    ended = place.run_tests(files, calls(((2,), 4)), LIMITS)
    assert ended.message == "f(2) ended its process with exit code 3"


def test_a_call(place: Sandbox) -> None:
    text = "import os\nclass C:\n    @staticmethod\n    def f(x, y=1): return {x: (y, [os])}\n"
    files = {"lib/f.py": text}
    (found,) = place.call(files, "lib/f.py", "C.f", ("a",), LIMITS).values()
    assert found[0] == 1
    assert isinstance(found[1][0], Opaque)
    with pytest.raises(SandboxError, match="cannot go into a sandbox"):
        place.call(files, "lib/f.py", "C.f", (place,), LIMITS)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 1 / x", r"f\(0\) raised ZeroDivisionError: division by zero \(line 3\)"),
        ("while True: pass", "timed out"),
        ("os._exit(3)", "ended its process with exit code 3"),
        ("os.kill(os.getpid(), 9)", "was killed by SIGKILL"),
        ("print(json.dumps(['ok', 1]), flush=True); os._exit(0)", "ended its process with exit"),
    ],
)
def test_a_call_that_does_not_return(place: Sandbox, body: str, said: str) -> None:
    files = {"f.py": f"import json, os\ndef f(x):\n    {body}\n"}
    with pytest.raises(CodeError, match=said):
        place.call(files, "f.py", "f", (0,), LIMITS)
    with pytest.raises(CodeError, match="ModuleNotFoundError"):
        place.call({"f.py": "import nothing"}, "f.py", "f", (0,), LIMITS)


def test_pytest(place: Sandbox) -> None:
    module = "import lib\ndef test_1(): assert lib.x == 1\ndef test_2(): assert lib.x == 2\n"
    ids = ("test_a.py::test_1", "test_a.py::test_2")
    tests = PytestTests(files={"test_a.py": module}, ids=ids)
    outcome = place.run_tests({"lib.py": "x = 1\n"}, tests, Limits(cpu_s=10, wall_s=60))
    assert list(outcome.tests.values()) == [Status.PASSED, Status.FAILED]
    outcome = place.run_tests({"lib.py": "x = \n"}, tests, Limits(cpu_s=10, wall_s=60))
    assert list(outcome.tests.values()) == [Status.ERROR, Status.ERROR]
    assert outcome.path == "lib.py"


def test_stdio(place: Sandbox) -> None:
    cases = tuple(StdioCase(id=text, stdin=text, expected=text[::-1]) for text in ("ab\n", "c"))
    tests = StdioTests(path="p.py", cases=cases, compare="tokens")
    files = {"p.py": "print(input()[::-1])\n"}
    assert place.run_tests(files, tests, LIMITS).resolved
    assert not place.run_tests({"p.py": "print(input())\n"}, tests, LIMITS).resolved


def test_commands(place: Sandbox) -> None:
    there = CommandTests(command=("test", "-f", "x"))
    assert place.run_tests({"x": ""}, there, LIMITS).resolved
    outcome = place.run_tests({}, there, LIMITS)
    assert list(outcome.tests.values()) == [Status.FAILED]
    slow = CommandTests(command=("sleep", "60"))
    outcome = place.run_tests({}, slow, Limits(cpu_s=1, wall_s=0.3))
    assert list(outcome.tests.values()) == [Status.TIMEOUT]


def test_limits(place: Sandbox) -> None:
    hog = ("python3", "-c", "x = bytearray(1 << 30)")
    assert not place.run_tests({}, CommandTests(command=hog), LIMITS).resolved
    large = ("sh", "-c", "head -c 20000000 /dev/zero > x")
    assert not place.run_tests({}, CommandTests(command=large), LIMITS).resolved
    spin = CommandTests(command=("sh", "-c", "while :; do :; done"))
    outcome = place.run_tests({}, spin, LIMITS)
    assert list(outcome.tests.values()) == [Status.TIMEOUT]
    flood = CommandTests(command=("sh", "-c", "head -c 3000000 /dev/zero; exit 1"))
    assert len(place.run_tests({}, flood, LIMITS).message) <= 300


def test_nothing_of_a_run_is_left(place: Sandbox) -> None:
    script = 'touch x "$TMPDIR"/x; setsid -f sleep 4716; (sleep 4716 &) ; sleep 60'
    litter = CommandTests(command=("sh", "-c", script))
    outcome = place.run_tests({}, litter, Limits(cpu_s=1, wall_s=0.5))
    assert list(outcome.tests.values()) == [Status.TIMEOUT]
    look = 'test -z "$(ls -A . "$TMPDIR" | grep x; pgrep -f "sleep 471[6]")"'
    assert place.run_tests({}, CommandTests(command=("sh", "-c", look)), LIMITS).resolved


# --- the workspace and its session ---


def test_files(place: Sandbox) -> None:
    files = {"a/b": b"1", "c": b"\xff", "sp ace\n": b"", "\xe9": b"2" * 2_000_000}
    place.put_files(files)
    assert place.get_files() == files
    place.run_command("ln -s /etc/passwd l; mkfifo p; mkdir e")
    assert place.get_files() == files
    place.put_files({"d": "text"})
    assert place.get_files() == {"d": b"text"}


def test_session_keeps_its_state(place: Sandbox) -> None:
    place.put_files({"a/b": "1"})
    assert place.run_command("x=5; f() { echo f$x; }; cd a") == ("", 0)
    assert place.run_command("f; cat b; (exit 3)") == ("f5\n1", 3)
    assert place.run_command("cd ..; basename $PWD; false") == ("workspace\n", 1)


def test_session_survives_timeouts_and_syntax_errors(place: Sandbox) -> None:
    place.run_command("y=6")
    output, code = place.run_command("echo started; sleep 61", timeout_s=0.5)
    assert code == 124
    assert output.startswith("started\n")
    assert output.endswith("[killed after 0.5 s]\n")
    assert place.run_command("echo $y") == ("6\n", 0)
    stubborn = "trap '' INT TERM; setsid -f sleep 4715; while :; do sleep 0.01; done"
    assert place.run_command(stubborn, timeout_s=0.5)[1] == 124
    assert place.run_command("pgrep -f 'sleep 471[5]'") == ("", 1)
    output, code = place.run_command("if true; then")
    assert code == 2
    assert "unexpected end of file" in output
    assert place.run_command("echo back") == ("back\n", 0)


def test_session_that_was_ended_is_replaced(place: Sandbox) -> None:
    assert place.run_command("cd /; z=7; echo bye; exit 5") == ("bye\n", 5)
    assert place.run_command("echo $z; basename $PWD") == ("\nworkspace\n", 0)


def test_output_forges_nothing(place: Sandbox) -> None:
    forged = (
        "echo SHELLPS1PREFIX; echo EXITCODESTART0EXITCODEEND; printf '%s 0\\n' {0..9}; (exit 9)"
    )
    output, code = place.run_command(forged)
    assert code == 9
    assert output.startswith("SHELLPS1PREFIX\nEXITCODESTART0EXITCODEEND\n0 0\n")
    assert place.run_command("echo 0 >&9; (exit 8)")[1] == 8


def test_what_is_in_the_background_does_not_hold_a_command_up(place: Sandbox) -> None:
    _, code = place.run_command("sleep 62 & sleep 0.1", timeout_s=10)
    assert code == 0
    assert place.run_command("kill %1; wait 2>/dev/null", timeout_s=10)[1] in (0, 143)


def test_output_of_any_kind(place: Sandbox) -> None:
    assert place.run_command("printf '\\303\\251\\377'") == ("\xe9\\xff", 0)
    output, code = place.run_command("head -c 3000000 /dev/zero | tr '\\0' x", timeout_s=20)
    assert code == 0
    assert output == "x" * 3_000_000
    output, code = place.run_command("head -c 9000000 /dev/zero | tr '\\0' x", timeout_s=20)
    assert code == 0
    assert 4_000_000 <= len(output) <= 4_300_000


#: Commands of one session after another, and exactly what each prints.
SAID = (
    ("PS1='(venv) $ '; PS0='run '; PS2='more '; PS4='trace '", ""),
    ("PROMPT_COMMAND='echo prompt; false'; export PS1 PROMPT_COMMAND", ""),
    ("if true\nthen echo a\nfi", "a\n"),
    ("printf 'no newline'", "no newline"),
    ("alias ll='echo aliased' printf=no eval=no jobs=no exec=no", ""),
    ("ll", "aliased\n"),
    ("unalias -a; set -x", ""),
    ("set +x; echo untraced", "ttrace set +x\nuntraced\n"),
    ("sleep 0.05 & sleep 0.05 & wait; echo done", "done\n"),
    ("sleep 0.05 &", ""),
    ("sleep 0.2", ""),
    ("echo '[1] 77' & wait", "[1] 77\n"),
    ("set -m; sleep 0.1 & fg >/dev/null; jobs; echo x", "x\n"),
    ("set +m; cat <<'E'\n$x `y` \"z\nE", '$x `y` "z\n'),
    ("cat <<A; cat <<-B\none\nA\n\ttwo\nB", "one\ntwo\n"),
    ("head -c 1048576 /dev/zero | tr '\\0' x; echo", "x" * 1048576 + "\n"),
    ("printf 'a\\r\\tb\\x1b[0m\\b\\0\\1'", "a\r\tb\x1b[0m\b\0\1"),
    ("exec 2>&1; echo err >&2", "err\n"),
    ("exec >log; echo hidden", ""),
    ("cat log; exec 8>&-; exec 9>&-", "hidden\n"),
    ("IFS=:; set -f; echo a:b", "a:b\n"),
    ("echo exit; exec true", "exit\n"),
    ("exec echo gone", "gone\n"),
    ("echo exit; exit 3", "exit\n"),
    ("f() { exit 4; }; f", ""),
    ("trap 'echo bye' EXIT; exit 0", "bye\n"),
    ("set -e; echo exit; false; echo no", "exit\n"),
    ("echo exit; printf '[1] 12\\n'", "exit\n[1] 12\n"),
)


def test_output_is_byte_for_byte_what_a_command_prints(place: Sandbox) -> None:
    place.put_files({})
    for command, said in SAID:
        assert place.run_command(command, timeout_s=30)[0] == said, command


def test_several_at_once(config: SandboxConfig, calls: Make) -> None:
    answers = []

    def work(number: int) -> None:
        with Sandbox(config) as made:
            files = {"f.py": f"def f(x):\n    return x * {number}\n"}
            passed = made.run_tests(files, calls(((3,), 3 * number)), LIMITS).resolved
            answers.append((passed, made.run_command(f"sleep 0.3; echo {number}")))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [(True, (f"{i}\n", 0)) for i in range(3)]
