"""Logs of `python -m unittest -v`, and of Django's test runner; ids are `module.Class.test`.

An id may also be written as older and newer versions of Python print it: `test (module.Class)`,
`test (module.Class.test)`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from hrmgym.envs.outcome import Status
from hrmgym.envs.testkinds.parsers.base import Log, LogParser, Told, before_main, first_of

_WORDS = {
    "ok": ("ok", Status.PASSED),
    "FAIL": ("failures", Status.FAILED),
    "ERROR": ("errors", Status.ERROR),
    "skipped": ("skipped", Status.SKIPPED),
    "expected failure": ("expected failures", Status.SKIPPED),
    "unexpected success": ("unexpected successes", Status.FAILED),
}
_STATUS = re.compile(
    r"(?:^|.*\.\.\. )(ok|FAIL|ERROR|skipped(?= ['\"])|expected failure|unexpected success)"
    r"(?:(?<=skipped) .*)?$"
)
# What tested code prints without a line end stands before a name. A name has a dot, lest a sentence
# of a docstring be taken for one.
_NAME = re.compile(
    r"(?<!\w)(?:((?:setUp|tearDown)(?:Class|Module)) \((\w[\w.]*)\)|(\w+) \((\w+(?:\.\w+)+)\))"
    r"(?: \.\.\. .*)?$"
)
_PART = re.compile(r"  (\w+) \((\w+(?:\.\w+)+)\) [\[(].* \.\.\. (?:FAIL|ERROR|skipped .*)$")
_WHOLE = re.compile(r"(\w+) \(([\w.]+)\)$")
_RULE = re.compile(r"={70}$")
_RAN = re.compile(r"Ran (\d{1,9}) tests? in \d+\.\d+s$")
_END = re.compile(r"(OK|FAILED|NO TESTS RAN)(?: \((.*)\))?$")
_RAISED = re.compile(r"([A-Za-z_][\w.]*(?:Error|Exception|Warning|Exit|Interrupt)\b.*)$")
_PLACE = re.compile(r' *File "(?:.*/)?workspace/([^"]+)", line (\d{1,9})')


class UnittestLog(LogParser):
    """The log of one run with -v."""

    obeys = (
        *("sitecustomize.py", "usercustomize.py", "unittest.py", "unittest/*", "*.pth", "*.pyc"),
        *("manage.py", "runtests.py", "test_sqlite.py"),
    )

    def parse(self, log: Log) -> Told:
        """See `LogParser.parse`."""
        told, lines = Told(), log.lines
        rules = (i for i, line in enumerate(lines) if _RULE.match(line) or _RAN.match(line))
        body = lines[: next(rules, len(lines))]
        counts = _read(told, body)
        places = [i for i, line in enumerate(lines) if _RAN.match(line)]
        ran = [int(line.split()[1]) for line in map(lines.__getitem__, places)]
        begun = sum(not _is_fixture(name) for name in told.tests)
        if told.only(ran, "'Ran ... tests' line") and ran[0] != begun:
            told.doubt(f"{ran[0]} tests were run, and the log names {begun} (needs -v)")
        rest = lines[places[0] + 1 : places[0] + 3] if places else []
        end = first_of([line for line in rest if line], _END)
        if end is None:
            told.doubt("no line with OK or FAILED after it")
        else:
            said = dict(re.findall(r"([a-z][a-z ]+)=(\d{1,9})(?!\d)", end[2] or ""))
            numbers = {word: int(number) for word, number in said.items()}
            named = {word: counts[word] for word, _ in _WORDS.values() if word != "ok"}
            told.check_counts(named, numbers, "the last line")
            bad = any(counts[word] for word in ("failures", "errors", "unexpected successes"))
            if bad != (end[1] == "FAILED"):
                told.doubt(f"the last line is {end[1]}, and the tests are not")
        told.check_exit(log.status)
        if raised := first_of(lines[len(body) :], _RAISED):
            told.message = raised[1]
            if place := first_of(lines[len(body) :], _PLACE):
                told.path, told.line = place[1], int(place[2])
        return told

    def control(self, path: str, text: str, nonce: str) -> tuple[str, str] | None:
        """A class of its own in a module with test cases."""
        if not path.endswith(".py") or "TestCase" not in text:
            return None
        name = f"Test{nonce.title()}"
        more = (
            f"import unittest as {nonce}\n\n\n"
            f"class {name}({nonce}.TestCase):\n    def test_{nonce}(self):\n        self.fail()\n"
        )
        return before_main(text, more), f".{name}.test_{nonce}"

    def goes_on(self, command: Sequence[str]) -> bool:
        """Not with -f."""
        return not any(word in ("-f", "--failfast") for word in command)

    def canonical(self, name: str) -> str:
        """`module.Class.test`, however it is written."""
        found = _WHOLE.match(name)
        return name if found is None else _dotted(found[1], found[2])


def _dotted(test: str, where: str) -> str:
    return where if where.endswith(f".{test}") else f"{where}.{test}"


def _is_fixture(name: str) -> bool:
    return name.rpartition(".")[2] in (
        "setUpClass",
        "tearDownClass",
        "setUpModule",
        "tearDownModule",
    )


def _read(told: Told, lines: list[str]) -> Counter[str]:
    """Take down the tests of the log's first part; how often each word for a status stands."""
    counts: Counter[str] = Counter()
    current = ""
    for line in lines:
        status = _STATUS.match(line)
        if part := _PART.match(line):
            if _dotted(part[1], part[2]) != current:
                told.doubt(f"a part of {part[1]!r} stands where {current!r} is told of")
        elif found := _NAME.search(line):
            current = _dotted(found[1] or found[3], found[2] or found[4])
            if current in told.tests:
                told.doubt(f"{current!r} stands twice")
            told.tests[current] = Status.MISSING
        if status is None:
            continue
        word, verdict = _WORDS[status[1]]
        counts[word] += 1
        if not current:
            told.doubt(f"{status[1]!r} stands where no test is told of")
        elif told.tests[current] in (Status.MISSING, Status.PASSED):
            told.tests[current] = verdict
    return counts
