"""Cuts source text into lexemes: one regular expression for all languages, and nothing is lost.

A lexeme is the unit of an edit. Names, numbers and the words of strings and comments never carry
white space, so that a name is the same lexeme wherever it stands and can be copied. A single space
next to an operator, a bracket, a separator or a keyword belongs to that lexeme: formatted code
needs few lexemes, and `" <= "` takes the place of `" < "`, one for one. A line break takes the
indentation after it. The lexer has no state: in a string, words are words and quotes are quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


INFIX_KEYWORDS = _words(
    """
    and as catch else except extends finally for from if implements import in instanceof is of or
    throws where
    """
)
"""Keywords that stand between operands, or after a bracket."""

HEAD_KEYWORDS = _words(
    """
    abstract assert async await break case chan class const constexpr continue crate def default
    defer del delete do elif enum explicit export final fn fallthrough friend func function
    global go goto impl inline interface lambda let loop match mod move mut namespace native new
    nonlocal not operator override package pass private protected pub public raise range ref return
    select sizeof static struct switch synchronized template throw trait transient try type
    typedef typename typeof union unsafe use using var virtual volatile while with yield
    """
)
"""Keywords that open a statement, a declaration or an expression."""

TYPE_KEYWORDS = _words(
    """
    auto bool boolean byte char double error float float32 float64 int int16 int32 int64 int8 long
    short signed size_t string uint uint16 uint32 uint64 uint8 unsigned void
    """
)
"""Types that stand next to the name they declare. Without a space they are ordinary names."""

KEYWORDS = frozenset(INFIX_KEYWORDS + HEAD_KEYWORDS)

OPERATORS = _words(
    """
    >>>= <<= >>= >>> === !== **= //= ... ..= &&= ||= ??= <=> ->* &^= //! /// /**
    := == != <= >= += -= *= /= %= &= |= ^= @= -> => <- :: && || ?? ?. ++ -- ** // << >> &^ .. /* */
    + - * / % = < > & | ^ ~ ! ? @
    """
)
"""Longest first: a regular expression takes the first alternative that fits."""

MAX_INDENT = 32
"""Blanks of indentation that a line break takes; what is left over is cut into powers of two."""


def _one_of(words: Iterable[str]) -> str:
    """An alternation grouped by first letter, which the matcher rejects several times faster."""
    groups: dict[str, list[str]] = {}
    for word in sorted(words, reverse=True):
        groups.setdefault(word[0], []).append(word[1:])
    return "(?:" + "|".join(f"{k}(?:{'|'.join(rest)})" for k, rest in groups.items()) + r")\b"


# White space that a lexeme owns. A run of spaces belongs to nobody.
_SPACE = "(?: (?! ))?"

_OPERATOR = "(?:" + "|".join(map(re.escape, OPERATORS)) + ")"
_SPACED_OPERATOR = rf"(?:{_OPERATOR}|:)[ \n]"
_INFIX = _one_of(INFIX_KEYWORDS)
_KEYWORD = _one_of(KEYWORDS)
_NAME = r"(?:[^\W\d]|\$(?=[^\W\d]))(?:\w|\$(?=\w))*"
_NUMBER = r"0[xXbBoO]\w+|\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?\w*"

# A space between two lexemes that could both own it goes to the one that is infix: `a < b`, `) if`.
_SPACE_BEFORE_OPERAND = rf"(?: (?=[\w\"'`$@\\])(?!{_KEYWORD}))?"
_SPACE_BEFORE_NO_OPERATOR = rf"(?: (?! |{_SPACED_OPERATOR}))?"
_SPACE_BEFORE_NO_INFIX = rf"(?: (?! |{_INFIX}|{_SPACED_OPERATOR}))?"

_RESERVED = "|".join(
    (
        rf"(?:not in|is not)\b{_SPACE}",
        rf"{_INFIX}{_SPACE_BEFORE_NO_OPERATOR}",
        rf"{_one_of(HEAD_KEYWORDS)}{_SPACE_BEFORE_NO_INFIX}",
        rf"{_one_of(TYPE_KEYWORDS)}{_SPACE_BEFORE_OPERAND}",
    )
)
_LEXEME = re.compile(
    "|".join(
        (
            # f" and the like are one lexeme, but not in "f", where f is the string's content.
            r"(?<![\"'])(?:[rR][bBfF]?|[bBfF][rR]?|[uUL])(?:\"\"\"|\'\'\'|[\"'])",
            rf"(?=[a-z])(?:{_RESERVED})",
            _NAME,
            rf" (?:{_RESERVED}|(?:{_OPERATOR}|[:#(\[{{]){_SPACE}|[)\]}}]{_SPACE_BEFORE_OPERAND})",
            rf"\r?\n(?: {{1,{MAX_INDENT}}}|\t{{1,{MAX_INDENT // 2}}})?",
            rf"[(\[{{]{_SPACE}|[)\]}}]{_SPACE_BEFORE_OPERAND}",
            rf"[,;]{_SPACE}|\.(?!\.){_SPACE_BEFORE_OPERAND}",
            r"\"\"\"|\'\'\'|```|[\"'`]",
            _NUMBER,
            r"-{4,16}|={4,16}|\*{4,16}|/{4,16}|~{4,16}|\.{4,16}",  # rulers in comments
            rf"(?:  )?(?:#{{1,16}}|//(?!=)[/!]?){_SPACE}|/\*\*?{_SPACE}",  # comments
            rf"{_OPERATOR}{_SPACE_BEFORE_OPERAND}|:{_SPACE}",
            rf"\$\{{{_SPACE}",
            r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[abfnrtvdswDSWB0]|[^\w\s])",
            rf"(?: {{16}}| {{8}}| {{4}}| {{2}})(?!{_OPERATOR})|\t{{1,16}}",
            r"(?s:.)",
        )
    )
)
_BARE_NAME = re.compile(_NAME)
_BARE_WORD = re.compile(rf"{_NAME}|{_NUMBER}")


def lex(text: str) -> list[str]:
    """Cuts text into lexemes; joined, they are the text again, whatever the text is."""
    return _LEXEME.findall(text)


def lexemes_from(text: str, begin: int) -> Iterator[str]:
    """The lexemes from a place on where one begins, one by one."""
    return (found[0] for found in _LEXEME.finditer(text, begin))


def is_word(lexeme: str) -> bool:
    """Whether the lexeme is a name, a number or a bare keyword: something with no punctuation."""
    return _BARE_WORD.fullmatch(lexeme) is not None


def is_name(lexeme: str) -> bool:
    """Whether the lexeme is an identifier that code can choose: a word but no number or keyword."""
    return lexeme not in KEYWORDS and _BARE_NAME.fullmatch(lexeme) is not None
