"""Patterns of files that an agent may change."""

from __future__ import annotations

import pytest

from hrmgym.envs.editable import editable_in, first_shown, is_pattern, may_edit, named


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("src/**", ["src/a.py", "src/b/c.py"], ["src", "srcs/a.py", "a/src/b.py"]),
        ("**/*.go", ["a.go", "b/c.go", "b/c/d.go"], ["a.gox", "a.go/b"]),
        ("*.md", ["README.md", ".md"], ["docs/README.md", "README.mdx"]),
        ("a/**/z.py", ["a/z.py", "a/b/z.py", "a/b/c/z.py"], ["a/bz.py", "az.py"]),
        ("src/?.py", ["src/a.py"], ["src/ab.py", "src//.py"]),
        ("app/[id]/*.ts", ["app/[id]/page.ts"], ["app/i/page.ts", "app/[id]/a/b.ts"]),
        ("**", ["a", "a/b", "a\nb"], []),
        ("a+(b)*", ["a+(b)", "a+(b)c"], ["aab", "a+(b)/c"]),
    ],
)
def test_what_a_pattern_stands_for(pattern: str, yes: list[str], no: list[str]) -> None:
    assert is_pattern(pattern)
    assert all(may_edit([pattern], path) for path in yes)
    assert not any(may_edit([pattern], path) for path in no)


def test_paths_are_themselves() -> None:
    assert not is_pattern("app/[id].ts")
    assert may_edit(["app/[id].ts"], "app/[id].ts")
    assert not may_edit(["app/[id].ts"], "app/i.ts")
    assert named(["a.py", "b/**"]) == ("a.py",)


def test_editable_files_of_a_workspace() -> None:
    files = ["a.py", "b/c.py", "b/d.md", "new.md"]
    assert editable_in(["new.py", "b/*.py", "a.py", "b/c.py"], files) == (
        "new.py",
        "a.py",
        "b/c.py",
    )
    assert editable_in(["a.py"], iter(())) == ("a.py",)
    assert first_shown(["b/**", "a.py"], files) == "a.py"
    assert first_shown(["b/**"], files) == "b/c.py"
    assert first_shown(["c/**"], files) == "a.py"
    assert first_shown(["c/**"], []) == ""
