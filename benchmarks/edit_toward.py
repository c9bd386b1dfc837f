"""How long the expert's first action takes on files of 100 kB, by what differs in them.

    python benchmarks/edit_toward.py --json

For each shape, `EditInterface.toward` is asked once with nothing known of both texts (cold), once
more where the old text has been shown before, as in an episode (shown), and after its first edit
(next). Figures are CPU milliseconds, the least of several rounds, and the ratio of the cold ones to
a file of a tenth of the length: linear is 10.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hrmgym.envs.interfaces import EditInterface, canvas, edit
from hrmgym.envs.state import Cursor, State
from hrmgym.envs.task import CallTests, Task, Workspace
from hrmgym.envs.tokens import load_tokens

BYTES = 100_000
PATH = "file.py"


def shapes(size: int) -> dict[str, tuple[str, str]]:
    """Name -> a file of some `size` bytes and what it is to become."""
    rng = random.Random(0)
    function = "def f{0}(a, b):\n    if a > {0}:\n        return b\n    return a - b\n\n"
    code = "".join(map(function.format, range(size // 55)))[:size]
    line = code.replace("\n", " ")
    names = "".join(f"name_{rng.randrange(10**7)} = {n}\n" for n in range(size // 20))[:size]
    letters = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz(+ ") for _ in range(size))
    alike = "a " * (size // 2)
    accents = "é→日本 " * (size // 12)
    half = len(code) // 2
    return {
        "one place": (code, code.replace("a > 200:", "a >= 200:").replace("f20(", "g20(")),
        "scattered": (code, code.replace("b\n    ret", "b + 1\n    ret")),
        "everything": (code, code[::-1]),
        "insertion at the start": (code, "import os\n" * (size // 100) + code),
        "deletion": (code, code[: half // 2] + code[half:]),
        "halves swapped": (code, code[half:] + code[:half]),
        "new names": (names, names.replace("name_1", "other_1")),
        "from CRLF": (code.replace("\n", "\r\n")[:size], code[: size * 9 // 10]),
        "one long line": (line, line.replace("return", "yield")),
        "letters": (letters, letters[: half // 3] + letters[half // 3 + 9 :]),
        "all alike": (alike, alike[: half // 2 * 2] + "b " + alike[half // 2 * 2 :]),
        "accents": (accents, accents.replace("日本 é", "日 é", 3)),
        "to nothing": (code, ""),
        "from nothing": ("", code),
    }


def state_of(text: str) -> State:
    """The state in which an episode over that file begins."""
    tests = CallTests(path=PATH, function="f", cases=())
    task = Task(
        id="toward",
        benchmark="toward",
        language="python",
        split="test",
        prompt="Repair it.",
        workspace=Workspace(files={PATH: text}),
        editable=(PATH,),
        visible_tests=tests,
        hidden_tests=tests,
    )
    return State(task=task, files=task.workspace.start, cursor=Cursor(PATH))


def forget() -> None:
    """Nothing is known of any text any more."""
    canvas.tokenise.cache_clear()
    canvas._recent.clear()
    edit._canvas.cache_clear()
    load_tokens()._known.clear()


def milliseconds(ask: Callable[..., Any], *args: Any) -> float:
    """CPU time of a call."""
    begin = time.process_time()
    ask(*args)
    return (time.process_time() - begin) * 1e3


def measure(text: str, target: str, rounds: int) -> dict[str, float]:
    """The least CPU milliseconds of an action, in each of the three cases."""
    interface, goal = EditInterface(256), {PATH: target}
    found: dict[str, list[float]] = {"cold": [], "shown": [], "next": []}
    for _ in range(rounds):
        state = state_of(text)
        forget()
        found["cold"].append(milliseconds(interface.toward, state, goal))
        forget()
        interface.canvas(state)
        found["shown"].append(milliseconds(interface.toward, state, goal))
        call = interface.decode(interface.toward(state, goal), state)
        now = text[: call.start] + call.text + text[call.end :] if call.tool == "edit" else text
        after = replace(state, files=state.files.with_text(PATH, now))
        found["next"].append(milliseconds(interface.toward, after, goal))
    return {name: round(min(times), 1) for name, times in found.items()}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    small, rows = shapes(BYTES // 10), {}
    for name, (text, target) in shapes(BYTES).items():
        row = measure(text, target, args.rounds)
        row["ratio"] = round(row["cold"] / measure(*small[name], args.rounds)["cold"], 1)
        rows[name] = row
        if not args.json:
            print(f"{name:24}", "  ".join(f"{key} {value:6.1f}" for key, value in row.items()))
    if args.json:
        print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
