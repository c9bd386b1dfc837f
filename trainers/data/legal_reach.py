"""Which legal edits are real fixes: for each shipped real edit, the one of the list that makes it.

    python -m hrmgym.trainers.data.legal_reach --split train --most 500

Prints the share of real edits that are legal edits, by kind. What a maintainer changed in several
places is looked for as one edit first, then each place by itself.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Sequence

from hrmgym.envs.bugs.meaning import compiles
from hrmgym.envs.edits.edit import apply
from hrmgym.envs.edits.legal import LegalEdit, legal_edits
from hrmgym.trainers.data.real_edits import RealEdit, real_edits


def legal_parts(edit: RealEdit) -> tuple[LegalEdit | None, ...]:
    """The legal edits of `edit.before` that make a real edit.

    Returns:
        One where one legal edit makes the whole; else one for each of the real edit's places that
        can stand alone, None where no legal edit makes it.
    """
    legal = legal_edits(edit.before)
    whole = legal.find(edit.after)
    alone = [apply(edit.before, one) for one in edit.edits]
    if whole is not None or len(alone) == 1 or not all(map(compiles, alone)):
        return (whole,)
    return tuple(legal.find(text) for text in alone)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m hrmgym.trainers.data.legal_reach")
    parser.add_argument("--split", default="train")
    parser.add_argument("--most", type=int, default=500, help="real edits that are looked at")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    known = real_edits(options.split)
    drawn = random.Random(options.seed).sample(known, min(options.most, len(known)))
    parts = [legal_parts(one) for one in drawn]
    kinds = Counter(part.kind if part is not None else "none" for one in parts for part in one)
    whole = sum(all(one) for one in parts)
    print(f"{len(drawn)} real edits of {options.split}: {whole / len(drawn):.1%} are legal edits")
    for kind, count in kinds.most_common():
        print(f"{kind:24} {count:6} {count / kinds.total():6.1%}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
