"""Of which kinds real fixes are: the table that `hrmgym.policies.frequencies` ranks edits by.

    python -m hrmgym.trainers.data.edit_kinds          counts the shipped table anew, and shows it

A real fix counts for the kind of the legal edit of the old function that makes the new one, the
same syntax in whatever layout. Where it has several places that can stand alone, each of them is a
fix of the function with the others made. Only training packages count.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from hrmgym.envs.bugs.meaning import compiles
from hrmgym.envs.bugs.spans import inverses
from hrmgym.envs.edits.edit import apply
from hrmgym.envs.edits.legal import LegalEdit, legal_edits
from hrmgym.errors import UserError
from hrmgym.policies.frequencies import file_name
from hrmgym.trainers.data.real_edits import VERSION, RealEdit, real_edits


def fixes_of(edit: RealEdit) -> Iterator[tuple[str, str]]:
    """Old and new text of each fix that an edit is: the whole, or its places one by one."""
    backward = inverses(edit.before, edit.edits)
    olds = [apply(edit.after, one) for one in backward]
    if len(olds) > 1 and all(map(compiles, olds)):
        yield from ((old, edit.after) for old in olds)
    else:
        yield edit.before, edit.after


def made_by(old: str, new: str) -> LegalEdit | None:
    """The legal edit of an old text that makes a new one, whatever its layout; None: there is none.

    Only those are looked at that lie in the lines that differ, and those beside them.

    Raises:
        DataError: one of the texts is not Python.
    """
    return legal_edits(old, within=_differing(old, new)).find(new)


def count(edits: Sequence[RealEdit]) -> tuple[Counter[str], int]:
    """How many fixes are of each kind, and of how many fixes in all."""
    kinds: Counter[str] = Counter()
    tried = 0
    for number, edit in enumerate(edits):
        for old, new in fixes_of(edit):
            found = made_by(old, new)
            tried += 1
            if found is not None:
                kinds[found.kind] += 1
        if number % 100 == 0:
            print(f"{number} of {len(edits)} edits", file=sys.stderr, flush=True)
    return kinds, tried


def main() -> int:
    """Counts the shipped table anew; returns the exit status."""
    kinds, tried = count(real_edits("train"))
    table = {
        "language": "python",
        "source": f"real edits v{VERSION}, training packages",
        "tried": tried,
        "fixes": sum(kinds.values()),
        "kinds": dict(sorted(kinds.items(), key=lambda item: (-item[1], item[0]))),
    }
    path = Path(str(resources.files("hrmgym.policies").joinpath(file_name("python"))))
    path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(path.read_text(encoding="utf-8"))
    return 0


def _differing(old: str, new: str) -> tuple[int, int]:
    """The lines of an old text that differ from a new one, and one more on either side."""
    head = _alike(old, new)
    tail = min(min(len(old), len(new)) - head, _alike(old[::-1], new[::-1]))
    start = old.rfind("\n", 0, max(0, old.rfind("\n", 0, head))) + 1
    return start, _line_end(old, _line_end(old, len(old) - tail))


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin with that are the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _line_end(text: str, place: int) -> int:
    end = text.find("\n", place)
    return end + 1 if end >= 0 else len(text)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as problem:
        sys.exit(str(problem))
