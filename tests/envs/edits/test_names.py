"""Names that share a word."""

from __future__ import annotations

import pytest

from hrmgym.envs.edits.names import KINDS, MOST_ALIKE, alike, common, words_in


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("removeAllFiles", "remove all file"),
        ("remove_all_files", "remove all file"),
        ("HTTPServer", "http server"),
        ("is_set", "is set"),
        ("loading", "load"),
        ("x1", "x 1"),
        ("_", "_"),
        ("__", "__"),
    ],
)
def test_words_of_a_name(name: str, words: str) -> None:
    assert words_in(name) == frozenset(words.split())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_names(kind: str) -> None:
    few = common(kind, 5)
    assert len(few) == len(set(few)) == 5
    assert list(common(kind, 3)) == list(few)[:3]


def test_names_alike_share_a_word_the_most_alike_first() -> None:
    found = alike("read_text", "attribute")
    assert 0 < len(found) <= MOST_ALIKE
    assert "read_text" not in found
    assert all(words_in("read_text") & words_in(one) for one in found)
    shared = [
        len(words_in("read_text") & words_in(one)) / len(words_in("read_text") | words_in(one))
        for one in found
    ]
    assert shared == sorted(shared, reverse=True)


def test_a_name_of_no_known_word_has_none_alike() -> None:
    assert alike("qqzzxxyy", "attribute") == ()
