"""Logs in the Test Anything Protocol, versions 12 to 14, as prove, node and others print them.

The id of a test is its description, or its number where it has none. Subtests, which are indented,
do not count by themselves: their parents do.
"""

from __future__ import annotations

import re

from hrmgym.envs.outcome import Status
from hrmgym.envs.testkinds.parsers.base import Log, LogParser, Told

_PLAN = re.compile(r"1\.\.(\d{1,9})(?: +#.*)?$")
_POINT = re.compile(r"(not )?ok(?: +(\d{1,9}))?(?: +|$)(?:- *)?(.*)$")
_DIRECTIVE = re.compile(r"^(.*?)(?<!\\)#\s*(SKIP|TODO)\S*(?:\s|$)", re.IGNORECASE)
_VERSION = re.compile(r"TAP version \d+$")


class Tap(LogParser):
    """A stream of one producer: a plan, and one test point for each number up to it, in order."""

    obeys = ("package.json", ".proverc", ".npmrc", "node_modules/*")

    def parse(self, log: Log) -> Told:
        """See `LogParser.parse`."""
        told = Told()
        plans: list[int] = []
        numbers: list[int] = []
        versions = 0
        for line in log.lines:
            if found := _PLAN.match(line):
                plans.append(int(found[1]))
            elif _VERSION.match(line):
                versions += 1
            elif line.startswith("Bail out!"):
                told.doubt(f"the producer gave up: {line}")
            elif found := _POINT.match(line):
                numbers.append(int(found[2]) if found[2] else len(numbers) + 1)
                name, status = _point(found)
                name = name or str(numbers[-1])
                if name in told.tests:
                    told.doubt(f"{name!r} stands twice")
                told.note(name, status)
        if versions > 1:
            told.doubt(f"{versions} times 'TAP version'")
        if told.only(plans, "plan"):
            if plans[0] == 0:
                told.doubt("the plan is to run no test")
            if numbers != list(range(1, len(numbers) + 1)):
                told.doubt("the numbers of the tests are not 1, 2, 3 ...")
            elif len(numbers) != plans[0]:
                told.doubt(f"the plan is of {plans[0]} tests, and the log names {len(numbers)}")
        told.check_exit(log.status, failing=range(1, 255))
        return told


def _point(found: re.Match[str]) -> tuple[str, Status]:
    """Description and status of a test point."""
    said = found[3]
    directive = _DIRECTIVE.match(said)
    if directive:
        name = directive[1].strip()
        if directive[2].upper() == "SKIP" or found[1]:  # what is to do yet may fail
            return name, Status.SKIPPED
        return name, Status.PASSED
    return said.strip(), Status.FAILED if found[1] else Status.PASSED
