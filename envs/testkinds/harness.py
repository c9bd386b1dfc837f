"""Tests that a command runs and a parser of its log reads: see `HarnessTests`.

The tested code shares its process with the runner, or can reach its files, so no log proves
anything by itself. What is checked, in this order:

1. Before: files that the runner obeys are as the task has them (`LogParser.obeys`), the tests' own
   files lie on top, and no report is there that an agent has written beforehand.
2. The log is whole: it has the structure that the runner writes, its own numbers agree with it, no
   test has two statuses, and the exit code says the same.
3. One more test is among them, the control, whose name is drawn at random and which fails. The log
   has to tell of that. A program that prints a whole log of its own does not know of it.
4. A run in which all others pass is made again without the control, and has to say the same: now
   the exit code has to be that of success.
5. The tests' files are what they were.

Code that reads the tests while they run, and forges each run as it must be, is not found out; so
the mode of these tests is "harness", and reports count them with that reason.
"""

from __future__ import annotations

import secrets
import signal
import string
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from hrmgym.envs.kinds import Mode, TestKind
from hrmgym.envs.outcome import FailureCode, Outcome, Status
from hrmgym.envs.sandboxes.inside import values
from hrmgym.envs.sandboxes.verdicts.pytest_outcome import MESSAGE_WIDTH, is_timeout, steady
from hrmgym.envs.testkinds.complaints import first_complaint
from hrmgym.envs.testkinds.fields import FilesField, Path, TestsLine
from hrmgym.envs.testkinds.laying import laid_over, with_the_tasks_own
from hrmgym.envs.testkinds.parsers import Log, LogParser, Told, parser_named, parser_names
from hrmgym.envs.testspecs import HarnessTests
from hrmgym.envs.workspace import Files
from hrmgym.errors import UnknownNameError

if TYPE_CHECKING:
    from hrmgym.envs.sandboxes.bench import Bench, Ran
    from hrmgym.envs.task import Limits

_NONCE = 12  # letters
_Control = tuple[str, str, str]  # path, text, end of the test's id


def _known_parser(name: str) -> str:
    if ":" not in name and name not in parser_names():
        raise ValueError(str(UnknownNameError("parser of test logs", name, parser_names())))
    return name


class HarnessLine(TestsLine):
    """Tests that a command runs, and whose log a parser reads."""

    kind: Literal["harness"]
    command: list[str] = Field(min_length=1)
    parser: Annotated[str, AfterValidator(_known_parser)]
    files: FilesField = Field(default_factory=dict)
    fail_to_pass: list[str] = Field(default_factory=list)
    pass_to_pass: list[str] = Field(default_factory=list)
    reports: list[Path] = Field(default_factory=list)
    control: bool = True
    may_change: list[str] = Field(default_factory=list)

    def spec(self) -> HarnessTests:
        """The tests."""
        return HarnessTests(
            command=tuple(self.command),
            parser=self.parser,
            files=self.files,
            fail_to_pass=tuple(self.fail_to_pass),
            pass_to_pass=tuple(self.pass_to_pass),
            reports=tuple(self.reports),
            control=self.control,
            may_change=tuple(self.may_change),
        )


class Harness(TestKind[HarnessTests]):
    """Tests that a command runs and tells of in a log."""

    line = HarnessLine

    async def run(
        self, bench: Bench, files: Mapping[str, str], tests: HarnessTests, limits: Limits
    ) -> Outcome:
        """One run with a control; where no other test fails in it, a second one without."""
        parser = parser_named(tests.parser)
        files = Files.of(files)
        tree = _tree(files, tests, parser)
        if (control := _control(tests, parser)) is None:
            outcome = await _once(bench, tree, tests, limits, parser, "")
        else:
            path, text, name = control
            with_control = laid_over(tree, {path: text})
            outcome = await _once(bench, with_control, tests, limits, parser, name)
            if all(status in _GOOD for status in outcome.tests.values()):
                second = await _once(bench, tree, tests, limits, parser, "")
                outcome = _both(outcome, second)
        if not outcome.resolved and (kept := _kept_back(files, tree, tests)):
            said = f"{outcome.message}; {kept!r} is as the task has it (see may_change)"
            outcome = replace(outcome, message=values.cut(said, MESSAGE_WIDTH))
        silent = all(status is Status.MISSING for status in outcome.tests.values())
        if silent and not await _has_program(bench, tests, limits):
            return replace(
                outcome,
                failure=FailureCode.TOOLCHAIN_MISSING,
                message=f"there is no program {tests.command[0]!r} in the sandbox",
            )
        return outcome

    def mode(self, tests: HarnessTests, *, keeps_apart: bool) -> tuple[Mode, str]:
        """In a harness, confirmed by a control or not."""
        word = f"the log of {tests.command[0]!r} decides"
        if _control(tests, parser_named(tests.parser)) is None:
            return "harness", f"{word}, and no test that must fail confirms it"
        return "harness", f"{word}, confirmed by a test that must fail"

    def shown(self, tests: HarnessTests) -> str:
        """The command; the tests' files come to it only while they run."""
        return f"They run `{' '.join(tests.command)}`."


# --- one run -------------------------------------------------------------------------------------


def _tree(files: Files, tests: HarnessTests, parser: LogParser) -> Files:
    """The workspace of a run."""
    named = [word.removeprefix("./") for word in tests.command]
    files = with_the_tasks_own(files, parser.obeys, named, tests.may_change)
    files = laid_over(files, tests.files)
    for path in tests.reports:
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            above = "/".join(parts[:count])
            entry = files.entry(above)
            if entry is not None and (entry.kind == "l" or above == path):
                files = files.without(above)
    return files


