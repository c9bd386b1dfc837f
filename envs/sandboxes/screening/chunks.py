"""Compiles many texts of one module, of which most statements are always the same.

Standard library only.
"""

from __future__ import annotations
import __future__

import ast
from itertools import chain
from types import CodeType

from hrmgym.envs.sandboxes.inside import sourcecode

_FUTURE = 0
for _name in __future__.all_feature_names:
    _FUTURE |= getattr(__future__, _name).compiler_flag


#: In front of every piece but the first, so that no text in it becomes the module's description.
_APART = "0\n"
_NOTHING: CodeType = compile("", "", "exec")


class Chunks:
    """A module's text in pieces, each of whole statements at the top level.

    Executing the pieces one after the other in one namespace is executing the module. A text that
    differs inside some pieces needs only those compiled.

    Args:
        text: The module as it is.
        file: Its path, for tracebacks.
    """

    def __init__(self, text: str, file: str) -> None:
        self._file = file
        self._text = text
        self._flags = 0
        self._cuts = _cuts(text)
        self._codes: list[CodeType] = []
        if self._cuts:
            try:
                self._flags = sourcecode.compiled(text, file).co_flags & _FUTURE
                pieces = zip(self._cuts, self._cuts[1:], strict=False)
                self._codes = [self._compile(text[start:end], start) for start, end in pieces]
            except (SyntaxError, ValueError):
                self._cuts = []
        self._acting = [_without_idle([code]) for code in self._codes]

    def codes(self, text: str) -> tuple[list[CodeType], list[CodeType]]:
        """The code of a text: all pieces that do something, in order, and those that are new.

        Raises:
            SyntaxError: It is no Python.
            ValueError: Neither.
        """
        first, end = self._changed(text)
        if end:
            piece = text[self._cuts[first] : self._cuts[end] + len(text) - len(self._text)]
            try:
                new = self._compile(piece, first)
            except SyntaxError:  # or a piece that needs those around it
                pass
            else:
                before, after = self._acting[:first], self._acting[end:]
                return [*chain(*before), new, *chain(*after)], [new]
        whole = sourcecode.compiled(text, self._file)
        return [whole], [whole]

    def _changed(self, text: str) -> tuple[int, int]:
        """The pieces that differ, from and to; (0, 0) where it is to be compiled as a whole."""
        cuts, base = self._cuts, self._text
        if not cuts or not text.isascii():
            return 0, 0
        first, end, longer = 0, len(cuts) - 1, len(text) - len(base)
        while first < end - 1 and text.startswith(base[cuts[first] : cuts[first + 1]], cuts[first]):
            first += 1
        while end > first + 1 and text.endswith(
            base[cuts[end - 1] : cuts[end]], 0, cuts[end] + longer
        ):
            end -= 1
        return (first, end) if cuts[end] + longer >= cuts[first] else (0, 0)

    @property
    def own(self) -> list[CodeType]:
        """The pieces of the module as it is; empty where it has none."""
        return self._codes

    def _compile(self, piece: str, before: int) -> CodeType:
        source = _APART + piece if before else piece
        code: CodeType = compile(source, self._file, "exec", flags=self._flags, dont_inherit=True)
        return code


def _without_idle(codes: list[CodeType]) -> list[CodeType]:
    """Those that do something; texts by themselves do not."""
    return [code for code in codes if code.co_code != _NOTHING.co_code or code.co_names]


def features_of(text: str, file: str) -> int:
    """The compiler's flags that a module's text asks for; none where it does not compile."""
    try:
        return sourcecode.compiled(text, file).co_flags & _FUTURE
    except (SyntaxError, ValueError):
        return 0


def _cuts(text: str) -> list[int]:
    """Where the pieces of a text begin, and its end; empty where it has to stay whole."""
    if not text.isascii() or "\r" in text or "\f" in text:
        return []
    lines = text.split("\n")
    if any("coding" in line for line in lines[:2]):
        return []
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return []
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    futures = [n for n, one in enumerate(body) if getattr(one, "module", "") == "__future__"]
    together = max(futures, default=0)  # these have to begin the module
    cuts, ended = [0], 0
    for number, statement in enumerate(body):
        decorators = getattr(statement, "decorator_list", ())
        line = min([statement.lineno, *(one.lineno for one in decorators)])
        if number > together and line > ended:
            cuts.append(starts[line - 1])
        ended = statement.end_lineno or line
    return [*cuts, len(text)]
