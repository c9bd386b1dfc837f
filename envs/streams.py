"""What standard output and error can take: control characters or plain text, UTF-8 or ASCII."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TextIO


def is_plain(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a stream takes text alone: it is no terminal, or control characters are unwanted."""
    dumb = environ.get("TERM", "").lower() in ("dumb", "unknown")
    return bool(environ.get("NO_COLOR")) or dumb or not stream.isatty()


def is_ascii(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a stream is to get ASCII alone: its locale is C or POSIX, or its encoding ASCII.

    Python itself writes UTF-8 in those locales, so they are looked up where it has not been told.
    """
    encoding = (getattr(stream, "encoding", None) or "utf-8").lower()
    if encoding in ("ascii", "us-ascii", "ansi_x3.4-1968", "646"):
        return True
    if environ.get("PYTHONIOENCODING") or environ.get("PYTHONUTF8") == "1":
        return False
    category = environ.get("LC_CTYPE")
    if category == "C.UTF-8" and environ.get("LANG") in ("C", "POSIX"):
        category = None  # what Python makes of the locale C when it starts
    named = environ.get("LC_ALL") or category or environ.get("LANG")
    return named in ("C", "POSIX")


def prepare_streams() -> None:
    """Makes standard output and error write what they can: ASCII under an ASCII locale, and an
    escape in place of a character that the encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is None:
            continue
        if is_ascii(stream):
            reconfigure(encoding="ascii", errors="backslashreplace")
        elif (stream.encoding or "").lower().replace("-", "") != "utf8":
            reconfigure(errors="backslashreplace")
