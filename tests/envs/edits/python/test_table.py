"""docs/edits.md has every kind, with an example that the kind makes."""

from __future__ import annotations

from pathlib import Path

from hrmgym.envs.edits.edit import apply
from hrmgym.envs.edits.legal import legal_edits
from hrmgym.envs.edits.python.kinds import BULKY, LEAN
from hrmgym.envs.edits.python.table import EXAMPLES, examples, tables

PAGE = Path(__file__).parents[4] / "docs" / "edits.md"


def test_the_page_has_the_tables_of_today() -> None:
    assert PAGE.read_text("utf-8").endswith(tables()), (
        "put it anew: python -m hrmgym.envs.edits.python.table"
    )


def test_every_kind_has_a_name_of_its_own_and_an_example() -> None:
    names = [kind.name for kind in (*LEAN, *BULKY)]
    assert len(set(names)) == len(names)
    assert set(examples()) == set(names)


def test_examples_are_programs() -> None:
    for text in EXAMPLES:
        for one in list(legal_edits(text).lean())[::10]:
            compile(apply(text, one.edit), "<example>", "exec", dont_inherit=True)
