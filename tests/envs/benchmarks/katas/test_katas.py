"""The embedded katas: what the files hold, and what the loader refuses."""

from __future__ import annotations

import copy
import re
from collections import Counter

import pytest
import yaml

from hrmgym.envs.benchmarks.katas import Kata, load_katas, parse_kata
from hrmgym.errors import DataError

KATAS = load_katas()

GOOD = """
name: double
split: train
prompt: Return twice the number.
code: |
  def double(n):
      return n * 2
visible: [[[1], 2], [[2], 4], [[0], 0]]
hidden: [[[3], 6], [[4], 8], [[5], 10], [[6], 12], [[7], 14]]
bugs:
  - {note: halves, find: n * 2, replace: n / 2}
  - {note: adds, find: "*", replace: +}
"""


def test_counts_by_split() -> None:
    assert Counter(kata.split for kata in KATAS) == {"train": 26, "valid": 6, "test": 12}
    assert [kata.name for kata in KATAS] == sorted({kata.name for kata in KATAS})


@pytest.mark.parametrize("kata", KATAS, ids=lambda kata: kata.name)
def test_code_passes_its_cases_and_leaves_arguments_alone(kata: Kata) -> None:
    names: dict[str, object] = {}
    exec(kata.code, names)
    function = names[kata.name]
    assert callable(function)
    for args, expected in kata.visible + kata.hidden:
        given = copy.deepcopy(args)
        value = function(*given)
        assert value == expected
        assert type(value) is type(expected)
        assert given == args


def test_code_is_of_the_agreed_size() -> None:
    lines = {kata.name: len(kata.code.split("\n")) - 1 for kata in KATAS}
    assert {name: n for name, n in lines.items() if not 6 <= n <= 26} == {}
    assert all(line == line.rstrip() for kata in KATAS for line in kata.code.split("\n"))


def test_good_file_is_read() -> None:
    kata = parse_kata(GOOD, "double.yaml")
    assert kata.visible[1] == ((2,), 4)
    assert kata.code == "def double(n):\n    return n * 2\n"
    assert [bug.note for bug in kata.bugs] == ["halves", "adds"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "other"}, "name: is 'other', the file's is 'double'"),
        ({"split": "tests"}, "unknown split 'tests'; did you mean 'test'"),
        ({"splitt": "test"}, "splitt: unknown key; did you mean 'split'"),
        ({"prompt": " "}, "prompt: must be text that is not blank"),
        ({"visible": [[[1], 2]]}, "visible: 1 entries, must be 3 to 6"),
        ({"visible": [[1, 2], [[2], 4], [[0], 0]]}, "visible.0: must be"),
        ({"visible": [[[3], 6], [[2], 4], [[0], 0]]}, "a case above has the arguments (3,)"),
        ({"hidden": "none"}, "hidden: must be a list, is str"),
        ({"code": "def double(n:\n    return n * 2\n"}, "code: line 1"),
        ({"code": "x = " + "-" * 10_000 + "1  # n * 2"}, "code: Python cannot parse it"),
        ({"code": "# n * 2\nx = " + "(" * 10_000}, "code: line 2: too many nested"),
        ({"code": "x = '\0'  # n * 2"}, "code: source code string cannot contain null bytes"),
        ({"visible": [[["["] * 3, 1]] * 3}, "visible.1: a case above has the arguments"),
        ({"name": "n" * 5000}, "name: is 'nnn"),
        ({"code": "def twice(n):\n    return n * 2\n"}, "must define the function 'double' once"),
        ({"bugs": [{"note": "x", "find": "n", "replace": "m"}] * 2}, "occurs 3 times in the code"),
        ({"bugs": [{"note": "x", "find": "*"}] * 2}, "bugs.0: key 'replace' is missing"),
    ],
)
def test_broken_files_are_refused(change: dict[str, object], message: str) -> None:
    text = yaml.safe_dump({**yaml.safe_load(GOOD), **change})
    with pytest.raises(DataError) as caught:
        parse_kata(text, "double.yaml")
    assert re.match(r"double\.yaml:\d+: \w", str(caught.value))
    assert message in str(caught.value)


def test_missing_key_and_yaml_values_that_are_not_plain() -> None:
    with pytest.raises(DataError, match="key 'hidden' is missing"):
        parse_kata("\n".join(x for x in GOOD.split("\n") if "hidden" not in x), "double.yaml")
    with pytest.raises(DataError, match=r"not a plain value of kind !!set"):
        parse_kata(GOOD.replace("[[1], 2]", "[[!!set {a}], 2]"), "double.yaml")
    with pytest.raises(DataError, match=r"double\.yaml:1: not YAML"):
        parse_kata("name: [", "double.yaml")


def test_a_kata_is_read_as_other_files_are() -> None:
    """By the rules of YAML 1.2: no date, no second key that silently wins, aliases are copies."""
    kata = parse_kata(GOOD.replace("[[1], 2]", "[[2024-01-31], on]"), "double.yaml")
    assert ("2024-01-31",) in [case.args for case in kata.visible + kata.hidden]
    with pytest.raises(DataError, match=r"double\.yaml:4: split: repeated key"):
        parse_kata(GOOD.replace("\nsplit", "\nsplit: test\nsplit", 1), "double.yaml")
    with pytest.raises(DataError, match="a value contains itself"):
        parse_kata(GOOD.replace("[[1], 2]", "&a [[*a], 2]"), "double.yaml")
    aliased = parse_kata(GOOD.replace("[[1], 2]", "[[&a [1, 2], *a], *a]"), "double.yaml")
    one = next(case for case in aliased.visible + aliased.hidden if len(case.args) == 2)
    assert one.args == ([1, 2], [1, 2])
    assert one.args[0] is not one.args[1]
