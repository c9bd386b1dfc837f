"""Which lines of a file a test runs, noted in memory that outlives its process.

Standard library only.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Lines:
    """A byte for each line and test, shared with the process that watches.

    Args:
        tests: How many tests there are.
        lines: How many lines the file has.
    """

    def __init__(self, tests: int, lines: int) -> None:
        self._width = lines + 1
        self._memory = mmap.mmap(-1, max(1, tests * self._width))

    @contextmanager
    def of(self, number: int, file: str) -> Iterator[None]:
        """Note the lines of a file that run meanwhile, for the test of that number."""
        memory, start, width = self._memory, number * self._width, self._width

        def line(frame: FrameType, event: str, arg: Any) -> Any:
            if event == "line" and 0 < frame.f_lineno < width:
                memory[start + frame.f_lineno] = 1
            return line

        def call(frame: FrameType, event: str, arg: Any) -> Any:
            if frame.f_code.co_filename != file:
                return None
            return line(frame, "line", arg)

        sys.settrace(call)
        try:
            yield
        finally:
            sys.settrace(None)

    def taken(self, tests: int) -> bytes:
        """The bytes of the first tests, one after the other."""
        return self._memory[: tests * self._width]
