"""The vocabulary: lossless, its tokens inside lexemes, its numbers never changing."""

from __future__ import annotations

import hashlib
import json
import runpy
from collections import Counter
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrmgym.envs.lexer import lex
from hrmgym.envs.tokens import SPECIALS, VERSION, Tokens, load_tokens
from hrmgym.errors import ActionError, DataError, UserError

TOKENS = load_tokens()
FILE = resources.files("hrmgym.envs").joinpath(f"data/tokens-v{VERSION}.json")
CODE = 'def f(count):\n    count = len("größe 😀") < 1234567\n\treturn unheard_of_name\r\n'
texts = st.text() | st.lists(
    st.sampled_from([*CODE, "\u0100PAD", "<pad>", "[SEP]", " not in ", "\0", "self", "\n    "])
).map("".join)


@pytest.fixture(scope="module")
def recipe() -> dict[str, Any]:
    return runpy.run_path(
        str(Path(__file__).parents[2] / "benchmarks" / "train_tokens.py"), run_name="recipe"
    )


@given(texts)
def test_decode_is_the_inverse_of_encode(text: str) -> None:
    ids, _ = TOKENS.encode(text)
    assert TOKENS.decode(ids) == text
    assert all(len(SPECIALS) <= number < TOKENS.size for number in ids)


@given(texts)
def test_starts_mark_the_lexemes(text: str) -> None:
    encoding = TOKENS.encode(text)
    ids, starts = encoding
    assert len(ids) == len(starts)
    borders = [index for index, start in enumerate(starts) if start] + [len(ids)]
    parts = [TOKENS.decode(ids[a:b]) for a, b in pairwise(borders)]
    assert parts == lex(text)
    for (first, end), part in zip(pairwise(borders), parts, strict=True):
        assert {TOKENS.lexeme_text(encoding, index) for index in range(first, end)} == {part}
        assert TOKENS.encode_lexeme(part) == tuple(ids[first:end])


def test_size_and_version() -> None:
    assert TOKENS.size == 8192
    assert TOKENS.version == VERSION == "1"
    assert (TOKENS.PAD, TOKENS.END, TOKENS.CLS, TOKENS.SEP) == (0, 1, 2, 3)
    assert len(FILE.read_bytes()) < 600_000
    assert load_tokens() is TOKENS


def test_the_file_never_changes() -> None:
    digest = hashlib.sha256(FILE.read_bytes()).hexdigest()
    assert digest == "8580bed919ad9d1439a0621347ffa6009fb7730a66f358310b4dd2ced65f2356", (
        "trained models depend on the numbers of the tokens: give a new file a new version"
    )


def test_encoding_is_the_same_in_every_instance() -> None:
    other = Tokens(FILE.read_bytes(), VERSION)
    assert other.encode(CODE) == TOKENS.encode(CODE) == TOKENS.encode(CODE)
    assert TOKENS.encode("while lo <= hi:\n    return x")[0] == [
        1365,
        297,
        1613,
        2064,
        62,
        322,
        405,
        124,
    ]


def test_every_byte_has_a_token() -> None:
    for byte in range(256):
        text = bytes([byte]).decode("latin-1")
        if byte < 128:
            assert TOKENS.encode_lexeme(text) == (4 + byte,)
    assert TOKENS.decode([4 + byte for byte in "é😀".encode()]) == "é😀"


def test_an_operator_replaces_another_token_by_token() -> None:
    less, at_most = TOKENS.encode("a < b").ids, TOKENS.encode("a <= b").ids
    assert [x == y for x, y in zip(less, at_most, strict=True)] == [True, False, True]


@pytest.mark.parametrize(
    "lexeme",
    [" < ", " <= ", "<", "<=", " = ", " == ", ", ", ": ", "(", ")", ".", "return ", " in ", " and ",
     "not ", "def ", "if ", " not in ", "\n", "\n    ", "\n" + " " * 32, "\n" + "\t" * 8,
     "\n      ", "0", "7", "42", "100", "self", "range", "result", '"""', " => ", "  # "],
)  # fmt: skip
def test_common_lexemes_are_one_token(lexeme: str) -> None:
    assert len(TOKENS.encode_lexeme(lexeme)) == 1


