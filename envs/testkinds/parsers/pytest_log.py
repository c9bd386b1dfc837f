"""Logs of pytest, as `pytest -v`, `pytest -rA` or both print them; ids are pytest's node ids."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from hrmgym.envs.outcome import Status
from hrmgym.envs.testkinds.parsers.base import Log, LogParser, Told, before_main, first_of

_WORDS = {
    "PASSED": Status.PASSED,
    "FAILED": Status.FAILED,
    "ERROR": Status.ERROR,
    "SKIPPED": Status.SKIPPED,
    "XFAIL": Status.SKIPPED,
    "XPASS": Status.PASSED,
}
#: What the last line calls them.
_COUNTED = {
    "PASSED": ("passed",),
    "FAILED": ("failed",),
    "ERROR": ("error", "errors"),
    "SKIPPED": ("skipped",),
    "XFAIL": ("xfailed",),
    "XPASS": ("xpassed",),
}
_WORD = "|".join(_WORDS)
_HEAD = re.compile(r"=+ test session starts =+$")
_SECTION = re.compile(r"=+ [A-Za-z][^=]* =+$")
_SUMMARY = re.compile(r"=+ short test summary info =+$")
_END = re.compile(
    r"=+ (no tests ran|\d{1,9} [a-z]+(?:, \d{1,9} [a-z]+)*) in \d+\.\d+s(?: \([\d:, days]+\))? =+$"
)
_LISTED = re.compile(rf"({_WORD}) (?:\[(\d{{1,9}})\] )?(\S.*)$")
_RAISED = re.compile(r"E +(\S.*)$")
_PLACE = re.compile(r"([\w./-]+\.py):(\d{1,9}): [\w.]+$")
_Event = tuple[str, str, int]  # word, id, times


class PytestLog(LogParser):
    """The log of one `pytest` process that names each test."""

    obeys = (
        *("conftest.py", "pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml"),
        *("pyproject.toml", "tox.ini", "setup.cfg", "sitecustomize.py", "usercustomize.py"),
        *("pytest.py", "pytest/*", "_pytest/*", "pluggy/*", "*.pth", "*.pyc"),
    )

    def parse(self, log: Log) -> Told:
        """See `LogParser.parse`."""
        told, lines = Told(), log.lines
        heads = [i for i, line in enumerate(lines) if _HEAD.match(line)]
        ends = [i for i, line in enumerate(lines) if _END.match(line)]
        summaries = [i for i, line in enumerate(lines) if _SUMMARY.match(line)]
        told.only(heads, "'test session starts' line (needs `pytest` without -q)")
        told.only(ends, "line of totals")
        if len(summaries) > 1:
            told.doubt(f"{len(summaries)} times 'short test summary info'")
        head, end = (heads or [-1])[0], (ends or [len(lines)])[-1]
        sections = (i for i in range(head + 1, end) if _SECTION.match(lines[i]))
        ran = _ran(lines[head + 1 : next(sections, end)])
        listed = _listed(lines[summaries[0] + 1 : end]) if summaries else []
        seen, again = (_statuses(told, events) for events in (ran, listed))
        for name, status in {**seen, **again}.items():
            told.note(name, status)
            if name in seen and seen[name] is not status:
                told.doubt(f"{name!r} has {seen[name]}, and then {status}")
        if ends:
            totals = _totals(lines[end])
            if totals not in (_count(ran), _count(listed)):
                told.doubt(
                    "the line of totals does not go with the tests that are named (pytest needs "
                    "-v or -rA to name them all)"
                )
        told.check_exit(log.status, failing=(1, 2))
        body = lines[head + 1 : end]
        if raised := first_of(body, _RAISED):
            told.message = raised[1]
            if place := first_of(body[body.index(raised[0]) :], _PLACE):
                told.path, told.line = place[1], int(place[2])
        return told

    def control(self, path: str, text: str, nonce: str) -> tuple[str, str] | None:
        """A function in a test module."""
        name = path.rpartition("/")[2]
        if not name.endswith(".py") or not (name.startswith("test_") or name.endswith("_test.py")):
            return None
        return before_main(text, f"def test_{nonce}():\n    assert 1 == 2\n"), f"::test_{nonce}"

    def goes_on(self, command: Sequence[str]) -> bool:
        """Not with -x and --maxfail."""
        return not any(
            word == "-x" or word.startswith(("--exitfirst", "--maxfail")) for word in command
        )


def _ran(lines: list[str]) -> list[_Event]:
    """Tests as -v names them while they run: an id, a word, perhaps a reason, and a percentage."""
    events = []
    for line in lines:
        if not line.endswith("%]"):
            continue
        told = line[: line.rindex("[")].rstrip() if "[" in line else ""
        if told.endswith(")"):
            told = max(
                (
                    told[: told.rfind(f" {word} (")] + f" {word}"
                    for word in _WORDS
                    if f" {word} (" in told
                ),
                key=len,
                default="",
            )
        name, _, word = told.rpartition(" ")
        if name and word in _WORDS:
            events.append((word, name, 1))
    return events


def _listed(lines: list[str]) -> list[_Event]:
    """Tests as -rA names them at the end; skipped ones are only counted there."""
    events = []
    for line in lines:
        if found := _LISTED.match(line):
            word, times, name = found.groups()
            if word in ("FAILED", "ERROR", "XFAIL", "XPASS"):
                name = name.partition(" - ")[0]
            events.append((word, "" if times else name, int(times or 1)))
    return events


def _statuses(told: Told, events: list[_Event]) -> dict[str, Status]:
    seen: dict[str, Status] = {}
    for word, name, _ in events:
        if not name:
            continue
        status = _WORDS[word]
        if name not in seen:
            seen[name] = status
        elif Status.ERROR in (seen[name], status):  # in a fixture, before or afterwards
            seen[name] = Status.ERROR
        else:
            told.doubt(f"{name!r} stands twice")
            seen[name] = Status.ERROR
    return seen


def _count(events: list[_Event]) -> Counter[str]:
    found: Counter[str] = Counter()
    for word, _, times in events:
        found[_COUNTED[word][0]] += times
    return found


def _totals(line: str) -> Counter[str]:
    """The numbers of the last line, of the words that are statuses."""
    numbers = {word: int(number) for number, word in re.findall(r"(\d{1,9}) ([a-z]+)", line)}
    found = {words[0]: sum(numbers.get(word, 0) for word in words) for words in _COUNTED.values()}
    return Counter({word: number for word, number in found.items() if number})
