"""The judge: what programs do on cases, each way in which a program can misbehave."""

from __future__ import annotations

from hrmgym.envs.benchmarks.katas import parse_kata
from hrmgym.envs.benchmarks.katas.verify import is_endless, judged, verify

DOUBLES = parse_kata(
    """
name: doubles
split: train
prompt: Return the list with every number doubled.
code: |
  def doubles(numbers):
      return [n * 2 for n in numbers]
visible: [[[[1]], [2]], [[[1, 2]], [2, 4]], [[[]], []]]
hidden: [[[[3]], [6]], [[[4]], [8]], [[[5]], [10]], [[[6]], [12]], [[[7, 8]], [14, 16]]]
bugs: [{note: a, find: n * 2, replace: n}, {note: b, find: n * 2, replace: n + 2}]
""",
    "doubles.yaml",
)


def program(*lines: str) -> str:
    return "def doubles(numbers):\n" + "".join(f"    {line}\n" for line in lines)


def passed(text: str) -> list[bool]:
    (verdict,) = judged(DOUBLES, [text], 0)
    assert verdict is not None
    return [ok for ok, _ in verdict]


def test_cases_are_compared_by_value() -> None:
    assert passed(DOUBLES.code) == [True] * 8
    assert passed(program("return [n + n for n in numbers if n != 7]")) == [True] * 7 + [False]
    assert passed(program("return tuple(n * 2 for n in numbers)")) == [False] * 8


def test_arguments_are_fresh_for_every_case() -> None:
    changes = program("numbers.append(9)", "return [n * 2 for n in numbers[:-1]]")
    assert verify(DOUBLES, [changes, changes, DOUBLES.code])[2] is not None
    assert passed(changes) == [True] * 8


def test_failures_are_named() -> None:
    (verdict,) = judged(DOUBLES, [program("print('noise')", "return numbers[3]")], 0)
    assert verdict == ((False, "IndexError: list index out of range"),) * 8


def test_endless_loop_ends_and_is_told_apart() -> None:
    loop = program("while numbers:", "    pass", "return []")
    slow = program("try:", "    while True:", "        pass", "except Exception:", "    return []")
    first, second, third = judged(DOUBLES, [loop, slow, DOUBLES.code], 0)
    assert first is not None
    assert [shown for _, shown in first].count("endless") == 7
    assert is_endless(first)
    assert is_endless(second)
    assert not is_endless(third)


def test_a_program_that_breaks_the_limits_does_not_stop_the_others() -> None:
    ends = program("import os", "os._exit(3)")
    verdicts = judged(DOUBLES, [ends, DOUBLES.code, ends, DOUBLES.code], 0)
    assert verdicts[0] is verdicts[2] is None
    assert verdicts[1] == verdicts[3] == ((True, "[2]"), *(verdicts[1] or ())[1:])
    assert not is_endless(verdicts[0])


def test_results_that_depend_on_the_hash_seed_are_refused() -> None:
    unstable = program("return list({'red', 'green', 'blue', 'grey', 'black'})")
    assert verify(DOUBLES, [unstable]) == [None]
