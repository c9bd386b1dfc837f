"""The legal edits of a Python text: all kinds in their order, each changed program once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b

from hrmgym.envs.edits.edit import Edit
from hrmgym.envs.edits.legal import LegalEdit
from hrmgym.envs.edits.python.canon import Canon, regions
from hrmgym.envs.edits.python.kinds import BULKY, LEAN, Kind
from hrmgym.envs.edits.python.program import Program
from hrmgym.envs.edits.source import Source
from hrmgym.errors import DataError


class PythonEdits:
    """The legal edits of one Python text.

    Args:
        text: A program.
        within: Only edits inside this span of characters.

    Raises:
        DataError: the text is not Python, or has carriage returns.
    """

    def __init__(self, text: str, within: tuple[int, int]) -> None:
        self.program = Program(Source(text), within)
        self._within = within
        self._lean: list[LegalEdit] | None = None
        self._seen = {hash((index, canon.text)) for index, canon in enumerate(self.program.canons)}
        self._keys: dict[int, int] = {}

    def lean(self) -> Iterator[LegalEdit]:
        """Those of the lean kinds, in a fixed order."""
        if self._lean is None:
            self._lean = list(self._enumerate(LEAN, self._seen))
        return iter(self._lean)

    def bulky(self) -> Iterator[LegalEdit]:
        """Those of kinds with many members, made as they are asked for."""
        self.lean()
        return self._enumerate(BULKY, set(self._seen))

    def find(self, wanted: str) -> LegalEdit | None:
        """The legal edit that makes a program of the same syntax as another text, if there is one.

        Raises:
            DataError: the other text is not Python.
        """
        key = self._key_of(wanted)
        if key is None:
            return None
        for kinds, seen in ((LEAN, set[int]()), (BULKY, set[int]())):
            for edit in self._enumerate(kinds, seen):
                if key in seen:
                    return edit
        return None

    def _key_of(self, wanted: str) -> int | None:
        """The key of the edit that leads to a text; None where it differs in no or more regions."""
        tree = Source(wanted).tree
        parts = [Canon(node).text for node in regions(tree)]  # type: ignore[arg-type]
        own = [canon.text for canon in self.program.canons]
        different = [i for i, (one, two) in enumerate(zip(own, parts)) if one != two]  # noqa: B905
        if len(parts) != len(own) or len(different) != 1:
            return None
        return hash((different[0], parts[different[0]]))

    def _enumerate(self, kinds: Iterable[Kind], seen: set[int]) -> Iterator[LegalEdit]:
        program = self.program
        low, high = self._within
        canons = [canon.text for canon in program.canons]
        for kind in kinds:
            name = kind.name
            for change in kind.function(program):
                if change is None:
                    continue
                start, end, text, region, begin, stop, canon = change
                if start < low or end > high:
                    continue
                whole = canons[region]
                key = hash((region, whole[:begin] + canon + whole[stop:]))
                if key in seen:
                    continue
                seen.add(key)
                digest = blake2b(text.encode(), digest_size=6).hexdigest()
                yield LegalEdit(f"{name}:{start}:{end}:{digest}", name, Edit(start, end, text))


__all__ = ["DataError", "PythonEdits"]
