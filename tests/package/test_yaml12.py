"""YAML by the 1.2 core schema: values, lines, mistakes, and writing."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrmgym.errors import ConfigError
from hrmgym.yaml12 import dump, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("3E+5", 3e5),
        (".5", 0.5),
        ("1.", 1.0),
        ("-.inf", -math.inf),
        ("010", 10),
        ("0o10", 8),
        ("0x10", 16),
        ("-7", -7),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        # Not so in YAML 1.1:
        ("no", "no"),
        ("on", "on"),
        ("12:30:45", "12:30:45"),
        ("2026-11-23", "2026-11-23"),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("=", "="),
        # Quotes and tags:
        ("'1e-4'", "1e-4"),
        ("!!str 5", "5"),
        ("!!float 5", 5.0),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: Any) -> None:
    read = parse(f"key: {text}", "f.yaml")[0]["key"]
    assert read == value
    assert type(read) is type(value)


def test_not_a_number_is_read() -> None:
    assert math.isnan(parse(".nan", "f.yaml")[0])


def test_merge_keys_are_ordinary_keys() -> None:
    assert parse("<<: {a: 1}", "f.yaml")[0] == {"<<": {"a": 1}}


def test_every_key_and_item_has_its_line() -> None:
    text = "a: 1\nb:\n  c: 2\n  d: [3,\n    4]\n"
    assert parse(text, "f.yaml")[1] == {
        ("a",): 1,
        ("b",): 2,
        ("b", "c"): 3,
        ("b", "d"): 4,
        ("b", "d", 0): 4,
        ("b", "d", 1): 5,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "f.yaml:3: a: repeated key"),
        ("a:\n  b: 1\n  b: 1", "f.yaml:3: a.b: repeated key"),
        ("a: [", "f.yaml:1: not YAML: expected the node content, but found '<stream end>'"),
        ("a: b: c", "f.yaml:1: not YAML: mapping values are not allowed here"),
        ("a: 1\n---\nb: 2", "f.yaml:2: not YAML: but found another document"),
        ("a: *x", "f.yaml:1: not YAML: found undefined alias 'x'"),
        ("1: a", "f.yaml:1: keys are text, and 1 is not; quote it"),
        ("? [a]\n: b", "f.yaml:1: keys are text"),
        ("a: &x [*x]", "f.yaml:1: a value contains itself"),
        ("a: !!python/object:os.system {}", "f.yaml:1: not a plain value of kind !!python/object:"),
        ("a: !!int x", "f.yaml:1: not a plain value of kind !!int"),
        ("a: \x01", "f.yaml: not YAML: unacceptable character"),
    ],
)
def test_mistakes_are_one_line_with_file_and_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(text, "f.yaml")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_lines_can_be_left_out() -> None:
    with pytest.raises(ConfigError, match=r"^override: not YAML"):
        parse("[", "override", lines=False)


def test_an_empty_document_is_null() -> None:
    assert parse("# nothing\n", "f.yaml") == (None, {})


keys = st.text("abn1~", min_size=1)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=20)
    | st.sampled_from(["1e-4", "no", "010", "12:30", "null", "", "~", "<<", "=", "1_0", "0x1", "-"])
)
documents = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abn1~", min_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(documents)
def test_what_is_written_is_read_back(data: Any) -> None:
    read = parse(dump(data), "f.yaml")[0]
    assert read == data
    assert repr(read) == repr(data)  # 1 is not 1.0, and keys keep their order


def test_equal_lists_are_written_out_twice() -> None:
    shared = [1, 2]
    assert "*" not in dump({"a": shared, "b": shared})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: 1\nb: " + "[" * 3000 + "]" * 3000,
            "x.yaml:2: values lie in each other more than 64 deep",
        ),
        ("a: 1\n\nb: " + "9" * 5000, "x.yaml:3: a number of 5,000 characters"),
    ],
)
def test_what_python_cannot_hold_is_a_fault_with_a_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}$"):
        parse(text, "x.yaml")
