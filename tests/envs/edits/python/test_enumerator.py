"""The legal edits of Python: every one is a program, once, and what it says it is."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator

import pytest

from hrmgym.envs.edits.edit import apply
from hrmgym.envs.edits.legal import LegalEdit, legal_edits
from hrmgym.envs.edits.source import is_docstring
from hrmgym.errors import DataError, UnknownNameError
from hrmgym.tests.envs.edits.python.texts import FUNCTION

GCD = """\
def gcd(a, b):
    if b == 0:
        return a
    else:
        return gcd(a % b, b)
"""


def made(text: str, edits: Iterator[LegalEdit]) -> dict[str, str]:
    return {apply(text, one.edit): one.kind for one in edits}


def every(text: str) -> list[LegalEdit]:
    edits = legal_edits(text)
    return [*edits.lean(), *edits.bulky()]


def tree_of(text: str) -> str:
    """The syntax tree without docstrings, as the enumerator compares programs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [one for one in body if not is_docstring(one)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def test_the_fix_of_a_small_program_is_a_lean_edit() -> None:
    fixed = GCD.replace("gcd(a % b, b)", "gcd(b, a % b)")
    assert made(GCD, legal_edits(GCD).lean())[fixed] == "swap_arguments"


def test_ids_are_unique_and_stable() -> None:
    ids = [one.id for one in every(GCD)]
    assert len(set(ids)) == len(ids)
    assert ids == [one.id for one in every(GCD)]
    body = (GCD.index("if"), len(GCD))
    inside = legal_edits(GCD, within=body)
    some = {one.id for one in (*inside.lean(), *inside.bulky())}
    assert some
    assert some <= set(ids)


def test_no_bulky_edit_is_lean() -> None:
    edits = legal_edits(GCD)
    bulky = {apply(GCD, one.edit) for one in edits.bulky()}  # asked for first
    lean = {apply(GCD, one.edit) for one in edits.lean()}
    assert lean
    assert bulky
    assert not lean & bulky


def test_bulky_edits_are_lazy_and_may_be_asked_for_again() -> None:
    edits = legal_edits(FUNCTION)
    first = next(edits.bulky())
    assert first == next(edits.bulky())


def test_each_changed_program_once_by_its_tree() -> None:
    trees = [tree_of(apply(GCD, one.edit)) for one in every(GCD)]
    assert len(set(trees)) == len(trees)
    assert tree_of(GCD) not in trees


def test_the_text_outside_the_edit_stays() -> None:
    text = "def f(a, b):  # first\n    c = (a +  # one\n         b)\n    return c  # last\n"
    for one in every(text):
        out = apply(text, one.edit)
        assert out.startswith("def f(")
        assert "# last" in out or one.kind in ("delete_statement", "use_of_value", "move_statement")


def test_within_keeps_to_its_span() -> None:
    text = GCD + "\n\n" + GCD.replace("gcd", "other")
    low = text.index("def other")
    edits = legal_edits(text, within=(low, len(text)))
    found = [*edits.lean(), *edits.bulky()]
    assert found
    assert all(one.edit.start >= low for one in found)


def test_find_knows_programs_by_their_syntax() -> None:
    fixed = GCD.replace("gcd(a % b, b)", "gcd( b, a % b )  # swapped")
    found = legal_edits(GCD).find(fixed)
    assert found is not None
    assert found.kind == "swap_arguments"
    assert legal_edits(GCD).find(GCD) is None
    assert legal_edits(GCD).find(GCD.replace("== 0", "== 0 and a != b ** 7")) is None


@pytest.mark.parametrize("text", ["def f(:\n", "x = 1\r\n"])
def test_what_is_no_program_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="Python source"):
        legal_edits(text)


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="python"):
        legal_edits("x", language="pyhton")


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", '"""Text."""\n', "x = 1", "import os\n"])
def test_small_texts_have_few_edits_or_none(text: str) -> None:
    for one in every(text):
        compile(apply(text, one.edit), "<text>", "exec")
