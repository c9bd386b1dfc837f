"""Tests of what counts as a change of a function, and of putting old bodies into new files."""

from __future__ import annotations

import ast

import pytest

from hrmgym.envs.benchmarks.fixes.changes import changes, function, with_old_body
from hrmgym.tests.sdists import MODULE, NEWER


def between(old: str, new: str) -> dict[str, tuple[int, str]]:
    found = changes({"a.py": old}, {"a.py": new})
    return {one.function: (one.lines, one.coupled) for one in found}


def test_changed_bodies_are_found_and_those_that_depend_on_what_is_gone_are_told_apart() -> None:
    assert between(MODULE, NEWER) == {
        "Parcel.same": (1, ""),
        "label": (1, "the name '_clean' is not defined any more"),
        "never": (1, ""),
        "total": (1, ""),
    }


def test_the_newer_file_has_the_older_body_and_nothing_else_of_the_older_file() -> None:
    text = with_old_body(MODULE, NEWER, "total")
    assert text == NEWER.replace("weight > limit:", "weight >= limit:  # too heavy")
    assert with_old_body(NEWER, NEWER, "total") == NEWER
    assert with_old_body(MODULE, NEWER, "nothing") is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("def f(x):\n    return x\n", "def f(x):\n    # why\n    return x\n"),
        ("def f(x):\n    return x\n", "def f(x: int) -> int:\n    return x\n"),
        ("def f(x):\n    return x\n", 'def f(x):\n    """Same."""\n    return x\n'),
        ("def f():\n    x = 1\n    return x\n", "def f():\n    x: int = 1\n    return x\n"),
        ("def f(x):\n    return x\n", "def f(x, y=1):\n    return x + y\n"),
        ("def f(x):\n    return x\n", "@d\ndef f(x):\n    return -x\n"),
        ("def f(x):\n    return x\n", "async def f(x):\n    return -x\n"),
        ("def f(x):\n    return x\n", "def g(x):\n    return -x\n"),
        ("def f(x): return x\n", "def f(x): return -x\n"),
        ("def f(x):\n    return x\n", "def f(x):\n  return -x\n"),
        ('def f():\n    """Only."""\n', 'def f():\n    """This."""\n'),
        ("def f():\n    return 1\n" * 2, "def f():\n    return 2\n" * 2),
        ("def f():\r\n    return 1\r\n", "def f():\r\n    return 2\r\n"),
        ("def f(:\n", "def f():\n    return 2\n"),
        (
            "def f():\n    def g(x):\n        return 1\n    return g\n",
            "def f():\n    def g(x: int):\n        'Doc.'\n        return 1\n    return g\n",
        ),
    ],
)
def test_what_tests_cannot_see_or_bodies_cannot_be_exchanged_for_is_no_change(
    old: str, new: str
) -> None:
    assert between(old, new) == {}


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("def f():\n    return 1\n", "def f():\n    '''D.'''\n    # é\n    return 2\n", "f"),
        (
            "class A:\n    def f(self):\n        return 'ü'",
            "class A:\n    x = 'é'\n    def f(self):\n        return 2",
            "A.f",
        ),
        (
            "def f(\n    a,\n    b=':',\n):\n    return a\n",
            "def f(\n    a,\n    b=':'\n):  # x:\n    return b\n",
            "f",
        ),
        (
            "if 1:\n    def f():\n        return 1\n",
            "if 1:\n    def f():\n        return 2\nelse:\n    pass\n",
            "f",
        ),
        (
            "@d\ndef f():\n    @e\n    def g():\n        return 1\n    return g\n",
            "@d\ndef f():\n    return g\n",
            "f",
        ),
        (
            "async def f():\n    return '''\n  a\n'''\n",
            "async def f():\n    return '''\nb\n'''\n",
            "f",
        ),
    ],
)
def test_an_exchanged_body_is_that_of_the_older_function(old: str, new: str, name: str) -> None:
    text = with_old_body(old, new, name)
    assert text is not None
    ast.parse(text)
    before, made, after = function(old, name), function(text, name), function(new, name)
    assert before is not None
    assert made is not None
    assert after is not None
    assert made.body == before.body != after.body
    kept = new.split("\n")
    assert text.split("\n")[: after.first - 1] == kept[: after.first - 1]
    assert text.endswith("\n".join(kept[after.last :]))
    assert "# é" not in text, "a comment of the newer body tells what the fix is"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("def f(x):\n    return g(x)\ndef g(x): pass\n", "def f(x):\n    return x\n", "name 'g'"),
        (
            "class A:\n    old = 1\n    def f(self):\n        return self.old\n",
            "class A:\n    new = 1\n    def f(self):\n        return self.new\n",
            "attribute 'old'",
        ),
        (
            "def g(old=1):\n    return old\ndef f():\n    return g(old=2)\n",
            "def g(new=1):\n    return new\ndef f():\n    return g(new=2)\n",
            "parameter 'old'",
        ),
        ("import os\ndef f(x):\n    return os.sep\n", "def f(x):\n    return '/'\n", "name 'os'"),
        ("def f(x):\n    return len(x)\n", "def f(x):\n    return len(x) + 1\n", ""),
        (
            "def f(x):\n    try:\n        y = x\n    except OSError as e:\n        return e\n"
            "    return [z for z in y]\n",
            "def f(x):\n    return x\n",
            "",
        ),
        ("def f(x):\n    return x.real\n", "def f(x):\n    return x.imag\n", ""),
    ],
)
def test_old_bodies_that_need_what_only_the_older_release_has_are_coupled(
    old: str, new: str, why: str
) -> None:
    (_, said) = between(old, new)["f" if "class A" not in old else "A.f"]
    assert why in said
    assert bool(said) is bool(why)


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("    return 1\n", "    return 2\n", 1),
        ("    return 1\n", "    x = 1\n    # more\n\n    return x\n", 2),
        ("    a = 1\n    b = 2\n    return a\n", "    return 3\n", 3),
        ("    return '''#\n#'''\n", "    return '''#\n '''\n", 1),
    ],
)
def test_changed_lines_are_counted_without_comments(old: str, new: str, lines: int) -> None:
    assert between(f"def f():\n{old}", f"def f():\n{new}")["f"][0] == lines


def test_only_files_of_both_releases_count() -> None:
    one, other = "def f():\n    return 1\n", "def f():\n    return 2\n"
    assert changes({"a.py": one, "b.py": one}, {"b.py": one, "c.py": other}) == []
    found = changes({"z.py": one, "b.py": one}, {"z.py": other, "b.py": other})
    assert [change.path for change in found] == ["b.py", "z.py"]
