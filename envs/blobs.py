"""Contents of files, and what else can be at a path of a workspace."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

HASH_BYTES = 20
FILE, LINK, FOLDER = "f", "l", "d"


class Blob:
    """The content of a file, known by its hash. Equal contents are one object: use `of`."""

    __slots__ = ("__weakref__", "_text", "data", "id")

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.id = name
        """160 bits of BLAKE2b, as hex digits."""
        self._text: str | None = None

    @staticmethod
    def of(content: bytes | str) -> Blob:
        """The blob with that content; text is UTF-8, with surrogate escapes for other bytes."""
        data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        name = blake2b(data, digest_size=HASH_BYTES).hexdigest()
        found = _blobs.get(name)
        if found is None:
            found = _blobs[name] = Blob(data, name)
        return found

    @property
    def text(self) -> str:
        """The content as text; decoded once."""
        if self._text is None:
            self._text = self.data.decode("utf-8", "surrogateescape")
        return self._text

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Blob) and other.id == self.id)

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> tuple[Any, ...]:
        return Blob.of, (self.data,)

    def __repr__(self) -> str:
        return f"Blob({self.id[:8]}, {len(self.data)} bytes)"


_blobs: WeakValueDictionary[str, Blob] = WeakValueDictionary()


class Entry(NamedTuple):
    """What is at a path."""

    kind: str
    """`FILE`, `LINK` or `FOLDER`."""
    mode: int = 0
    """Permissions, of 0o777; 0 for a link, which has none."""
    content: Blob | str = ""
    """A file's blob, a link's target; empty for a folder."""

    @property
    def mark(self) -> str:
        """The entry as a line of text that tells it from every other one."""
        content = self.content.id if isinstance(self.content, Blob) else self.content
        return f"{self.kind}{self.mode:o} {content}"


Change = Entry | None
"""What a path has become; None where nothing is there any more."""

NEW_FOLDER = Entry(FOLDER, 0o755)


def hash_in(digest: blake2b, *parts: str) -> None:
    """Add texts to a hash such that no two lists of them are the same to it."""
    for part in parts:
        data = part.encode("utf-8", "surrogateescape")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
