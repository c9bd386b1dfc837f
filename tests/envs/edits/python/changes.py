"""Whether changes are what they say they are: programs, of the trees that they claim."""

from __future__ import annotations

import ast
import random
import warnings
from collections.abc import Iterable

from hrmgym.envs.edits.python.canon import Canon, regions
from hrmgym.envs.edits.python.enumerator import PythonEdits
from hrmgym.envs.edits.python.kinds import BULKY, LEAN, Kind
from hrmgym.envs.edits.python.places import Change
from hrmgym.envs.edits.python.program import Program


def changes_of(program: Program, kind: Kind) -> list[Change]:
    """All members of a kind, those that other kinds make, too, among them."""
    return [change for change in kind.function(program) if change is not None]


def check(text: str, program: Program, kind: str, change: Change) -> None:
    """Asserts that a change compiles to the tree that it claims."""
    out = text[: change.start] + change.text + text[change.end :]
    whole = program.canons[change.region].text
    claimed = whole[: change.canon_start] + change.canon + whole[change.canon_end :]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(out, kind, "exec", dont_inherit=True)
        except SyntaxError as error:
            raise AssertionError(f"{kind}: {error}: {out}") from None
        parts = regions(ast.parse(out))
    assert Canon(parts[change.region]).text == claimed, (kind, change, out)


def check_changes(
    text: str, most: int, seed: int = 0, kinds: Iterable[Kind] = (*LEAN, *BULKY)
) -> int:
    """Checks some members of each kind, drawn by a seed; how many there were."""
    program = PythonEdits(text, (0, len(text))).program
    draw = random.Random(seed)
    count = 0
    for kind in kinds:
        changes = changes_of(program, kind)
        for change in draw.sample(changes, min(most, len(changes))):
            count += 1
            check(text, program, kind.name, change)
    return count