def _kept_back(files: Files, tree: Files, tests: HarnessTests) -> str:
    """A file that the solution has changed and that the harness does not see so."""
    paths = (p for p in sorted(files.changes) if p not in tests.files and p not in tests.reports)
    return next((p for p in paths if tree.entry(p) != files.entry(p)), "")


def _control(tests: HarnessTests, parser: LogParser) -> _Control | None:
    """A test that fails, in one of the tests' files; None where that cannot be had."""
    if not tests.control or not parser.goes_on(tests.command):
        return None
    # Runners that sort tests by name come to it last: the first failure that they tell is another.
    nonce = "zz" + "".join(secrets.choice(string.ascii_lowercase) for _ in range(_NONCE))
    for path, text in reversed(list(tests.files.items())):
        if isinstance(text, str) and (made := parser.control(path, text, nonce)) is not None:
            return path, *made
    return None


async def _once(
    bench: Bench,
    tree: Files,
    tests: HarnessTests,
    limits: Limits,
    parser: LogParser,
    control: str,
) -> Outcome:
    """One run, with a test in it that has to fail where `control` is the end of its id."""
    await bench.renew(tree, limits)
    ran = await bench.run(tests.command, limits)
    if is_timeout(ran.status):
        told = Told(fault=f"{tests.command[0]} timed out")
        return _judge(tests, parser, told, ran, Status.TIMEOUT)
    assert ran.status is not None
    reports = tuple([await bench.read(path) for path in tests.reports])
    told = _parsed(tests, parser, Log(output=ran.output, status=ran.status, reports=reports))
    if ran.status < 0:
        told.fault = f"{tests.command[0]} was ended by signal {-ran.status}"
    elif len(ran.output.encode(errors="surrogateescape")) > limits.output_kb << 10:
        told.fault = f"the log holds more than the {limits.output_kb} KiB of limits.output_kb"
    if not told.message:
        told.message, told.path, told.line = first_complaint(ran.output, bench.root, ran.status)
    if control:
        _check_control(told, control)
    outcome = _judge(tests, parser, told, ran, Status.MISSING)
    if Status.PASSED in outcome.tests.values():
        for path in tests.files:
            was = tree[path].encode(errors="surrogateescape").decode(errors="replace")
            if await bench.read(path) != was:
                told.doubt(f"{path} is not what it was before the tests ran")
                return _judge(tests, parser, told, ran, Status.MISSING)
    return outcome


def _both(first: Outcome, second: Outcome) -> Outcome:
    """What two runs say of the same tests: a pass only where both do."""
    tests, message = dict(second.tests), second.message
    for name, status in first.tests.items():
        if tests[name] is Status.PASSED and status is not Status.PASSED:
            tests[name], message = status, f"{name} passes in one of two runs"
    cpu_s, wall_s = first.cpu_s + second.cpu_s, first.wall_s + second.wall_s
    return replace(second, tests=tests, message=message, cpu_s=cpu_s, wall_s=wall_s)


def _parsed(tests: HarnessTests, parser: LogParser, log: Log) -> Told:
    """What a parser reads; one that breaks over what foreign code has printed has read nothing."""
    try:
        return parser.parse(log)
    except Exception as error:  # of anybody's parser
        return Told(fault=f"parser {tests.parser!r} failed: {type(error).__name__}: {error}")


def _check_control(told: Told, name: str) -> None:
    """Take the test that has to fail out of what is told, which is nothing worth without it."""
    found = [one for one in told.tests if one.endswith(name)]
    if len(found) != 1 or told.tests[found[0]] not in (Status.FAILED, Status.ERROR):
        told.doubt("the log does not tell of a failing test that was put among the others")
    for one in found:
        del told.tests[one]


def _judge(
    tests: HarnessTests, parser: LogParser, told: Told, ran: Ran, otherwise: Status
) -> Outcome:
    """The statuses of the tests that count; `otherwise` for what is not known to have passed."""
    statuses = {}
    for name in tests.test_ids:
        status = _status(told, parser.canonical(name), otherwise)
        statuses[name] = otherwise if told.fault and status is Status.PASSED else status
    passed = all(status is Status.PASSED for status in statuses.values())
    missing = [name for name, status in statuses.items() if status is Status.MISSING]
    message = told.message
    if told.fault and (not ran.status or Status.PASSED in told.tests.values()):
        message = told.fault  # else what the runner complains of says more
    elif missing and not told.fault and not any(one in _BAD for one in told.tests.values()):
        message = f"the log does not tell of {missing[0]!r}"
    return Outcome(
        tests=statuses,
        message="" if passed else values.cut(steady(message), MESSAGE_WIDTH),
        path="" if passed else told.path,
        line=0 if passed else told.line,
        cpu_s=ran.cpu_s,
        wall_s=ran.wall_s,
        killed=ran.status == -signal.SIGKILL,
    )


_BAD = (Status.FAILED, Status.ERROR)
_GOOD = (Status.PASSED, Status.SKIPPED)


def _status(told: Told, name: str, otherwise: Status) -> Status:
    """The status of a test that is named in full, or without its file or package.

    Of several that have the same name then, the first that has not passed decides.
    """
    if name in told.tests:
        return told.tests[name]
    found = [status for one, status in told.tests.items() if one.endswith(f"::{name}")]
    return next((one for one in found if one is not Status.PASSED), (*found, otherwise)[0])


async def _has_program(bench: Bench, tests: HarnessTests, limits: Limits) -> bool:
    """Whether the program that runs the tests is there, asked where no tested code is."""
    program = tests.command[0]
    if "/" in program:
        return True
    await bench.renew({}, limits)
    asked = await bench.run(("/bin/sh", "-c", 'command -v "$1"', "sh", program), limits)
    return asked.status == 0
