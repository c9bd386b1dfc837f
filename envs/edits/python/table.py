"""The kinds of edits of Python as a table for docs/edits.md, each with an example that it makes.

python -m hrmgym.envs.edits.python.table
"""

from __future__ import annotations

from functools import cache

from hrmgym.envs.edits.edit import Edit, alike, apply
from hrmgym.envs.edits.python.enumerator import PythonEdits
from hrmgym.envs.edits.python.kinds import BULKY, LEAN, Kind

#: Programs in which every kind has a member.
EXAMPLES = (
    """\
def search(items, wanted, low=0):
    high = len(items) - 1
    while low <= high and items:
        middle = (low + high) // 2
        if items[middle] < wanted:
            low = middle + 1
        else:
            high -= 1
    return low if low < high else None
""",
    """\
def group(rows, key, limit=10):
    found, order = {}, []
    for row in rows[1:limit]:
        name = row.get(key, "").strip()
        if name is None:
            continue
        elif name not in found:
            found[name] = [row]
            order.append(name)
        if len(order) > limit:
            break
    order.sort(key=len, reverse=True)
    return [found[name] for name in order]
""",
    """\
def report(self, lines, width):
    total = 0
    for number, line in enumerate(lines):
        total += min(width, self.size)
        if total > 1:
            print(number, line)
        if number:
            print(line)
    if total:
        self.write(str(total))
    for number in range(width):
        self.check(number)
    yield total
    return True
""",
    """\
def depth(tree):
    if tree.left:
        return max(tree.left, tree.right) + 1
    return 1
""",
    """\
def load(path, mode, names=None):
    try:
        lines = [line for line in path.open() if line]
        names.update(lines)
    except KeyError:
        lines = []
        print(path)
        count = 0
    if lines:
        print(lines)
        count = len(lines)
        lines.append(count)
    print(lines)
    return count
""",
)

#: Characters of an example that is easily read: the first such one is shown.
_SHORT = 100


@cache
def examples() -> dict[str, tuple[str, str]]:
    """Kind -> the changed lines of an early member in `EXAMPLES`, before and after."""
    found: dict[str, tuple[str, str]] = {}
    for text in EXAMPLES:
        edits = PythonEdits(text, (0, len(text)))
        for one in (*edits.lean(), *edits.bulky()):
            sides = _lines(text, one.edit)
            size = len("".join(sides))
            if one.kind not in found or size <= _SHORT < len("".join(found[one.kind])):
                found[one.kind] = sides
    return found


def _lines(text: str, edit: Edit) -> tuple[str, str]:
    old, new = text.splitlines(), apply(text, edit).splitlines()
    head, tail = alike(old, new)
    sides = old[head : len(old) - tail], new[head : len(new) - tail]
    inner = [len(line) - len(line.lstrip()) for side in sides for line in side]
    left = min(inner, default=0)
    one, two = (" ⏎ ".join(line[left:] for line in side) for side in sides)
    return one, two


def table(kinds: tuple[Kind, ...]) -> str:
    """A table of kinds."""
    rows = ["| kind | what it does | for example |", "|---|---|---|"]
    for kind in kinds:
        words = (kind.function.__doc__ or "").replace("|", "\\|")
        what = " ".join(words.split()).removesuffix(".")
        before, after = (side.replace("|", "\\|") for side in examples()[kind.name])
        shown = f"`{before}` → `{after}`" if before and after else f"+ `{after}`"
        if not after:
            shown = f"- `{before}`"
        rows.append(f"| `{kind.name}` | {what} | {shown} |")
    return "\n".join(rows) + "\n"


def tables() -> str:
    """Both tables."""
    return f"### Lean kinds\n\n{table(LEAN)}\n### Bulky kinds\n\n{table(BULKY)}"


if __name__ == "__main__":
    print(tables(), end="")
