"""Tests of where two texts differ, and of edits that lead from one to the other."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrmgym.envs.interfaces import EditInterface, differences
from hrmgym.envs.interfaces.canvas import tokenise
from hrmgym.envs.interfaces.differences import _MOST_PAIRS
from hrmgym.envs.interfaces.splicing import common_start
from hrmgym.envs.task import Workspace
from hrmgym.tests.tiny import double_task, state_of

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "edit_toward.py"
#: Size in bytes -> name -> text and target.
LARGE = runpy.run_path(str(BENCHMARK))["shapes"]
#: What differs in nearly every line, and takes an action for each.
MANY_STEPS = (
    "everything",
    "from CRLF",
    "from nothing",
    "scattered",
    "one long line",
    "halves swapped",
)
CODE = "".join(
    f"def f{n}(a, b):\n    if a > {n}:\n        return b\n    return a - b\n\n" for n in range(40)
)
WORDS = "".join("ab(+ "[n * n % 7 % 5] for n in range(900))
SHAPES = {
    "nothing": (CODE, CODE),
    "one place": (CODE, CODE.replace("a > 20", "a >= 20")),
    "scattered": (CODE, CODE.replace("b\n    ret", "b + 1\n    ret")),
    "everything": (CODE, CODE[::-1]),
    "insertion at the start": (CODE, "".join(f"import m{n}\n" for n in range(80)) + CODE),
    "insertion at the end": (CODE, CODE + CODE.replace("a", "c")),
    "deletion": (CODE, CODE[:400] + CODE[1200:]),
    "halves swapped": (CODE, CODE[900:] + CODE[:900]),
    "one long line": (CODE.replace("\n", " "), CODE.replace("\n", " ").replace("return", "yield")),
    "repeated lines": ("    x = x + 1\n" * 150, ("    x = x + 1\n" * 20 + "    y = 2\n") * 7),
    "all alike": ("a " * 700, "a " * 300 + "b " + "a " * 350),
    "unicode": ("é→日本 " * 60, "é→日本 " * 20 + "ü" + "é日→本 " * 25),
    "from CRLF": (CODE.replace("\n", "\r\n"), CODE),
    "to CRLF": (CODE, CODE.replace("\n", "\r\n")),
    "no lines": (WORDS, WORDS[3:][::-1]),
    "to nothing": (CODE, ""),
    "from nothing": ("", CODE),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("few", [_MOST_PAIRS, 64], ids=["as it is", "as for long texts"])
def test_the_target_is_reached_exactly(
    shape: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hrmgym.envs.interfaces.differences._MOST_PAIRS", few)
    monkeypatch.setattr("hrmgym.envs.interfaces.differences._PIECE", 128 if few > 64 else 16)
    monkeypatch.setattr("hrmgym.envs.interfaces.differences._NEAR", 8192 if few > 64 else 100)
    assert replayed(*SHAPES[shape], most=2000) == SHAPES[shape][1]


def replayed(text: str, target: str, most: int, length: int = 256) -> str:
    """What becomes of a text by the expert's actions, until it submits."""
    interface, goal = EditInterface(length), {"double.py": target}
    state = state_of(replace(double_task(), workspace=Workspace(files={"double.py": text})))
    for _ in range(most):
        call = interface.decode(interface.toward(state, goal), state)
        if call.tool == "submit":
            break
        if call.tool == "edit":
            now = state.files["double.py"]
            now = now[: call.start] + call.text + now[call.end :]
            state = replace(state, files=state.files.with_text("double.py", now))
        else:
            state = interface.look(call, state)
    return state.files["double.py"]


PIECES = [
    "x",
    "foo",
    "foo_bar_baz1",
    " = ",
    "\n",
    "\n    ",
    "\r\n",
    "é",
    "日本",
    "(",
    "# ",
    "'",
    " ",
]
texts = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


@settings(max_examples=40)
@given(texts, texts, texts, st.integers(1, 40))
def test_any_target_is_reached_in_the_ways_of_long_texts(
    text: str, target: str, both: str, near: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("_NEAR", near), ("_PIECE", 1 + near // 8), ("_MOST_PAIRS", near)):
            patch.setattr(differences, name, value)
        target += both
        assert replayed(text + both, target, most=500, length=64) == target


@settings(max_examples=40)
@given(texts, texts, texts, texts, st.integers(1, 40))
def test_a_waypoint_is_on_the_way(one: str, other: str, head: str, tail: str, near: int) -> None:
    text, target = head + one + tail, head + other + tail
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(differences, "_NEAR", near)
        way = differences.waypoint(text, target)
    low = common_start(text, target, min(len(text), len(target)))
    assert (way == text) == (text == target)
    assert common_start(way, target, min(len(way), len(target))) >= min(low + 1, len(target))


@pytest.mark.nightly
@pytest.mark.parametrize("shape", LARGE(1000))
def test_the_targets_of_the_benchmark_are_reached(shape: str) -> None:
    size = 20_000 if shape in MANY_STEPS else 100_000
    text, target = LARGE(size)[shape]
    assert replayed(text, target, most=20_000, length=4096) == target


def test_what_is_far_away_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pairs of tokens that are looked at do not grow with the text."""
    seen: list[int] = []
    real = differences.difflib.SequenceMatcher

    def matcher(a: tuple[int, ...], b: tuple[int, ...], autojunk: bool) -> object:
        seen.append(len(a) * len(b))
        return real(a=a, b=b, autojunk=autojunk)

    monkeypatch.setattr(differences.difflib, "SequenceMatcher", matcher)
    for text, target in SHAPES.values():
        for many in (1, 12):
            differences.differences(tokenise(text * many), tokenise(target * many + "end"))
    assert max(seen) <= _MOST_PAIRS
    assert len(seen) <= 2 * len(SHAPES)


def test_an_insertion_before_what_stays_is_one_difference() -> None:
    added = "".join(f"import module_{n} as m{n}\n" for n in range(300))
    old, new = tokenise(CODE), tokenise(added + CODE.replace("return a - b\n\n", "return a\n\n"))
    begin, stop, low, high = differences.differences(old, new)[0]
    assert (begin, stop, low) == (0, 0, 0)
    assert "".join(added.split()) == "".join(new.data[: new.offsets[high]].decode().split())
