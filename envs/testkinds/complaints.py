"""What compilers, interpreters and test runners complain of, for people and agents to read."""

from __future__ import annotations

import re

from hrmgym.envs.sandboxes.inside import values
from hrmgym.envs.sandboxes.verdicts.pytest_outcome import MESSAGE_WIDTH, steady

#: Where compilers and interpreters say that an error is. It reads what foreign code has printed, so
#: it takes linear time, and no more digits than a line number has.
_PLACE = re.compile(r"(?m)^[ \t]*(?:(?:-->|at)[ \t]*)?([\w./-]+\.\w+):(\d{1,9})(?!\d)")
_TELLING = re.compile(r"error|fail|expected", re.IGNORECASE)


def first_complaint(output: str, root: str, status: int | None) -> tuple[str, str, int]:
    """The first line that says what is wrong, and the place that is named first.

    Args:
        output: What a command has printed.
        root: The workspace's path, which is left out.
        status: Its exit code, told where it has printed nothing.

    Returns:
        Message, path and line; an empty path and 0 where no place is named.
    """
    text = output.replace(root + "/", "")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line)]
    said = (telling or lines[-1:] or [f"exit code {status}"])[0]
    place = _PLACE.search(text)
    message = values.cut(steady(said), MESSAGE_WIDTH)
    return (message, place[1], int(place[2])) if place else (message, "", 0)
