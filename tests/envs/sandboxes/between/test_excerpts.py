"""What of a module goes along with instances of its classes."""

from __future__ import annotations

from typing import Any

from hrmgym.envs.sandboxes.between.excerpts import classes

MODULE = '''"""Helpers of the tests."""
from __future__ import annotations
import json
import math as m
from enum import Enum

WANTED = {57: 114}
SCALE = 2
LIMITS: list[int] = [1]
LIMITS += [2]

def wanted(x):
    return WANTED[x]

def double(x):
    return _twice(x)

def _twice(x):
    return x * SCALE

def mark(kind):
    return kind

try:
    import missing_module as fast
except ImportError:
    fast = None

@mark
class Number:
    """A number."""

    def __init__(self, n):
        self.n = n

    def doubled(self):
        return double(self.n), m.sqrt(4), LIMITS, fast

class Colour(Enum):
    RED = 1
'''


def test_only_what_classes_refer_to_is_kept() -> None:
    text = classes(MODULE)
    assert "WANTED" not in text
    assert "wanted" not in text
    assert "json" not in text
    assert "Helpers" not in text
    space: dict[str, Any] = {"__name__": "helping"}
    exec(compile(text, "helping.py", "exec"), space)
    assert space["Number"](3).doubled() == (6, 2.0, [1, 2], None)
    assert space["Colour"].RED.value == 1


def test_lines_stay_where_they_were() -> None:
    for before, after in zip(MODULE.splitlines(), classes(MODULE).splitlines(), strict=True):
        assert after in (before, "")
    assert (
        "class Number:" in classes(MODULE).splitlines()[MODULE.splitlines().index("class Number:")]
    )


def test_a_module_without_classes_gives_nothing() -> None:
    assert classes("A = 1\n\ndef f():\n    return A\n").strip() == ""
