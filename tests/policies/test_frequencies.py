"""Frequencies of kinds: from a table, shared among the edits of a kind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hrmgym.errors import DataError, UnknownNameError
from hrmgym.policies.frequencies import LANGUAGES, Frequencies, read_table, shipped
from hrmgym.tests.policies.editing import EDITS, state_of

TABLE = {
    "language": "python",
    "source": "x",
    "tried": 9,
    "fixes": 3,
    "kinds": {"a": 3},
    "weights": {"a": 1.5},
}


def test_a_kinds_share_is_divided_among_its_edits() -> None:
    weights = {"arithmetic": 1.5, "comparison": 4.5, "name": 2.5, "elsewhere": 100.0}
    found = np.exp(Frequencies(weights).log_probs(state_of(), EDITS, {}))
    np.testing.assert_allclose(found, np.array([1.5, 4.5, 1.25, 1.25]) / 8.5)


def test_a_kind_without_a_weight_is_as_rare_as_the_rarest() -> None:
    found = Frequencies({"name": 1000.0, "elsewhere": 0.5}).log_probs(state_of(), EDITS, {})
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[2] - found[0], np.log(500.0 / 0.5))


def test_the_shipped_tables_can_be_read() -> None:
    for language in LANGUAGES:
        weights = shipped(language)
        assert len(weights) > 50
        assert weights["drop_argument"] > weights["swap_branches"]


def test_a_language_without_a_table_is_an_error() -> None:
    with pytest.raises(UnknownNameError, match="unknown language 'pyton'; did you mean 'python'"):
        Frequencies().log_probs(state_of(language="pyton"), EDITS, {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": {"a": -1}}, r"weights\.a: should be a number above 0, not -1"),
        ({"weights": {"a": 0}}, r"weights\.a: should be a number above 0, not 0"),
        ({"weights": {"a": "1"}}, r"weights\.a: should be a number above 0, not '1'"),
        ({"weights": {"a": True}}, r"weights\.a: should be a number above 0, not True"),
        ({"weights": {"a": float("inf")}}, r"weights\.a: should be a number above 0"),
        ({"weights": {}}, "weights: should name at least one kind"),
        ({"weights": [1]}, "weights: should be an object"),
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