def test_seeds_are_one_token(recipe: dict[str, Any]) -> None:
    seeds = recipe["seeds"]()
    assert len(seeds) > 900
    assert [seed for seed in seeds if len(TOKENS.encode_lexeme(seed)) != 1] == []


def test_a_name_has_the_same_tokens_everywhere() -> None:
    name = list(TOKENS.encode_lexeme("unheard_of_name"))
    assert len(name) > 1
    for code in ("f(unheard_of_name)", "x = unheard_of_name", "return unheard_of_name + 1"):
        ids, starts = TOKENS.encode(code)
        [first] = [i for i in range(len(ids)) if ids[i : i + len(name)] == name]
        assert starts[first : first + len(name)] == [True] + [False] * (len(name) - 1)


def test_decode_takes_arrays() -> None:
    ids = TOKENS.encode(CODE).ids
    assert TOKENS.decode(np.asarray(ids, dtype=np.int32)) == CODE
    assert TOKENS.decode([]) == ""
    assert b"".join(map(TOKENS.token_bytes, ids)) == CODE.encode()
    with pytest.raises(ActionError, match="token 0 has no text"):
        TOKENS.decode(np.zeros(1, dtype=np.int32))


@pytest.mark.parametrize("number", [0, 1, 2, 3, -1, 8192, 10**9])
def test_decode_refuses_tokens_without_text(number: int) -> None:
    with pytest.raises(ActionError, match=rf"token {number} has no text; legal are 4 to 8191"):
        TOKENS.decode([50, number, 51])
    with pytest.raises(ActionError, match=rf"token {number} has no text; legal are 4 to 8191"):
        TOKENS.token_bytes(number)


def test_decode_refuses_bytes_that_are_no_text() -> None:
    half = [4 + byte for byte in "a😀".encode()[:-1]]
    with pytest.raises(ActionError, match=r"UTF-8: unexpected end of data at byte 1 of 4"):
        TOKENS.decode(half)


@pytest.mark.parametrize("index", [-1, 3])
def test_lexeme_text_refuses_an_index_outside(index: int) -> None:
    with pytest.raises(ActionError, match=rf"token index {index} is outside of 0 to 2"):
        TOKENS.lexeme_text(TOKENS.encode("a = b"), index)


def test_lone_surrogates_are_refused() -> None:
    with pytest.raises(DataError, match=r"'\\ud800': character 0 is a lone surrogate"):
        TOKENS.encode("x = \ud800")
    with pytest.raises(UserError):
        TOKENS.encode_lexeme("\udfff")


def test_a_foreign_file_is_refused() -> None:
    data = json.loads(FILE.read_bytes())
    vocabulary = data["model"]["vocab"]
    vocabulary[SPECIALS[0]], vocabulary[SPECIALS[1]] = 1, 0
    with pytest.raises(DataError, match="version 9: token 0 is not PAD"):
        Tokens(json.dumps(data).encode(), "9")


def test_long_lexemes_and_many_lexemes() -> None:
    tokens = Tokens(FILE.read_bytes(), VERSION)
    text = "a" * 100_000 + " " + " ".join(f"name{n}" for n in range(70_000))
    assert tokens.decode(tokens.encode(text).ids) == text


def test_training_is_deterministic_and_stays_inside_lexemes(recipe: dict[str, Any]) -> None:
    counts = recipe["count"](["if lo < hi:\n    return lo\n" * 50])
    data = recipe["train"](counts)
    assert data == recipe["train"](Counter(dict(reversed(counts.items()))))
    tokens = Tokens(data, "test")
    assert tokens.encode("if lo < hi:")[1] == [True] * 5
    pieces = [tokens.decode([number]) for number in range(260, tokens.size)]
    assert all(any(piece in lexeme for lexeme in counts) for piece in pieces)
