"""Statements moved, re-indented and unwrapped: the text that comes out, comments and all."""

from __future__ import annotations

import pytest

from hrmgym.envs.edits.edit import apply
from hrmgym.envs.edits.legal import legal_edits

#: (kind, a function, the same after one edit of that kind)
MOVED = [
    (
        "swap_statements",
        """\
def f(a):
    x = 1  # one
    # between
    y = a  # two
    return x, y
""",
        """\
def f(a):
    y = a  # one
    # between
    x = 1  # two
    return x, y
""",
    ),
    (
        "move_out",
        """\
def f(a):
    for x in a:
        print(x)
        # last
        print(a)  # here
    return a
""",
        """\
def f(a):
    for x in a:
        print(x)
        # last
    print(a)  # here
    return a
""",
    ),
    (
        "move_out",
        """\
def f(a):
    try:
        print(a)
    except ValueError:
        pass
    finally:
        a.x()
        if a:
            a.y()
""",
        """\
def f(a):
    try:
        print(a)
    except ValueError:
        pass
    finally:
        a.x()
    if a:
        a.y()
""",
    ),
    (
        "move_out_statements",
        """\
def f(a):
    while a:
        a.x()
        if a:
            a.y()

        a.z(
            a,
        )
    return a
""",
        """\
def f(a):
    while a:
        a.x()
    if a:
        a.y()

    a.z(
        a,
    )
    return a
""",
    ),
    (
        "move_out_statements",
        """\
def f(a):
    if a:
        a.x()
    else:
        a.t()
        a.u()
        a.v()
        a.w()
""",
        """\
def f(a):
    if a:
        a.x()
    else:
        a.t()
    a.u()
    a.v()
    a.w()
""",
    ),
    (
        "move_in",
        """\
def f(a):
    if a:
        a.x()
    elif a is None:
        a.y()
    a.z()
""",
        """\
def f(a):
    if a:
        a.x()
    elif a is None:
        a.y()
        a.z()
""",
    ),
    (
        "move_in_statements",
        """\
def f(a):
    with a as b:
        b.x()
    b.y()  # one

    # two
    return b
""",
        """\
def f(a):
    with a as b:
        b.x()
        b.y()  # one

        # two
        return b
""",
    ),
    (
        "move_in_statements",
        """\
def f(a):
  for b in a:
    b.x()
  b.s()
  b.t()
  b.u()
  b.v()
""",
        """\
def f(a):
  for b in a:
    b.x()
    b.s()
    b.t()
    b.u()
  b.v()
""",
    ),
    (
        "unwrap_block",
        """\
def f(a):
    # why
    if a:
        a.x()
        while a:
            a.y()
    return a
""",
        """\
def f(a):
    # why
    a.x()
    while a:
        a.y()
    return a
""",
    ),
    (
        "unwrap_block",
        """\
def f(a):
    try:
        a.x()
    except ValueError:
        a.y()
""",
        """\
def f(a):
    a.x()
""",
    ),
    (
        "drop_else",
        """\
def f(a):
    for b in a:
        print(b)
    else:
        print(a)
    return a
""",
        """\
def f(a):
    for b in a:
        print(b)
    return a
""",
    ),
    (
        "swap_branches",
        """\
def f(a):
    if a:
        a.x()
        a.y()
    else:
        return 1  # no
    return 2
""",
        """\
def f(a):
    if a:
        return 1  # no
    else:
        a.x()
        a.y()
    return 2
""",
    ),
    (
        "elif_to_if",
        """\
def f(a):
    if a == 1:
        a = 2
    elif a == 2:
        a = 3
    elif a == 3:
        a = 4
    else:
        a = 5
    return a
""",
        """\
def f(a):
    if a == 1:
        a = 2
    if a == 2:
        a = 3
    elif a == 3:
        a = 4
    else:
        a = 5
    return a
""",
    ),
    (
        "elif_to_if",
        """\
def f(a):
    if a == 1:
        a = 2
    elif a == 2:
        a = 3
    elif (a ==
          3):
        a = 4
    return a
""",
        """\
def f(a):
    if a == 1:
        a = 2
    elif a == 2:
        a = 3
    else:
        a = 4
    return a
""",
    ),
    (
        "move_statement",
        """\
def f(a):
    a.x()  # first
    a.y()
    a.z()
    return a
""",
        """\
def f(a):
    a.y()
    a.z()
    a.x()  # first
    return a
""",
    ),
]


@pytest.mark.parametrize(("kind", "before", "wanted"), MOVED)
def test_moved(kind: str, before: str, wanted: str) -> None:
    made = {apply(before, one.edit) for one in legal_edits(before).lean() if one.kind == kind}
    assert wanted in made


@pytest.mark.parametrize(("kind", "before", "wanted"), MOVED)
def test_the_way_back_is_an_edit(kind: str, before: str, wanted: str) -> None:
    if kind in ("unwrap_block", "drop_else", "elif_to_if"):  # a condition or a block went
        return
    assert legal_edits(wanted).find(before) is not None


#: (kind, a function where no statement may move so)
FIXED = [
    ("move_out", "def f(a):\n    for b in a:\n        print(b)\n        break\n"),
    ("move_out", "def f(a):\n    if a:\n        print(a)\n"),  # nothing would be left
    ("move_out", 'def f(a):\n    if a:\n        a.x()\n        a = """x\ny"""\n'),
    ("move_out_statements", "def f(a):\n    if a:\n        a.x()\n        a.y()\n"),
    (
        "move_out_statements",
        "def f(a):\n    for b in a:\n        a.x()\n        if b: continue\n        a.y()\n",
    ),
    ("move_in", "def f(a):\n    if a:\n        return 1\n    return 2\n"),  # never reached
    ("move_in_statements", "def f(a):\n    if a:\n        return 1\n    a.x()\n    return 2\n"),
    ("move_in_statements", "def f(a):\n    if a: a.x()\n    a.y()\n    return 2\n"),
    ("swap_statements", "def f(a):\n    b = a\n    return b\n"),  # not bound there
    ("swap_statements", "def f(a):\n    import os\n    return os\n"),
    ("unwrap_block", "def f(a):\n    for b in a:\n        print(b)\n"),  # nothing binds it
    ("unwrap_block", "def f(a):\n    while a:\n        if a: break\n"),
    ("if_or_while", "def f(a):\n    while a:\n        break\n"),
]


@pytest.mark.parametrize(("kind", "text"), FIXED)
def test_not_moved(kind: str, text: str) -> None:
    assert [one for one in legal_edits(text).lean() if one.kind == kind] == []
