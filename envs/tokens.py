"""The project's vocabulary: byte-level BPE inside lexemes, lossless for any text.

`load_tokens()` reads the file that ships with the package. How it was made, and from what, is told
in `data/tokens-v1.md`; the recipe is `benchmarks/train_tokens.py`. Models depend on the numbers of
the tokens: a new file is a new version, never a change of an old one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from itertools import chain
from typing import NamedTuple

from tokenizers import Tokenizer
from tokenizers.models import Model

from hrmgym.envs.lexer import lex
from hrmgym.errors import ActionError, DataError

VERSION = "1"
SPECIALS = ("\u0100PAD", "\u0100END", "\u0100CLS", "\u0100SEP")
"""Their names in the file. Text is stored as one character below U+0100 per byte, so that no text
can spell them."""

_CACHE_SIZE = 65_536
_CACHE_LENGTH = 64


class Encoding(NamedTuple):
    """Tokens of a text; `starts[i]` tells whether token i begins a lexeme."""

    ids: list[int]
    starts: list[bool]


class _Known(dict[str, tuple[int, ...]]):
    """Lexeme -> its tokens, found where they are first asked for."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self._model = model

    def __missing__(self, lexeme: str) -> tuple[int, ...]:
        piece = lexeme
        try:
            if not lexeme.isascii():
                piece = lexeme.encode("utf-8", "surrogateescape").decode("latin-1")
        except UnicodeEncodeError as error:
            raise DataError(
                f"lexeme {lexeme[:40]!a}: character {error.start} is a lone surrogate, "
                "which UTF-8 cannot express; read the text with errors='replace'"
            ) from None
        tokens = tuple([token.id for token in self._model.tokenize(piece)])
        if len(lexeme) <= _CACHE_LENGTH:
            if len(self) >= _CACHE_SIZE:
                self.clear()
            self[lexeme] = tokens
        return tokens


class _Starts(dict[int, tuple[bool, ...]]):
    """Number of a lexeme's tokens -> which of them begins it: the first."""

    def __missing__(self, count: int) -> tuple[bool, ...]:
        pattern = (True,) + (False,) * (count - 1)
        if count <= _CACHE_LENGTH:
            self[count] = pattern
        return pattern


_STARTS = _Starts()


class Tokens:
    """Text to token numbers and back.

    Numbers 0 to 3 are the special tokens, 4 to 259 the bytes, the rest pieces of lexemes.
    """

    PAD = 0
    END = 1
    CLS = 2
    SEP = 3

    def __init__(self, data: bytes, version: str) -> None:
        """Reads a file of the `tokenizers` library that `benchmarks/train_tokens.py` has made."""
        self.version = version
        tokenizer = Tokenizer.from_buffer(data)
        self._known = _Known(tokenizer.model)
        vocabulary = tokenizer.get_vocab(with_added_tokens=False)
        self.size = len(vocabulary)
        for number, name in enumerate(SPECIALS):
            if vocabulary.pop(name, None) != number:
                raise DataError(f"tokens version {version}: token {number} is not {name[1:]}")
        self._bytes = {number: piece.encode("latin-1") for piece, number in vocabulary.items()}

    def encode(self, text: str) -> Encoding:
        """Cuts text into lexemes and these into tokens, never a special one.

        A surrogate escape, which stands for a byte that is no UTF-8, becomes that byte's token.

        Raises:
            DataError: if the text holds another lone surrogate, which UTF-8 cannot express.
        """
        return self.encode_lexemes(lex(text))

    def encode_lexemes(self, lexemes: Sequence[str]) -> Encoding:
        """The tokens of lexemes, as `hrmgym.envs.lexer.lex` has cut them; see `encode`."""
        parts = list(map(self._known.__getitem__, lexemes))  # all of it at C's speed
        ids = list(chain.from_iterable(parts))
        if len(ids) == len(parts):
            return Encoding(ids, [True] * len(ids))
        return Encoding(ids, list(chain.from_iterable(map(_STARTS.__getitem__, map(len, parts)))))

    def encode_lexeme(self, lexeme: str) -> tuple[int, ...]:
        """The tokens of one lexeme, as `hrmgym.envs.lexer.lex` has cut it."""
        return self._known[lexeme]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of the tokens.

        Raises:
            ActionError: if a token is special or unknown, or if the bytes are not UTF-8.
        """
        try:
            data = b"".join(map(self._bytes.__getitem__, ids))
        except KeyError as error:
            raise self._no_text(error.args[0]) from None
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise ActionError(
                f"the tokens spell no UTF-8: {error.reason} at byte {error.start} of {len(data)}"
            ) from None

    def token_bytes(self, token: int) -> bytes:
        """The bytes of one token, which need not be whole characters.

        Raises:
            ActionError: if the token is special or unknown.
        """
        try:
            return self._bytes[token]
        except KeyError:
            raise self._no_text(token) from None

    def lexeme_text(self, encoding: tuple[Sequence[int], Sequence[bool]], index: int) -> str:
        """The whole lexeme that the token at `index` is a part of.

        Raises:
            ActionError: if the index is outside, or the lexeme has no text.
        """
        ids, starts = encoding
        if not 0 <= index < len(ids):
            raise ActionError(f"token index {index} is outside of 0 to {len(ids) - 1}")
        first, end = index, index + 1
        while first > 0 and not starts[first]:
            first -= 1
        while end < len(ids) and not starts[end]:
            end += 1
        return self.decode(ids[first:end])

    def _no_text(self, token: int) -> ActionError:
        legal = f"{len(SPECIALS)} to {self.size - 1}"
        return ActionError(f"token {token} has no text; legal are {legal}")


@cache
def load_tokens() -> Tokens:
    """The vocabulary that ships with the package, read once per process."""
    file = resources.files("hrmgym.envs").joinpath(f"data/tokens-v{VERSION}.json")
    return Tokens(file.read_bytes(), VERSION)
