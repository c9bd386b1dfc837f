"""Source files are what CPython takes them for, and reach every kind of run byte for byte."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.state import Cursor, State
from hrmgym.envs.task import (
    CallCase,
    CallTests,
    CommandTests,
    Limits,
    Outcome,
    PytestTests,
    StdioCase,
    StdioTests,
    Task,
    TestSpec,
    Workspace,
)

PLAIN = (
    b"def raw(x=0):\n    return open(__file__, 'rb').read().hex()\ndef word():\n    return 'A'\n"
)
FILES: dict[str, bytes] = {
    "plain": PLAIN,
    "bom": b"\xef\xbb\xbf" + PLAIN,
    "bom_and_cookie": b"\xef\xbb\xbf# coding: utf-8-sig\n" + PLAIN,
    "latin1": b"# -*- coding: latin-1 -*-\nS = '\xe9'\nassert S == chr(0xe9)\n" + PLAIN,
    "cookie_in_line_2": b"#!/usr/bin/python\n# vim: set fileencoding=iso-8859-15 :\nS = '\xa4'\n"
    b"assert S == chr(0x20ac)\n" + PLAIN,
    "cp1252": b"# coding=cp1252\nS = '\x80'\nassert S == chr(0x20ac)\n" + PLAIN,
    "koi8": b"# coding: koi8-r\n\xd1 = 1\n" + PLAIN,
    "utf8": "größe = 'ß'\n".encode() + PLAIN,
    "wrong_cookie": b"# coding: no-such\n" + PLAIN,
    "no_cookie": b"S = '\xe9'\n" + PLAIN,
    "bytes_in_comment": PLAIN + b"# \xff\n",
    "form_feed": PLAIN.replace(b"def word", b"\x0c\ndef word"),
    "form_feed_before": PLAIN.replace(b"def word", b"\x0cdef word"),
    "separators": "S = '\u2028\x85\x1c'  # \x0b\x0c\n".encode() + PLAIN,
    "crlf": PLAIN.replace(b"\n", b"\r\n"),
    "cr": PLAIN.replace(b"\n", b"\r"),
    "mixed_ends": PLAIN.replace(b"\n", b"\r\n", 2) + b'D = """a\r\nb\rc"""\r',
    "tabs": PLAIN.replace(b"    ", b"\t"),
    "tabs_and_spaces": PLAIN + b"if 1:\n\tx = 1\n        y = 2\n",
    "nul": PLAIN + b"#\0\n",
    "end_of_file": PLAIN + b"\x1a",
    "no_last_line_end": PLAIN + b"x = 1",
    "escaped_surrogate": PLAIN + b"S = '\\ud800'\n",
    "backslash_at_end": PLAIN + b"\\",
}
PROGRAM_END = b"\nprint(raw())\n"


def text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def program(data: bytes) -> bytes:
    return data + PROGRAM_END


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    """What CPython itself imports, and (by `name.py`) runs as a program."""
    folder = tmp_path_factory.mktemp("sources")
    found = {}
    for name, data in FILES.items():
        Path(folder, f"{name}.py").write_bytes(data)
        Path(folder, "program.py").write_bytes(program(data))
        argv = [sys.executable, "-I", "-S", "-B", "program.py"]
        done = subprocess.run(argv, cwd=folder, capture_output=True, check=False)
        found[f"{name}.py"] = done.returncode == 0
    code = "import sys, importlib\nsys.path.insert(0, '')\nfor name in sys.argv[1:]:\n"
    code += "    try: importlib.import_module(name)\n    except SyntaxError: pass\n"
    code += "    else: print(name)\n"
    argv = [sys.executable, "-I", "-S", "-B", "-c", code, *FILES]
    done = subprocess.run(argv, cwd=folder, capture_output=True, check=True)
    found |= {name: name in done.stdout.decode().split() for name in FILES}
    assert 0 < sum(found.values()) < len(found)
    return found


@pytest.fixture(scope="module")
def run() -> object:
    with Sandbox() as sandbox:
        yield lambda files, tests: sandbox.run_tests(files, tests, Limits(cpu_s=5.0, wall_s=30.0))


def spec_of(name: str) -> PytestTests:
    return PytestTests(
        files={
            f"tests/test_{name}.py": f"import {name}\ndef test_raw(): assert {name}.raw() == "
            f"{FILES[name].hex()!r}\n"
        },
        ids=(f"tests/test_{name}.py::test_raw",),
    )


@pytest.mark.parametrize("name", FILES)
class TestEachFile:
    def check(self, outcome: Outcome, expected: bool) -> None:
        assert outcome.resolved == expected, outcome.message
        if not expected:
            assert "Error" in outcome.message

    def test_calls(self, run, name: str, accepted: dict[str, bool]) -> None:
        case = CallCase(id="raw", args=(0,), expected=FILES[name].hex())
        tests = CallTests(path=f"pkg/{name}.py", function="raw", cases=(case,))
        self.check(run({f"pkg/{name}.py": text(FILES[name])}, tests), accepted[name])

    def test_stdio(self, run, name: str, accepted: dict[str, bool]) -> None:
        data = program(FILES[name])
        case = StdioCase(id="raw", stdin="", expected=data.hex())
        tests = StdioTests(path="p.py", cases=(case,))
        self.check(run({"p.py": text(data)}, tests), accepted[f"{name}.py"])

    def test_apart(self, run, name: str, accepted: dict[str, bool]) -> None:
        self.check(run({f"{name}.py": text(FILES[name])}, spec_of(name)), accepted[name])


class TestTheTestsOwnFiles:
    check = TestEachFile.check

    @pytest.mark.parametrize(
        "name", ["bom", "latin1", "cp1252", "no_cookie", "form_feed", "cr", "mixed_ends", "nul"]
    )
    def test_as_test_file(self, run, name: str, accepted: dict[str, bool]) -> None:
        test = FILES[name].replace(b"def word", b"def test_word").replace(b"return 'A'", b"pass")
        tests = PytestTests(files={"test_a.py": text(test)}, ids=("test_a.py::test_word",))
        self.check(run({}, tests), accepted[name])

    @pytest.mark.parametrize(
        "name",
        ["bom", "koi8", "bytes_in_comment", "form_feed_before", "separators", "crlf", "cr", "nul"],
    )
    def test_as_helper_of_tests(self, run, name: str, accepted: dict[str, bool]) -> None:
        """Its class crosses over to the tested code."""
        kind = b"class Kind:\n    n = 1\n    def twice(self): return 2\n"
        end = b"\r" if b"\r" in FILES[name] else b"\n"
        helper = FILES[name] + (end + kind.replace(b"\n", end))
        test = "from helper import Kind\nfrom m import f\ndef test_f(): assert f(Kind()) == 2\n"
        tests = PytestTests(
            files={"test_a.py": test, "helper.py": text(helper)}, ids=("test_a.py::test_f",)
        )
        self.check(run({"m.py": "def f(x): return x.twice()\n"}, tests), accepted[name])


def test_together_and_command(run, accepted: dict[str, bool]) -> None:
    files = {f"{name}.py": text(data) for name, data in FILES.items()}
    test = "import importlib, pytest\n" + "".join(
        f"def test_{name}(): assert importlib.import_module({name!r}).raw() == {data.hex()!r}\n"
        for name, data in FILES.items()
    )
    together = PytestTests(
        files={"test_a.py": test},
        ids=tuple(f"test_a.py::test_{name}" for name in FILES),
        together=True,
    )
    outcome = run(files, together)
    passed = {one.rpartition("::test_")[2]: s == "passed" for one, s in outcome.tests.items()}
    assert passed == {name: accepted[name] for name in FILES}
    good = [name for name in FILES if accepted[name]]
    lines = "".join(f"import {n}; assert {n}.raw() == {FILES[n].hex()!r}\n" for n in good)
    spec = CommandTests(command=("python3", "check.py"), files={"check.py": lines})
    assert run(files, spec).resolved


def test_sandbox_keeps_bytes() -> None:
    files = {f"{name}.py": data for name, data in FILES.items()}
    with Sandbox() as sandbox:
        sandbox.put_files(files)
        assert sandbox.get_files() == files
        saved = sandbox.save()
        sandbox.put_files({})
        sandbox.restore(saved)
        assert sandbox.get_files() == files
        assert {path: saved[path] for path in saved} == {p: text(d) for p, d in files.items()}
        assert sandbox.run_command("cat crlf.py mixed_ends.py")[0] == text(
            FILES["crlf"] + FILES["mixed_ends"]
        )
        sandbox.run_command("printf 'a\\r\\n\\xff' > new")
        assert sandbox.get_files()["new"] == b"a\r\n\xff"


@pytest.mark.parametrize(
    "before",
    ["x = 1\r\ny = 2\r\nz = 3\r\n", "\ufeffx = 1\ny = 2\n", "x = 1\ry = 2\r", "\x0cx = 1\n\ty = 2"],
)
def test_edits_keep_what_they_do_not_touch(before: str) -> None:
    tests: TestSpec = CommandTests(command=("true",))
    task = Task(
        id="t",
        benchmark="b",
        language="python",
        split="test",
        prompt="p",
        workspace=Workspace(files={"a.py": before}),
        editable=("a.py",),
        visible_tests=tests,
        hidden_tests=tests,
    )
    interface = EditInterface()
    state = State(task=task.public, files=task.workspace.start, cursor=Cursor("a.py"))
    at = before.index("2") if "2" in before else before.index("1")
    action = interface.encode_edit(state, at, at + 1, "77")
    assert action is not None
    call = interface.decode(action, state)
    after = before[: call.start] + call.text + before[call.end :]
    assert after == before[:at] + "77" + before[at + 1 :]
