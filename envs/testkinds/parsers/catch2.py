"""Reports of Catch2's XML reporter (`-r xml`), versions 2 and 3; ids are names of test cases.

They are read from what the command prints, or from the first of `HarnessTests.reports`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from hrmgym.envs.outcome import Status
from hrmgym.envs.testkinds.parsers.base import Log, LogParser, Told
from hrmgym.envs.testkinds.parsers.xml import element_of

_TOPS = {"Catch": "</Catch>", "Catch2TestRun": "</Catch2TestRun>"}


class Catch2(LogParser):
    """The report of one test program."""

    obeys = (
        *("CMakeLists.txt", "*.cmake", "Makefile", "GNUmakefile", "makefile", "build/*"),
        *("catch.hpp", "catch2/*", "*/catch2/*"),
    )

    def parse(self, log: Log) -> Told:
        """See `LogParser.parse`."""
        told = Told()
        top = element_of(log.reports[0] if log.reports else _report(log), told, "the report")
        if top is None:
            return told
        if top.tag not in _TOPS:
            told.doubt(f"the report is of {top.tag!r}, not of Catch2")
        found: Counter[str] = Counter()
        groups = [top, *top.findall("Group")]
        for case in (case for group in groups for case in group.findall("TestCase")):
            results = case.findall("OverallResult")
            if len(results) != 1:
                told.doubt(f"test case {case.get('name')!r} has {len(results)} results")
            result = results[0].attrib if results else {}
            passed = result.get("success") == "true"
            skipped = passed and result.get("skips", "0") != "0"
            status = Status.SKIPPED if skipped else Status.PASSED if passed else Status.FAILED
            told.note(case.get("name", ""), status)
            found["bad" if not passed else "good"] += 1
            if not passed and not told.message:
                bad = case.find(".//Expression/Expanded")
                bad = case.find(".//Exception") if bad is None else bad
                told.message = f"{case.get('name')}: {(_text(bad) or 'failed')}"
                told.path, line = case.get("filename", ""), case.get("line", "")
                told.line = int(line) if line.isdecimal() and len(line) < 10 else 0
        if told.only(top.findall("OverallResultsCases"), "OverallResultsCases"):
            said = {
                k: int(v)
                for k, v in top.findall("OverallResultsCases")[0].items()
                if v.isdecimal() and len(v) < 10
            }
            good = said.get("successes", 0) + said.get("expectedFailures", 0) + said.get("skips", 0)
            told.check_counts(found, {"bad": said.get("failures", 0), "good": good}, "the report")
        told.check_exit(log.status, failing=range(1, 256))
        return told

    def control(self, path: str, text: str, nonce: str) -> tuple[str, str] | None:
        """A test case at the end of a file of tests."""
        if not re.search(r"\.(cpp|cc|cxx)$", path) or "TEST_CASE" not in text:
            return None
        return f'{text}\n\nTEST_CASE("{nonce}") {{ REQUIRE(1 == 2); }}\n', nonce

    def goes_on(self, command: Sequence[str]) -> bool:
        """Not with -a and -x."""
        return not any(re.match(r"-[ax]$|--abort", word) for word in command)


def _text(element: object) -> str:
    return " ".join((getattr(element, "text", None) or "").split())


def _report(log: Log) -> str:
    """The XML in the output, up to its end: a build may have printed something before it."""
    text = "\n".join(log.lines)
    start = text.find("<?xml")
    ends = [text.rfind(end) + len(end) for end in _TOPS.values() if end in text]
    return text[start : max(ends)] if start >= 0 and ends else ""
