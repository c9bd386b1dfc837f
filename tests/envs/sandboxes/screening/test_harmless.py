"""Code that may leave something behind is told from code that cannot."""

from __future__ import annotations

import pytest

from hrmgym.envs.sandboxes.screening.harmless import imported, imports_of, is_harmless

HARMLESS = (
    "def f(a):\n    return sorted(a, key=lambda x: -x)[1:]",
    "import math\ndef f(a):\n    return math.floor(a)",
    "from collections import deque\ndef f(a):\n    q = deque(a)\n    q.append(1)\n    return q",
    "class N:\n    def __init__(self, v):\n        self.v = v\n    def n(s):\n        s.v += 1",
    "import sys\nprint(sum(map(int, sys.stdin.read().split())))",
    "def f(a):\n    a[0], a[1] = a[1], a[0]\n    del a[2]\n    return a",
)
SUSPECT = (
    "import math\nmath.pi = 3",
    "import math\ndef f(a):\n    def g():\n        math.pi = 3\n    return g",
    "from string import Formatter\ndef f(a):\n    del Formatter.format",
    "def f(a):\n    setattr(a, 'x', 1)",
    "def f(a):\n    return f.__globals__",
    "def f(a):\n    return eval(a)",
    "def f(a):\n    return a.__class__.__base__.__subclasses__()",
    "import os\ndef f(a):\n    return os.getcwd()",
    "def f(a):\n    import random\n    return random.random()",
    "def f(a):\n    return open(a).read()",
    "import sys\ndef f(a):\n    sys.stdout = None",
    "import sys\ndef f(a):\n    return sys.modules",
    "x = __builtins__",
)


def code_of(text: str) -> bool:
    return is_harmless(compile(text, "m.py", "exec"), imports_of(text))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_changes_only_its_own(text: str) -> None:
    assert code_of(text)


@pytest.mark.parametrize("text", SUSPECT)
def test_what_may_change_something_else(text: str) -> None:
    assert not code_of(text)


def test_imports_are_found_in_functions_too() -> None:
    text = "import a.b as c\nfrom d import e as g\ndef f():\n    import h.i\n"
    assert imported(compile(text, "m.py", "exec")) == {"a.b", "d", "h.i"}
    assert imports_of(text) == {"c", "g", "h"}
    assert imports_of("def (") == frozenset()
