"""JSON without the ceremony: `json` makes a new encoder for every text. Standard library only.

What is parsed may come from foreign code, so what is not JSON by the book is refused.
"""

from __future__ import annotations

import json.encoder
from typing import Any, NoReturn


def _no_text(value: Any) -> NoReturn:
    raise TypeError(f"a {type(value).__name__} is not JSON")


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


_make: Any = getattr(json.encoder, "c_make_encoder", None)
if _make is not None:
    # markers, default, encoder, indent, separators, sort_keys, skipkeys, allow_nan
    _parts: Any = _make(
        None, _no_text, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, False
    )
else:  # a Python without the module in C
    _parts = json.JSONEncoder(
        separators=(",", ":"), check_circular=False, allow_nan=False, default=_no_text
    ).iterencode
_decoder: Any = json.JSONDecoder(parse_constant=_no_constant)
_scan = _decoder.scan_once


def dumps(value: Any) -> str:
    """The shortest JSON text of a value.

    Raises:
        TypeError: It has none.
        ValueError: It holds a float that is not finite.
    """
    return "".join(_parts(value, 0))


def parse(text: str) -> Any:
    """The value of a JSON text that has no space around it.

    Raises:
        ValueError: It is none.
        RecursionError: It is nested too deeply.
    """
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        raise ValueError("no JSON") from None
    if end != len(text):
        raise ValueError("more than one JSON value")
    return value
