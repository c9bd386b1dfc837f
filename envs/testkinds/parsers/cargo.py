"""Logs of `cargo test`; ids are `target::test`, where a target is `src/lib.rs` or `tests/a.rs`.

The target of documentation tests is `Doc-tests`. Where a control is wanted, the command needs
`--no-fail-fast`: otherwise cargo stops after the first target with a failure.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from hrmgym.envs.outcome import Status
from hrmgym.envs.testkinds.parsers.base import Log, LogParser, Told

_WORDS = {"ok": Status.PASSED, "FAILED": Status.FAILED, "ignored": Status.SKIPPED}
_TARGET = re.compile(r" +Running (?:unittests )?(\S+\.rs) \(.*\)$")
_DOCS = re.compile(r" +Doc-tests \S+$")
_BEGIN = re.compile(r"running (\d{1,9}) tests?$")
_TEST = re.compile(r"test (\S.*?)(?: - should panic)? \.\.\. (ok|FAILED|ignored)(?:, .*)?$")
_END = re.compile(
    r"test result: (ok|FAILED)\. (\d{1,9}) passed; (\d{1,9}) failed; (\d{1,9}) ignored; "
    r"(\d{1,9}) measured; (\d{1,9}) filtered out(?:; finished in .*)?$"
)
_PANIC = re.compile(r"thread '.*' (?:\(\d+\) )?panicked at ([\w./-]+\.rs):(\d{1,9}):\d+:$")


class CargoTest(LogParser):
    """The log of one `cargo test` over any number of targets."""

    obeys = (
        *("Cargo.toml", "Cargo.lock", "build.rs", "rust-toolchain", "rust-toolchain.toml"),
        *(".cargo/*", "*/.cargo/*", "target/*", "tests/*.rs", "*/tests/*.rs"),
    )

    def parse(self, log: Log) -> Told:
        """See `LogParser.parse`."""
        told = Told()
        target, announced, ended = "", 0, 0
        planned: int | None = None
        counts: Counter[str] = Counter()
        lines = log.lines
        for number, line in enumerate(lines):
            if (found := _TARGET.match(line)) or _DOCS.match(line):
                announced += 1
                target = found[1] if found else "Doc-tests"
            elif found := _BEGIN.match(line):
                if planned is not None:
                    told.doubt("a target begins within another one")
                planned, counts = int(found[1]), Counter()
            elif planned is not None and (found := _TEST.match(line)):
                told.note(f"{target}::{found[1]}", _WORDS[found[2]])
                counts[found[2]] += 1
            elif found := _END.match(line):
                ended += 1
                _close(told, planned, counts, found)
                planned = None
            elif not told.message and (found := _PANIC.match(line)):
                told.path, told.line = found[1], int(found[2])
                told.message = " ".join(lines[number + 1 : number + 2])
        if planned is not None:
            told.doubt("the log ends within a target")
        if not ended or ended != announced:
            told.doubt(f"{announced} targets were to run, and {ended} came to their end")
        told.check_exit(log.status, failing=(101,))
        return told

    def control(self, path: str, text: str, nonce: str) -> tuple[str, str] | None:
        """A function in a file of tests/."""
        if not re.search(r"(^|/)tests/[^/]+\.rs$", path):
            return None
        return f"{text}\n\n#[test]\nfn {nonce}() {{\n    panic!();\n}}\n", f"::{nonce}"

    def goes_on(self, command: Sequence[str]) -> bool:
        """With --no-fail-fast alone."""
        return "--no-fail-fast" in command


def _close(told: Told, planned: int | None, counts: Counter[str], end: re.Match[str]) -> None:
    """Compare the numbers of a target."""
    passed, failed, ignored, measured, _ = map(int, end.groups()[1:])
    if planned is None:
        told.doubt("a target ends twice")
    elif planned != passed + failed + ignored + measured:
        told.doubt(f"{planned} tests were to run in a target, and its last line counts others")
    told.check_counts(counts, {"ok": passed, "FAILED": failed, "ignored": ignored}, "a target")
    if (end[1] == "ok") != (failed == 0):
        told.doubt(f"the result of a target is {end[1]}, and {failed} of its tests have failed")
