"""Tests of what of an interactive bash's answer is output; sessions are tested in the contract."""

from __future__ import annotations

import pytest

from hrmgym.envs.sandboxes.inside.bash import Answers, asking, quoted


def heard(
    command: str, answer: bytes, output: bytes, *, alive: bool = True
) -> tuple[int | None, bytes]:
    """Exit code and cleaned output of one command."""
    answers = Answers()
    answers.expect(command)
    code = answers.code(answer, "mark")
    return code, answers.output(output, alive=alive)


def test_only_the_mark_answers() -> None:
    assert heard("x", b"other 3  .\nmark 4 7 7\n8.\nmark 5", b"") == (4, b"")
    assert heard("x", b"mark 4 7 ", b"")[0] is None
    assert "mark" in asking("x", "mark")
    assert quoted("it's") == "'it'\\''s'"


def test_lines_of_jobs_are_taken_out_and_lines_like_them_are_not() -> None:
    said = b"[1] 5\n[1] 20\n[2] 21\nx\n[3] 25\n[3] 26\n[1] 99\n"
    assert heard("x", b"mark 0 25 .\n", said) == (0, b"[1] 5\nx\n[3] 26\n[1] 99\n")
    assert heard("x", b"mark 0  .\n", said) == (0, said)


@pytest.mark.parametrize(
    ("command", "said", "left"),
    [
        ("exit", b"exit\n", b""),
        ("echo exit; exit 3", b"exit\nexit\n", b"exit\n"),
        ("echo exit; exec true", b"exit\n", b"exit\n"),
        ("true && builtin exit", b"exit\n", b""),
        ("if :; then exit; fi", b"exit\n", b""),
        ("(exit 3); exec echo exit", b"exit\n", b"exit\n"),
        ("trap 'echo bye' EXIT; exit", b"exit\nbye\n", b"bye\n"),
    ],
)
def test_what_bash_says_when_it_goes(command: str, said: bytes, left: bytes) -> None:
    assert heard(command, b"", said, alive=False)[1] == left
    assert heard(command, b"", said, alive=True)[1] == said


def test_a_function_that_exits_is_remembered() -> None:
    answers = Answers()
    for command in ("leave() { exit 3; }", "leave"):
        answers.expect(command)
    assert answers.output(b"exit\n", alive=False) == b""
