"""Text that can be shown: what foreign code has named, said or written, made fit for any reader.

Messages, observations, renderings, reports and tables may end up in a terminal, a browser, a JSON
file or a tokenizer. A lone surrogate cannot be encoded, an escape sequence moves the cursor, a
bidirectional control makes text look like another one. `showable` is the one place that decides
what is replaced; contents of files, and values that tests compare, are never changed.
"""

from __future__ import annotations

import re

#: Control characters but tab and line feed; characters that are invisible, change the direction of
#: text, or end a line for some readers only; lone surrogates; noncharacters. The joiners U+200C and
#: U+200D stay: words of several scripts, and emoji, need them.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\U000e0000-\U000e0fff]"
)


def showable(text: str) -> str:
    """`text` with an escape such as `\\x1b` or `\\u202e` for each character that cannot be shown.

    A byte that is no UTF-8, which Python holds as a surrogate escape, becomes `\\xff`; a line that
    ends in CR LF ends in LF.
    """
    if text.isprintable():  # nearly every text; a C loop
        return text
    return _HIDDEN.sub(_escape, text.replace("\r\n", "\n"))


def _escape(found: re.Match[str]) -> str:
    number = ord(found[0])
    if 0xDC80 <= number <= 0xDCFF:
        number -= 0xDC00
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def is_utf8(text: str) -> bool:
    """Whether UTF-8 can express a text: whether it holds no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
