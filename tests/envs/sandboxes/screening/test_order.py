"""Whose calls may be tried in another order."""

from __future__ import annotations

import pytest

from hrmgym.envs.sandboxes.screening.order import keeps_state, order

FREE = [
    "def f(x):\n    return x\n",
    "import math\nLIMIT = -3\nPAIR = (1, 2)\n\n\ndef f(x, y=LIMIT):\n    return [x, y]\n",
    "class A:\n    size = 1\n\n    @property\n    def f(self):\n        return self.size\n",
    "from functools import lru_cache\n\n\n@lru_cache(maxsize=None)\ndef f(x):\n    return x\n",
    "def f(x):\n    return (lambda: x)()\n\n\nif __name__ == '__main__':\n    print(f(1))\n",
    '"""Text."""\n\ndef f(x, *, y=None):\n    seen = {}\n    return seen.get(x, y)\n',
]
BOUND = [
    "seen = []\n\n\ndef f(x):\n    seen.append(x)\n    return len(seen)\n",
    "def f(x, seen=[]):\n    seen.append(x)\n    return len(seen)\n",
    "def f(x, *, seen={}):\n    return seen.setdefault(x, len(seen))\n",
    "count = 0\n\n\ndef f():\n    global count\n    count += 1\n    return count\n",
    "def g():\n    n = 0\n    def f():\n        nonlocal n\n        n = 1\n    return f\n",
    "class A:\n    made = []\n",
    "import itertools\nticket = itertools.count()\n\n\ndef f():\n    return next(ticket)\n",
    "import app\n\n\n@app.register\ndef f(x):\n    return x\n",
    "table = {}\nfor n in range(3):\n    table[n] = n\n",
    "def f(:\n",
]


@pytest.mark.parametrize("text", FREE)
def test_what_holds_nothing_keeps_no_state(text: str) -> None:
    assert not keeps_state(text)


@pytest.mark.parametrize("text", BOUND)
def test_what_could_change_between_calls_keeps_state(text: str) -> None:
    assert keeps_state(text)


def test_some_come_first_and_each_comes_once() -> None:
    assert order(5, [3, 1]) == [3, 1, 0, 2, 4]
    assert order(2, []) == [0, 1]
