"""Frequencies of kinds: from a table, shared among the edits of a kind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hrmgym.errors import DataError, UnknownNameError
from hrmgym.policies.frequencies import LANGUAGES, Frequencies, read_table, shipped
from hrmgym.tests.policies.editing import EDITS, state_of

TABLE = {"language": "python", "source": "x", "tried": 9, "fixes": 3, "kinds": {"a": 3}}


def test_a_kinds_share_is_divided_among_its_edits() -> None:
    counts = {"arithmetic": 1, "comparison": 4, "name": 2}
    found = np.exp(Frequencies(counts).log_probs(state_of(), EDITS, {}))
    # 1.5, 4.5 and 2.5, the last one for two edits
    np.testing.assert_allclose(found, np.array([1.5, 4.5, 1.25, 1.25]) / 8.5)


def test_a_kind_that_no_fix_was_of_is_rare_and_not_impossible() -> None:
    found = Frequencies({"name": 1000}).log_probs(state_of(), EDITS, {})
    assert np.isfinite(found).all()
    assert found[0] < found[2] - 5


def test_the_shipped_tables_can_be_read_and_count_what_they_say() -> None:
    for language in LANGUAGES:
        counts = shipped(language)
        assert sum(counts.values()) > 500
        assert len(counts) > 20


def test_a_language_without_a_table_is_an_error() -> None:
    with pytest.raises(UnknownNameError, match="unknown language 'pyton'; did you mean 'python'"):
        Frequencies().log_probs(state_of(language="pyton"), EDITS, {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kinds": {"a": -1}}, r"kinds\.a: should be a number of fixes, not -1"),
        ({"kinds": {"a": 1.5}}, r"kinds\.a: should be a number of fixes, not 1\.5"),
        ({"kinds": {"a": True}}, r"kinds\.a: should be a number of fixes, not True"),
        ({"kinds": [1]}, "kinds: should be an object"),
        ({"fixes": "3"}, "fixes: should be a whole number"),
    ],
)
def test_a_broken_table_is_told_by_its_key(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "table.json"
    path.write_text(json.dumps(TABLE | change))
    with pytest.raises(DataError, match=message):
        read_table(path)


def test_a_missing_table_and_a_missing_key(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    with pytest.raises(DataError, match="cannot be read"):
        read_table(path)
    path.write_text(json.dumps({"language": "python"}))
    with pytest.raises(DataError, match="fixes: required, and missing"):
        read_table(path)
