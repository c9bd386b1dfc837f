"""The legal edits of Python: every one is a program, once, and what it says it is."""

from __future__ import annotations

import ast
import random
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from hrmgym.envs import make_benchmark
from hrmgym.envs.edits.edit import apply
from hrmgym.envs.edits.legal import LegalEdit, legal_edits
from hrmgym.envs.edits.python.canon import Canon, regions
from hrmgym.envs.edits.python.enumerator import PythonEdits
from hrmgym.envs.edits.python.kinds import BULKY, LEAN
from hrmgym.envs.edits.source import is_docstring
from hrmgym.errors import DataError, UnknownNameError
from hrmgym.tests.envs.edits.python.texts import FUNCTION, functions_of

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


def check_changes(text: str, most: int, seed: int) -> int:
    """Asserts that some of each kind compile to the trees that they claim; how many there were."""
    program = PythonEdits(text, (0, len(text))).program
    draw = random.Random(seed)
    count = 0
    for kind in (*LEAN, *BULKY):
        changes = [change for change in kind.function(program) if change is not None]
        for change in draw.sample(changes, min(most, len(changes))):
            count += 1
            out = text[: change.start] + change.text + text[change.end :]
            whole = program.canons[change.region].text
            claimed = whole[: change.canon_start] + change.canon + whole[change.canon_end :]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compile(out, kind.name, "exec", dont_inherit=True)
                parts = regions(ast.parse(out))
            assert Canon(parts[change.region]).text == claimed, (kind.name, change, text)
    return count


@pytest.mark.parametrize(("text", "most"), [(GCD, 100), (FUNCTION, 4)])
def test_edits_compile_to_the_trees_that_they_claim(text: str, most: int) -> None:
    assert check_changes(text, most, 0) > 150


def test_edits_of_benchmark_programs_compile() -> None:
    tasks = [
        *make_benchmark("quixbugs").tasks("test")[::7],
        *make_benchmark("katas").tasks("test")[::60],
    ]
    for task in tasks:
        for path in task.editable:
            assert check_changes(task.workspace.files[path], 1, 1)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(4))
def test_edits_of_library_functions_compile(seed: int) -> None:
    draw = random.Random(seed)
    files = sorted(Path(textwrap.__file__).parent.glob("*.py"))
    for path in draw.sample(files, 40):
        for text in draw.sample(functions_of(path), 1):
            check_changes(text, 2, seed)


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
