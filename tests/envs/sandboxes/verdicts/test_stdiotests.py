"""Programs that read standard input and print."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import Limits, Outcome, Status, StdioCase, StdioTests

Judge = Callable[..., Outcome]

ADD = "a, b = map(int, input().split())\nprint(a + b)\n"


def make(*pairs: tuple[str, str], **options: Any) -> StdioTests:
    cases = tuple(
        StdioCase(id=f"case{i}", stdin=given, expected=expected)
        for i, (given, expected) in enumerate(pairs)
    )
    return StdioTests(path="main.py", cases=cases, **options)


@pytest.fixture
def judge(sandbox: Sandbox, quick: Limits) -> Judge:
    def run(program: str, *pairs: tuple[str, str], **options: Any) -> Outcome:
        return sandbox.run_tests({"main.py": program}, make(*pairs, **options), quick)

    return run


def statuses(outcome: Outcome) -> list[str]:
    return [str(status) for status in outcome.tests.values()]


def test_each_case_is_judged_by_itself(judge: Judge) -> None:
    outcome = judge(ADD, ("1 2\n", "3\n"), ("4 5", "8"), ("6 x", "7"))
    assert statuses(outcome) == ["passed", "failed", "error"]
    assert outcome.message == "case1: printed '9', expected '8' (part 1 of 1)"


@pytest.mark.parametrize(
    "program",
    [
        "import sys\nprint(sum(map(int, sys.stdin.read().split())))",
        "import sys\nprint(sum(int(x) for line in sys.stdin for x in line.split()))",
        "import sys\nsys.stdout.buffer.write(b'%d' % sum(map(int, open(0).read().split())))",
        "import os\nos.write(1, b'%d\\n' % sum(map(int, os.read(0, 99).split())))",
        "def main():\n    print(sum(map(int, input().split())))\nif __name__ == '__main__': main()",
        "import sys, threading\ndef main():\n    print(sum(map(int, input().split())))\n"
        "threading.Thread(target=main).start()",
        "import atexit\natexit.register(lambda: print(sum(map(int, input().split()))))",
        "import sys\nprint(sum(map(int, input().split())))\nsys.exit()",
        "import helper\nprint(helper.add(*map(int, input().split())))",
    ],
)
def test_every_usual_way_to_read_and_print(sandbox: Sandbox, quick: Limits, program: str) -> None:
    files = {"main.py": program, "helper.py": "def add(*xs):\n    return sum(xs)\n"}
    outcome = sandbox.run_tests(files, make(("1 2", "3"), ("10 20", "30")), quick)
    assert outcome.resolved, outcome.message


def test_cases_do_not_see_each_other(judge: Judge) -> None:
    program = (
        "import builtins\nbuiltins.n = getattr(builtins, 'n', 0) + 1\nprint(input(), builtins.n)\n"
    )
    assert judge(program, ("a", "a 1"), ("b", "b 1")).resolved


def test_ways_of_comparing(judge: Judge) -> None:
    spaced = "print('1  2 ')\nprint('3')\nprint()\n"
    assert judge(spaced, ("", "1  2\n3"), compare="lines").resolved
    assert not judge(spaced, ("", "1 2\n3"), compare="lines").resolved
    assert judge(spaced, ("", "1 2 3"), compare="tokens").resolved
    assert not judge(spaced, ("", "1  2\n3\n"), compare="exact").resolved
    assert judge(spaced, ("", "1  2 \n3\n\n"), compare="exact").resolved
    assert judge("print(1)", ("", "1\n2")).message == "case0: printed 1 parts, expected 2"


def test_exit_codes_and_exceptions_count(judge: Judge) -> None:
    assert statuses(judge("print(1)\nimport sys; sys.exit(3)", ("", "1"))) == ["error"]
    raised = judge("print(1)\nraise KeyError('lost')", ("", "1"))
    assert raised.message == "case0: KeyError: 'lost' (main.py:2)"
    killed = judge("import os\nprint(1, flush=True)\nos.kill(os.getpid(), 11)", ("", "1"))
    assert killed.message == "case0: was killed by SIGSEGV"
    said = judge("import sys\nsys.exit('no way')", ("", ""))
    assert said.message == "case0: no way"


def test_a_syntax_error_fails_every_case(judge: Judge) -> None:
    outcome = judge("print(1\n", ("", "1"), ("", "2"))
    assert statuses(outcome) == ["error", "error"]
    assert outcome.path == "main.py"
    assert outcome.line == 1


def test_a_missing_program(sandbox: Sandbox, quick: Limits) -> None:
    outcome = sandbox.run_tests({"other.py": ADD}, make(("1 2", "3")), quick)
    assert "no main.py" in outcome.message


def test_an_endless_case_does_not_take_the_others_along(judge: Judge) -> None:
    program = "x = input()\nwhile x == 'loop': pass\nprint(x)\n"
    outcome = judge(program, ("a", "a"), ("loop", "loop"), ("b", "b"))
    assert statuses(outcome) == ["passed", "timeout", "passed"]
    assert outcome.message == "case1: timed out"


def test_sleeping_ends_with_the_run(sandbox: Sandbox, quick: Limits) -> None:
    program = "x = input()\nimport time\nif x == 'z': time.sleep(100)\nprint(x)\n"
    tests = make(("a", "a"), ("z", "z"), ("b", "b"))
    outcome = sandbox.run_tests({"main.py": program}, tests, replace(quick, wall_s=1.0))
    assert statuses(outcome) == ["passed", "timeout", "timeout"]


def test_a_flood_is_cut(judge: Judge) -> None:
    outcome = judge("while True: print('x' * 1000)\n", ("", "x"), ("", "y"))
    assert statuses(outcome) == ["failed", "failed"]
    assert outcome.message == "case0: prints more than 16 KiB"


def test_large_input_and_control_characters(judge: Judge) -> None:
    many = " ".join(map(str, range(100_000)))
    assert judge("print(len(input().split()))", (many, "100000")).resolved
    odd = "\x01\u00e9\u2028x"
    assert judge(
        "import sys\nsys.stdout.write(sys.stdin.read())", (odd, odd), compare="exact"
    ).resolved


@pytest.mark.parametrize(
    "attack",
    [
        'import os\nfor fd in range(256):\n    try: os.write(fd, b\'["ran", 0, "3", ""]\\n\')\n'
        "    except OSError: pass\n",
        "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n",
        "import os\nos.kill(-1, 9)\n",
        "import os\nif os.fork() == 0:\n    os.setsid()\n    import time\n    time.sleep(50)\n",
        "import gc\nfor x in gc.get_objects():\n    if 'cases' in str(x): print(x)\n",
    ],
)
def test_attacks_earn_nothing(sandbox: Sandbox, quick: Limits, attack: str) -> None:
    limits = replace(quick, wall_s=1.0)
    outcome = sandbox.run_tests({"main.py": attack}, make(("1 2", "3"), ("2 3", "5")), limits)
    assert outcome.passed == 0
    again = sandbox.run_tests({"main.py": ADD}, make(("1 2", "3")), quick)
    assert again.tests == {"case0": Status.PASSED}
