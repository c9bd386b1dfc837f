"""JSON texts by one encoder and one scanner."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrmgym.envs.sandboxes.between import texts

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_texts_are_those_of_json(value: Any) -> None:
    text = texts.dumps(value)
    assert text == json.dumps(value, separators=(",", ":"))
    assert repr(texts.parse(text)) == repr(value)


@pytest.mark.parametrize("value", [float("nan"), [float("inf")]])
def test_no_special_floats(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        texts.dumps(value)


def test_only_json() -> None:
    with pytest.raises(TypeError, match="a set is not JSON"):
        texts.dumps([{1}])


@pytest.mark.parametrize("text", ["", " ", " 1", "1 ", "1,2", "NaN", "[Infinity]", "{", "[" * 9])
def test_what_is_no_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON|Expecting|enclosed|delimiter"):
        texts.parse(text)


def test_too_deep() -> None:
    with pytest.raises(RecursionError):
        texts.parse("[" * 100_000)
