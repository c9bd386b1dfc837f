"""Logs of `go test -v` and `go test -json`; ids are `package::TestName/subtest`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from hrmgym.envs.outcome import Status
from hrmgym.envs.testkinds.parsers.base import Log, LogParser, Told

_WORDS = {
    "PASS": Status.PASSED,
    "FAIL": Status.FAILED,
    "SKIP": Status.SKIPPED,
}
# What tested code prints without a line end stands before them.
_RUN = re.compile(r"=== RUN   (\S+)$")
_RESULT = re.compile(r"--- (PASS|FAIL|SKIP): (\S+) \(\d+\.\d+s\)$")
_PACKAGE = re.compile(r"(ok  |FAIL)\t(\S+)(?:\t(?:\d+\.\d+s|\(cached\))(?:\t.*)?|\t?( \[.*\]))$")
_PLACE = re.compile(r" *([\w./-]+\.go):(\d{1,9})(?::\d+)?: (.+)$")
_BUILD = re.compile(r" \[(build|setup) failed\]$")


class GoTest(LogParser):
    """The log of one `go test -v` or `go test -json` over any number of packages."""

    obeys = (
        *("go.mod", "go.sum", "go.work", "go.work.sum", "vendor/*", "*/vendor/*", "*_test.go"),
        *("Makefile", "GNUmakefile", "makefile"),
    )

    def parse(self, log: Log) -> Told:
        """See `LogParser.parse`."""
        told = Told()
        packages: list[str] = []
        begun: dict[str, None] = {}
        ended: dict[str, Status] = {}
        for line in _plain(log.lines):
            if found := _RUN.search(line):
                if found[1] in begun:
                    told.doubt(f"{found[1]!r} begins twice")
                begun[found[1]] = None
            elif found := _RESULT.search(line):
                if found[2] not in begun or found[2] in ended:
                    told.doubt(f"{found[2]!r} ends without its beginning, or twice")
                status = _WORDS[found[1]]
                ended[found[2]] = Status.ERROR if found[2] in ended else status
            elif found := _PACKAGE.match(line):
                package, failed = found[2], found[1] == "FAIL"
                if package in packages:
                    told.doubt(f"package {package!r} stands twice")
                packages.append(package)
                _close(told, package, begun, ended, failed=failed)
                if failed and found[3] and _BUILD.match(found[3]):
                    told.note(package, Status.ERROR)
                begun, ended = {}, {}
            elif not told.message and (found := _PLACE.match(line)):
                told.path, told.line, told.message = found[1], int(found[2]), found[3]
        if begun or ended:
            told.doubt("the log ends within a package")
        if not packages:
            told.doubt("no package in the log (needs `go test -v`)")
        told.check_exit(log.status, failing=(1, 2))
        return told

    def control(self, path: str, text: str, nonce: str) -> tuple[str, str] | None:
        """A function at the end of a test file that imports `testing`."""
        if not path.endswith("_test.go") or not re.search(r'(?m)^\s*(import\s+)?"testing"', text):
            return None
        name = f"Test{nonce.title()}"
        return f"{text}\n\nfunc {name}(t *testing.T) {{ t.Fail() }}\n", f"::{name}"

    def goes_on(self, command: Sequence[str]) -> bool:
        """Not with -failfast."""
        return not any(word.lstrip("-").startswith("failfast") for word in command)


def _close(
    told: Told,
    package: str,
    begun: dict[str, None],
    ended: dict[str, Status],
    *,
    failed: bool,
) -> None:
    """Take down the tests of a package, whose last line says whether it failed."""
    for name in begun:
        status = ended.get(name, Status.ERROR)  # it ended the process
        told.note(f"{package}::{name}", status)
    bad = any(ended.get(name) not in (Status.PASSED, Status.SKIPPED) for name in begun)
    if bad and not failed:
        told.doubt(f"tests of package {package!r} have failed, and it is said to be ok")
    elif failed and begun and not bad:
        told.doubt(f"no test of package {package!r} has failed, and it is said to have")


def _plain(lines: list[str]) -> list[str]:
    """The log as `go test -v` prints it."""
    if not any(line.startswith('{"Time":') for line in lines):
        return lines
    texts: dict[str, list[str]] = {}
    for line in lines:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and event.get("Action") == "output":
            texts.setdefault(str(event.get("Package")), []).append(str(event.get("Output")))
    return [line for parts in texts.values() for line in "".join(parts).split("\n")]
