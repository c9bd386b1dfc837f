"""A Python file whose text is edited and put back: its encoding and line ends stay as they are.

Edits are made in a plain form of the text: UTF-8 without a byte order mark, all lines ending in
"\\n". An edit of that is carried over to the file's own bytes.
"""

from __future__ import annotations

import io
import os
import re
import tempfile
import tokenize
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hrmgym.envs.edits.edit import Edit, alike
from hrmgym.errors import ConfigError

_COOKIE = re.compile(r"^([ \t\f]*#.*?coding[:=][ \t]*)([-\w.]+)")


@dataclass(frozen=True, slots=True)
class TextFile:
    """A Python file as it was read."""

    path: Path
    data: bytes
    encoding: str
    """As Python finds it: from the byte order mark or the coding line, else UTF-8."""
    said: str
    """The text as it is in the file."""
    plain: str
    """The text that is edited."""
    places: tuple[int, ...]
    """Where in `said` each character of `plain` begins, and last where it ends."""

    def edited(self, text: str) -> bytes:
        """The file's bytes with the plain text changed: nothing but the change differs.

        Raises:
            ConfigError: the file's encoding has no such character.
        """
        edit = edit_between(self.plain, text)
        if edit is None:
            return self.data
        new = edit.text.replace("\n", self._line_end())
        start, end = self.places[edit.start], self.places[edit.end]
        try:
            return (self.said[:start] + new + self.said[end:]).encode(self.encoding)
        except UnicodeEncodeError as error:
            raise ConfigError(f"{self.path}: {self.encoding} cannot express it: {error}") from None

    def _line_end(self) -> str:
        """The line end that most lines have."""
        pairs = self.said.count("\r\n")
        counts = {
            "\n": self.said.count("\n") - pairs,
            "\r\n": pairs,
            "\r": self.said.count("\r") - pairs,
        }
        return max(counts, key=lambda one: counts[one])


def read_text_file(path: Path) -> TextFile:
    """Reads a Python file.

    Raises:
        ConfigError: it cannot be read, or is not in the encoding that it is said to be in.
    """
    try:
        data = path.read_bytes()
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        said = data.decode(encoding)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (SyntaxError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not text that Python reads: {error}") from None
    plain: list[str] = []
    places: list[int] = []
    at = 0
    for part in re.findall(r"\r\n|[\s\S]", said):
        plain.append("\n" if part in ("\r\n", "\r") else part)
        places.append(at)
        at += len(part)
    places.append(at)
    return _without_cookie(TextFile(path, data, encoding, said, "".join(plain), tuple(places)))


def _without_cookie(file: TextFile) -> TextFile:
    """The same with the plain text's coding line, where it has another one, naming UTF-8."""
    if file.encoding in ("utf-8", "utf-8-sig"):
        return file
    plain, places, begin = file.plain, file.places, 0
    for line in plain.splitlines(keepends=True)[:2]:
        if found := _COOKIE.match(line):
            start, end = begin + found.start(2), begin + found.end(2)
            plain = f"{plain[:start]}utf-8{plain[end:]}"
            places = (*places[:start], *[places[start]] * len("utf-8"), *places[end:])
            break
        begin += len(line)
    return TextFile(file.path, file.data, file.encoding, file.said, plain, places)


def edit_between(before: str, after: str) -> Edit | None:
    """The shortest one edit that makes the second text of the first; None where they are one."""
    if before == after:
        return None
    head, tail = alike(before, after)
    return Edit(head, len(before) - tail, after[head : len(after) - tail])


def write_in_place(file: TextFile, data: bytes) -> None:
    """Replaces a file's content at once, or not at all; a link's target keeps its place.

    Its permissions stay, and so do its owner and group where this process may give them.

    Raises:
        ConfigError: it is not as it was read any more, or cannot be written; it is then as before.
    """
    path = file.path.resolve()
    try:
        if path.read_bytes() != file.data:
            raise ConfigError(f"{file.path}: changed since it was read, so it is left as it is")
        status = path.stat()
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            with suppress(OSError):  # only root may give files away; the group may be a foreign one
                os.chown(part, status.st_uid, status.st_gid)
            part.chmod(status.st_mode & 0o7777)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"{file.path}: cannot be written: {error.strerror}") from None
