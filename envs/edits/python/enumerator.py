"""The legal edits of a Python text: all kinds in their order, each changed program once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from hrmgym.envs.edits.edit import Edit
from hrmgym.envs.edits.legal import LegalEdit
from hrmgym.envs.edits.python.canon import PRIME, Canon, Keys, regions
from hrmgym.envs.edits.python.kinds import BULKY, LEAN, Kind
from hrmgym.envs.edits.python.program import Program
from hrmgym.envs.edits.source import parse

#: The number of a changed region, and above it which region that is.
Key = int
_REGION = PRIME.bit_length()


class PythonEdits:
    """The legal edits of one Python text.

    Args:
        text: A program.
        within: Only edits inside this span of characters.

    Raises:
        DataError: the text is not Python, or has carriage returns.
    """

    def __init__(self, text: str, within: tuple[int, int]) -> None:
        self.program = Program(parse(text), within)
        self._within = within
        self._lean: list[LegalEdit] | None = None
        self._keys: dict[int, Keys] = {}
        self._seen: set[Key] = set()

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
        for kinds, seen in ((LEAN, set[Key]()), (BULKY, set[Key]())):
            for edit in self._enumerate(kinds, seen):
                if key in seen:
                    return edit
        return None

    def among(self, edits: Sequence[LegalEdit], wanted: str) -> int | None:
        """As `find`, the number of that edit in a list of edits of this text.

        Raises:
            DataError: the other text is not Python.
        """
        key = self._key_of(wanted)
        if key is None:
            return None
        end = f":{key & ((1 << _REGION) - 1):x}"
        return next((at for at, one in enumerate(edits) if one.id.endswith(end)), None)

    def _key_of(self, wanted: str) -> Key | None:
        """The key of the edit that leads to a text; None where none or several regions differ."""
        tree = parse(wanted).tree
        parts = [Canon(node).text for node in regions(tree)]
        own = [canon.text for canon in self.program.canons]
        if len(parts) != len(own):
            return None
        different = [i for i, (one, two) in enumerate(zip(own, parts, strict=True)) if one != two]
        if len(different) != 1:
            return None
        index = different[0]
        return self._keys_of(index).of(0, len(own[index]), parts[index]) + (index << _REGION)

    def _keys_of(self, region: int) -> Keys:
        known = self._keys.get(region)
        if known is None:
            known = self._keys[region] = Keys(self.program.canons[region].text)
        return known

    def _enumerate(self, kinds: Iterable[Kind], seen: set[Key]) -> Iterator[LegalEdit]:
        program, make = self.program, tuple.__new__
        low, high = self._within
        bounded = low > 0 or high < len(program.text)
        current = whole = other = -1
        before: list[int] = []
        behind = before
        digests: dict[str, tuple[int, int]] = {}
        for kind in kinds:
            name = kind.name
            for change in kind.function(program):
                if change is None:
                    continue
                start, end, text, region, begin, stop, canon = change
                if bounded and (start < low or end > high):
                    continue
                if region != current:
                    keys, current = self._keys_of(region), region
                    before, behind, whole = keys.before, keys.behind, keys.before[-1]
                    other = region << _REGION
                    seen.add(whole + other)  # no edit is no edit
                digest = digests.get(canon)
                if digest is None:
                    digest = digests[canon] = keys.digest(canon)
                new, power = digest
                # `Keys.of`, here for its speed
                number = (
                    (before[begin] * power + new - before[stop]) * behind[stop] + whole
                ) % PRIME
                key = number + other
                if key not in seen:
                    seen.add(key)
                    edit = make(Edit, (start, end, text))
                    # in an f-string it takes twice as long
                    id_ = "%s:%d:%d:%x" % (name, start, end, number)  # noqa: UP031
                    yield make(LegalEdit, (id_, name, edit))
