"""Reports in JUnit's XML, as pytest, Maven, Gradle, gotestsum and others write them.

They are files, which `HarnessTests.reports` names; ids are `classname::name`, or `name` alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree

from hrmgym.envs.outcome import Status
from hrmgym.envs.testkinds.parsers.base import Log, LogParser, Told
from hrmgym.envs.testkinds.parsers.pytest_log import PytestLog
from hrmgym.envs.testkinds.parsers.xml import element_of

_WORDS = {
    "failure": ("failures", Status.FAILED),
    "error": ("errors", Status.ERROR),
    "skipped": ("skipped", Status.SKIPPED),
}
_DIGITS = 9


class JUnit(LogParser):
    """Reports of one run."""

    obeys = (
        *PytestLog.obeys,
        *("pom.xml", "build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"),
        *("gradle.properties", "gradlew", "gradle/*", "mvnw", ".mvn/*"),
    )

    def parse(self, log: Log) -> Told:
        """See `LogParser.parse`."""
        told = Told()
        if not log.reports:
            told.doubt("the tests name no `reports`, and this parser reads nothing else")
        for number, text in enumerate(log.reports, start=1):
            top = element_of(text, told, f"report {number}")
            if top is None:
                continue
            if top.tag not in ("testsuites", "testsuite"):
                told.doubt(f"report {number} is of {top.tag!r}, not of testsuites")
            for suite in top.iter("testsuite"):
                _read(told, suite)
        told.check_exit(log.status, failing=range(1, 256))
        return told

    def control(self, path: str, text: str, nonce: str) -> tuple[str, str] | None:
        """A function in a test module of pytest; no other language has one here."""
        return PytestLog().control(path, text, nonce)

    def goes_on(self, command: Sequence[str]) -> bool:
        """See `PytestLog.goes_on`."""
        return PytestLog().goes_on(command)


def _read(told: Told, suite: ElementTree.Element) -> None:
    """Take down the tests of a suite, and compare them with its numbers."""
    found: Counter[str] = Counter()
    cases = suite.findall("testcase")
    for case in cases:
        status = Status.PASSED
        for tag, (word, verdict) in _WORDS.items():
            marks = case.findall(tag)
            found[word] += len(marks)
            if marks:
                status = verdict
                if verdict is not Status.SKIPPED and not told.message:
                    told.message = (marks[0].get("message") or tag).partition("\n")[0]
        classname, name = case.get("classname", ""), case.get("name", "")
        told.note(f"{classname}::{name}" if classname else name, status)
    if not cases and suite.find("testsuite") is not None:
        return  # its numbers are those of the suites in it
    found["tests"] = len(cases)
    said = {}
    for word in found:
        number = suite.get(word, suite.get("skips", "0") if word == "skipped" else "")
        if not number.isdecimal() or len(number) > _DIGITS:
            told.doubt(f"suite {suite.get('name', '')!r} does not say its number of {word}")
        else:
            said[word] = int(number)
    told.check_counts(found, said, f"suite {suite.get('name', '')!r}")
