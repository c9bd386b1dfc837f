"""Source files as CPython reads them: bytes, which a byte order mark or coding cookie may explain.

A workspace holds a file's bytes as text, UTF-8 with surrogate escapes for what is none; that text
is what an editor shows, and not yet what the file says. Standard library only.
"""

from __future__ import annotations

from types import CodeType


def data_of(text: str) -> bytes:
    """The bytes of a file of the workspace."""
    return text.encode("utf-8", "surrogateescape")


def compiled(text: str, file: str) -> CodeType:
    """The code of a file, as an import of it has it.

    Raises:
        SyntaxError: It is no Python.
    """
    code: CodeType = compile(data_of(text), file, "exec", dont_inherit=True)
    return code


def compiled_program(text: str, file: str) -> CodeType:
    """The code of a file, as `python FILE` has it, which refuses bytes that an import lets pass.

    Raises:
        SyntaxError: It is no Python, or not in the encoding that it is said to be in.
    """
    if not text.isascii():
        data = data_of(text)
        try:
            data.decode()
        except UnicodeDecodeError as error:
            if _encoding(data) in ("utf-8", "utf-8-sig"):
                line = data.count(b"\n", 0, error.start) + 1
                what = f"Non-UTF-8 code starting with '\\x{data[error.start]:02x}'"
                raise SyntaxError(what, (file, line, 0, None)) from None
    return compiled(text, file)


def decoded(text: str) -> str:
    """What a file says, with "\\n" for every line end; escapes for bytes that say nothing.

    Raises:
        SyntaxError: No such encoding.
    """
    if text.isascii():
        said = text
    else:
        data = data_of(text)
        said = data.decode(_encoding(data), "backslashreplace")
    return said.replace("\r\n", "\n").replace("\r", "\n")


def _encoding(data: bytes) -> str:
    import io
    import tokenize

    return tokenize.detect_encoding(io.BytesIO(data).readline)[0]
