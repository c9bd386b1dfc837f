"""Logs of `jest --verbose`; ids are `file::describe > describe > test`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from hrmgym.envs.outcome import Status
from hrmgym.envs.testkinds.parsers.base import Log, LogParser, Told

_MARKS = {
    "✓": ("passed", Status.PASSED),
    "✕": ("failed", Status.FAILED),
    "○": ("skipped", Status.SKIPPED),
    "✎": ("todo", Status.SKIPPED),
}
_FILE = re.compile(r"(PASS|FAIL) (?:\./)?(\S.*?)(?: \(\d[\d.]* m?s\))?$")
_TEST = re.compile(r"( +)([✓✕○✎]) (?:skipped |todo )?(\S.*?)(?: \(\d[\d.]* m?s\))?$")
_GROUP = re.compile(r"( +)(\S.*)$")
_TOTALS = re.compile(r"(Test Suites|Tests): +((?:\d{1,9} [a-z]+, )*\d{1,9} total)$")
_BROKEN = "  ● Test suite failed to run"
_RAISED = re.compile(r"    ((?:\w*Error|expect\(|Cannot |Expected|thrown).*)$")
_PLACE = re.compile(r" +at .*?\(?([\w./-]+\.[cm]?[jt]sx?):(\d{1,9}):\d+\)?$")


class Jest(LogParser):
    """The log of one `jest --verbose` over any number of files."""

    obeys = (
        *("package.json", "package-lock.json", "jest.config.*", "babel.config.*", ".babelrc"),
        *(".babelrc.*", ".npmrc", "tsconfig.json", "node_modules/*", "*/node_modules/*"),
        *("__mocks__/*", "*/__mocks__/*"),
    )

    def parse(self, log: Log) -> Told:
        """See `LogParser.parse`."""
        told, lines = Told(), log.lines
        counts: Counter[str] = Counter()
        files: dict[str, bool] = {}
        totals: dict[str, list[dict[str, int]]] = {"Tests": [], "Test Suites": []}
        number = 0
        while number < len(lines):
            line = lines[number]
            number += 1
            if found := _TOTALS.match(line):
                pairs = re.findall(r"(\d{1,9}) ([a-z]+)", found[2])
                totals[found[1]].append({word: int(count) for count, word in pairs})
            elif found := _FILE.match(line):
                if found[2] in files:
                    told.doubt(f"file {found[2]!r} stands twice")
                files[found[2]] = found[1] == "FAIL"
                number = _read(told, counts, found[2], lines, number)
                if _fails(told, found[2]) != files[found[2]]:
                    told.doubt(f"file {found[2]!r} has another result than its tests")
            elif not told.message and (found := _RAISED.match(line)):
                told.message = found[1]
            elif told.message and not told.path and (found := _PLACE.match(line)):
                told.path, told.line = found[1], int(found[2])
        for word, said in totals.items():
            if told.only(said, f"line of {word!r}"):
                failed = sum(files.values())
                suites = {"failed": failed, "passed": len(files) - failed, "total": len(files)}
                tests = counts | Counter(total=counts.total())
                said[0].pop("skipped" if word == "Test Suites" else "", None)
                told.check_counts(tests if word == "Tests" else suites, said[0], f"line {word!r}")
        told.check_exit(log.status)
        return told

    def control(self, path: str, text: str, nonce: str) -> tuple[str, str] | None:
        """A test at the end of a file of tests."""
        if not re.search(r"\.(test|spec)\.[cm]?[jt]sx?$", path):
            return None
        more = f"test('{nonce}', () => {{ throw new Error('{nonce}'); }});"
        return f"{text}\n;{more}\n", f"::{nonce}"

    def goes_on(self, command: Sequence[str]) -> bool:
        """Not with --bail."""
        return not any(word == "-b" or word.startswith("--bail") for word in command)


def _read(told: Told, counts: Counter[str], file: str, lines: list[str], number: int) -> int:
    """Take down the tests of a file, whose lines begin at `number`; where they end."""
    groups: list[tuple[int, str]] = []
    while number < len(lines) and lines[number].strip():
        line = lines[number]
        number += 1
        if line == _BROKEN:
            told.note(file, Status.ERROR)
            break
        if found := _TEST.match(line):
            word, status = _MARKS[found[2]]
            counts[word] += 1
            within = [name for indent, name in groups if indent < len(found[1])]
            told.note(f"{file}::{' > '.join([*within, found[3]])}", status)
        elif (found := _GROUP.match(line)) and not found[2].startswith("●"):
            groups = [one for one in groups if one[0] < len(found[1])]
            groups.append((len(found[1]), found[2]))
        else:
            break
    return number


def _fails(told: Told, file: str) -> bool:
    return any(
        status in (Status.FAILED, Status.ERROR)
        for name, status in told.tests.items()
        if name == file or name.startswith(f"{file}::")
    )
