"""Logs in the Test Anything Protocol, versions 12 to 14, as prove, node and others print them.

The id of a test is its description, or its number where it has none; that of one in a subtest,
which is indented by four, begins with its parent's: `parent > child`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from hrmgym.envs.outcome import Status
from hrmgym.envs.testkinds.parsers.base import Log, LogParser, Told

_LINE = re.compile(r"((?: {4})*)(1\.\.\d|(?:not )?ok\b|Bail out!|TAP version \d)(.*)$")
_PLAN = re.compile(r"1\.\.(\d{1,9})(?:\s+#.*)?$")
_POINT = re.compile(r"(not )?ok(?: +(\d{1,9}))?(?: +|$)(?:- *)?(.*)$")
_DIRECTIVE = re.compile(r"^(.*?)(?<!\\)#\s*(SKIP|TODO)", re.IGNORECASE)
_BLOCK = re.compile(r"( *)---$")


@dataclass(slots=True)
class _Level:
    """Tests at one depth, since their parent began."""

    tests: list[tuple[str, Status]] = field(default_factory=list)
    inner: list[tuple[str, Status]] = field(default_factory=list)
    """Those in subtests of them."""
    plans: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    def close(self, told: Told) -> list[tuple[str, Status]]:
        """All tests, once no more can come."""
        if told.only(self.plans, "plan"):
            if self.numbers != list(range(1, len(self.numbers) + 1)):
                told.doubt("the numbers of the tests are not 1, 2, 3 ...")
            elif len(self.numbers) != self.plans[0]:
                told.doubt(f"the plan is of {self.plans[0]} tests, the log has {len(self.numbers)}")
        return self.tests + self.inner


class Tap(LogParser):
    """A stream of one producer: a plan, and one test point for each number up to it, in order."""

    obeys = ("package.json", ".proverc", ".npmrc", "node_modules/*")

    def parse(self, log: Log) -> Told:
        """See `LogParser.parse`."""
        told, levels, versions = Told(), [_Level()], 0
        for depth, text in _lines(log.lines):
            if text.startswith("Bail out!"):
                told.doubt(f"the producer gave up: {text}")
            elif text.startswith("TAP version"):
                versions += 1
            elif depth > len(levels):
                told.doubt("a subtest of no test")
            else:
                if depth == len(levels):
                    levels.append(_Level())
                _read(told, levels, depth, text)
        if versions > 1:
            told.doubt(f"{versions} times 'TAP version'")
        if len(levels) > 1:
            told.doubt("the log ends within a subtest")
        for name, status in levels[0].close(told):
            told.note(name, status)
        if not told.tests:
            told.doubt("no test in the log")
        told.check_exit(log.status, failing=range(1, 255))
        return told

    def control(self, path: str, text: str, nonce: str) -> tuple[str, str] | None:
        """A test in a file for node's own runner; nothing else has one here."""
        if "node:test" not in text or not re.search(r"\.[cm]?js$", path):
            return None
        body = f"{nonce}('{nonce}', () => {{ throw new Error('{nonce}'); }});"
        if re.search(r"(?m)^import\b", text):
            return f"{text}\n;import {{ test as {nonce} }} from 'node:test';\n{body}\n", nonce
        return f"{text}\n;const {nonce} = require('node:test').test;\n{body}\n", nonce

    def goes_on(self, command: Sequence[str]) -> bool:
        """Not where prove or node is told to stop."""
        return not any("bail" in word for word in command)


def _lines(lines: list[str]) -> list[tuple[int, str]]:
    """Depth and text of the lines that say something; blocks of diagnostics do not."""
    found = []
    inside: str | None = None
    for line in lines:
        if inside is not None:
            inside = None if line == f"{inside}..." else inside
        elif block := _BLOCK.match(line):
            inside = block[1]
        elif told := _LINE.match(line):
            found.append((len(told[1]) // 4, told[2] + told[3]))
    return found


def _read(told: Told, levels: list[_Level], depth: int, text: str) -> None:
    """Take down a plan or a test point. A point closes the subtests before it: they are its own."""
    level = levels[depth]
    if plan := _PLAN.match(text):
        level.plans.append(int(plan[1]))
    elif point := _POINT.match(text):
        level.numbers.append(int(point[2]) if point[2] else len(level.numbers) + 1)
        name, status = _point(point)
        name = name or str(level.numbers[-1])
        while len(levels) > depth + 1:
            inner = levels.pop()
            children = [(f"{name} > {child}", one) for child, one in inner.close(told)]
            level.inner += children
        level.tests.append((name, status))


def _point(found: re.Match[str]) -> tuple[str, Status]:
    """Description and status of a test point."""
    said, directive = found[3], _DIRECTIVE.match(found[3])
    name = (directive[1] if directive else said).strip().replace("\\#", "#").replace("\\\\", "\\")
    if directive and (directive[2].upper() == "SKIP" or found[1]):  # what is to do may fail
        return name, Status.SKIPPED
    return name, Status.FAILED if found[1] else Status.PASSED
