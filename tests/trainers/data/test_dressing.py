"""Tests of what is put around a bug."""

from __future__ import annotations

import ast

import numpy as np
import pytest

from hrmgym.envs.bugs.making import Bug, make_bug, mix
from hrmgym.envs.edits.edit import Edit
from hrmgym.trainers.data.dressing import Surroundings, dress

HEIGHTS = """def heights(rows, least):
    # those that count
    found = [os.path.getsize(row) for row in rows]
    return [one for one in found if one >= least]
"""
DOC = "Sizes of the files.\n\nSmall ones are left out."
AROUND = Surroundings(DOC, "def above():\n    return 1\n", "def below():\n    return 2\n")


def dressed(seed: int, around: Surroundings = AROUND) -> tuple[Bug, Bug]:
    """A bug with one to three places, bare and dressed."""
    rng = np.random.default_rng(seed)
    bug = make_bug(HEIGHTS, rng, mix("blended"))
    assert bug is not None
    return bug, dress(bug, around, rng)


@pytest.mark.parametrize("seed", range(200))
def test_the_repairs_give_a_working_file_around_the_same_function(seed: int) -> None:
    bare, shown = dressed(seed)
    assert [one.text for one in shown.repairs] == [one.text for one in bare.repairs]
    assert [shown.code[o.start : o.end] for o in shown.repairs] == [
        bare.code[o.start : o.end] for o in bare.repairs
    ]
    functions = {f.name: f for f in ast.parse(shown.fixed).body if isinstance(f, ast.FunctionDef)}
    own = functions.pop("heights")
    if ast.get_docstring(own) is not None:
        own.body.pop(0)
    assert ast.dump(own) == ast.dump(ast.parse(HEIGHTS).body[0])
    assert set(functions) <= {"above", "below"}


def test_each_piece_is_there_at_times_and_at_times_none() -> None:
    codes = [dressed(seed)[1].fixed for seed in range(200)]
    pieces = {
        "docstring": '    """Sizes of',
        "behind": '\n"""\nSizes of',
        "imports": "import os\n",
        "before": "def above",
        "after": "def below",
    }
    shares = {name: np.mean([text in code for code in codes]) for name, text in pieces.items()}
    shares["blank"] = float(np.mean([code.startswith("\n") for code in codes]))
    shares["bare"] = float(np.mean([code == HEIGHTS for code in codes]))
    assert all(0.02 < share < 0.6 for share in shares.values()), shares


def test_the_same_draw_gives_the_same_file() -> None:
    assert dressed(3) == dressed(3)


@pytest.mark.parametrize("doc", ['Ends with "', 'Has """ inside', "Has \\n inside", "x\n" * 40])
def test_a_docstring_that_cannot_be_quoted_or_is_long_is_left_out(doc: str) -> None:
    for seed in range(60):
        text = dressed(seed, Surroundings(doc))[1].code
        ast.parse(text)
        assert doc not in text


def test_a_docstring_has_made_up_examples_at_times() -> None:
    codes = [dressed(seed)[1].fixed for seed in range(200)]
    docs = [code for code in codes if "Sizes of" in code]
    for text in (">>> heights(", "rows:", ") == ", ") -> "):
        assert 0.02 < np.mean([text in doc.replace(HEIGHTS, "") for doc in docs]) < 0.8, text


def test_a_long_docstring_keeps_its_first_paragraphs() -> None:
    around = Surroundings("First.\n\n" + "more\n" * 30)
    texts = [dressed(seed, around)[1].code for seed in range(60)]
    assert any('"""First."""' in text for text in texts)
    assert not any("more" in text for text in texts)


def test_a_repair_across_the_place_of_the_docstring_keeps_it_out() -> None:
    at = HEIGHTS.index("    found")
    bug = Bug(HEIGHTS, (Edit(at - 4, at + 8, "\n    seen"),), ("x",))
    for seed in range(60):
        shown = dress(bug, Surroundings(DOC), np.random.default_rng(seed))
        assert '    """Sizes' not in shown.code


@pytest.mark.parametrize("code", ["x = 1\n", "def f(): return 1\n", "def f(:\n    pass\n"])
def test_code_without_a_place_for_a_docstring_stays_whole(code: str) -> None:
    bug = Bug(code, (Edit(0, 0, ""),), ("x",))
    for seed in range(60):
        assert code in dress(bug, AROUND, np.random.default_rng(seed)).code
