"""Runs the tests of a task in any SWE-ReX runtime."""

from __future__ import annotations

import json
import re
import secrets
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from hrmgym.envs.blobs import Blob
from hrmgym.envs.sandboxes.bench import Bench, FilesUnfitError, LocalBench, Ran
from hrmgym.envs.sandboxes.inside import selection, values
from hrmgym.envs.sandboxes.verdicts import aparttests, calltests, stdiotests, together
from hrmgym.envs.sandboxes.verdicts.pytest_outcome import CONFIGS, Book, is_timeout, steady
from hrmgym.envs.task import (
    CallTests,
    CommandTests,
    Limits,
    Outcome,
    PytestTests,
    Status,
    StdioTests,
    TestSpec,
)
from hrmgym.envs.workspace import Files
from hrmgym.errors import ConfigError

MESSAGE_WIDTH = 300
#: Bytes that a solution's changed files may hold together: each run takes them into its sandbox,
#: whose memory they must not fill.
MOST_CHANGED = 8 << 20
#: Files of tested code that never take part in a run, unless the tests bring them along.
_OBEYED = ("conftest.py", "sitecustomize.py", "usercustomize.py", "pytest.py", "_pytest.py")
_PLUGIN = "pytest_report"
#: Starts pytest as `python3 -m pytest` does, but for the workspace's modules: they come on the path
#: of imports after pytest has imported its own, lest a `string.py` be taken for Python's. Those
#: that the tests import, by the names given, then take the places of Python's; what pytest still
#: looks for in Python's, it finds there.
_START = """\
import importlib, os, sys
del sys.path[0]
import pytest
sys.path.insert(0, os.getcwd())
for name in filter(None, sys.argv.pop(1).split(",")):
    if os.path.exists(name + ".py") or os.path.exists(name + "/__init__.py"):
        python = sys.modules.pop(name, None)
        try:
            found = importlib.import_module(name)
        except BaseException:  # the tests will say so
            continue
        for key, value in vars(python).items() if python else ():
            vars(found).setdefault(key, value)
sys.argv[0] = "pytest"
sys.exit(pytest.main())
"""
#: Where compilers and interpreters say that an error is. It reads what foreign code has printed, so
#: it takes linear time, and no more digits than a line number has.
_PLACE = re.compile(r"(?m)^[ \t]*(?:(?:-->|at)[ \t]*)?([\w./-]+\.\w+):(\d{1,9})(?!\d)")


async def run_tests(
    bench: Bench, files: Mapping[str, str], tests: TestSpec, limits: Limits
) -> Outcome:
    """The outcome of `tests` on a workspace that holds `files` and nothing else.

    Raises:
        TypeError: No way is known to run that kind of tests.
        OSError: The run could not be made.
    """
    try:
        return await _run_tests(bench, files, tests, limits)
    except FilesUnfitError as error:
        return Outcome(tests=dict.fromkeys(tests.test_ids, Status.ERROR), message=str(error))


async def _run_tests(
    bench: Bench, files: Mapping[str, str], tests: TestSpec, limits: Limits
) -> Outcome:
    if (size := _changed_bytes(files)) > MOST_CHANGED:
        most = f"more than the {MOST_CHANGED >> 20} MiB that are tested"
        raise FilesUnfitError(f"the solution holds {size >> 20} MiB, {most}")
    match tests:
        case CallTests():
            reply = await bench.run_calls(calltests.request(files, tests, limits), limits)
            return calltests.judge(tests, reply, limits)
        case StdioTests():
            reply = await bench.run_calls(stdiotests.request(files, tests, limits), limits)
            return stdiotests.judge(tests, reply, limits)
        case PytestTests() if isinstance(bench, LocalBench) and not together.reason(tests):
            return await _run_apart(bench, files, tests, limits)
        case PytestTests():
            return await _run_together(bench, files, tests, limits)
        case CommandTests():
            await bench.renew(_laid_over(Files.of(files), tests.files), limits)
            return _judge_command(bench, tests, await bench.run(tests.command, limits))
    raise TypeError(f"cannot run tests of type {type(tests).__name__}")


def _laid_over(files: Files, more: Mapping[str, str]) -> Files:
    """The files with others on top."""
    try:
        for path, text in more.items():
            files = files.with_text(path, text)
    except ConfigError as error:
        raise FilesUnfitError(str(error)) from None
    return files


def _changed_bytes(files: Mapping[str, str]) -> int:
    """Bytes in the files that differ from those of the task."""
    if not isinstance(files, Files):
        return 0
    contents = (entry.content for entry in files.changes.values() if entry is not None)
    return sum(len(content.data) for content in contents if isinstance(content, Blob))


# --- one command ---------------------------------------------------------------------------------


def _judge_command(bench: Bench, tests: CommandTests, ran: Ran) -> Outcome:
    (name,) = tests.test_ids
    if ran.status == 0:
        return Outcome(tests={name: Status.PASSED}, cpu_s=ran.cpu_s, wall_s=ran.wall_s)
    if is_timeout(ran.status):
        message = f"{tests.command[0]} timed out"
        return Outcome(
            tests={name: Status.TIMEOUT}, message=message, cpu_s=ran.cpu_s, wall_s=ran.wall_s
        )
    text = ran.output.replace(bench.root + "/", "")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"error|fail|expected", line, re.IGNORECASE)]
    said = (telling or lines[-1:] or [f"exit code {ran.status}"])[0]
    place = _PLACE.search(text)
    return Outcome(
        tests={name: Status.FAILED},
        message=values.cut(steady(said), MESSAGE_WIDTH),
        path=place[1] if place else "",
        line=int(place[2]) if place else 0,
        cpu_s=ran.cpu_s,
        wall_s=ran.wall_s,
        killed=ran.status == -signal.SIGKILL,
    )


# --- pytest --------------------------------------------------------------------------------------


async def _run_apart(
    bench: LocalBench, files: Mapping[str, str], tests: PytestTests, limits: Limits
) -> Outcome:
    plan = aparttests.plan(tests, limits)
    if path := aparttests.shadowed(plan, files):
        return aparttests.shadowing(tests, path)
    return aparttests.judge(tests, await bench.run_apart(plan, files, limits))


async def _run_together(
    bench: Bench, files: Mapping[str, str], tests: PytestTests, limits: Limits
) -> Outcome:
    side = ".hrmgym"
    plugins = (Path(__file__).with_name(f"{_PLUGIN}.py"), Path(str(selection.__file__)))
    ours = {f"{side}/{path.name}": path.read_text("utf-8") for path in plugins}
    ours[f"{side}/tests.json"] = json.dumps(tests.ids)
    await bench.renew(_laid_over(_without_configuration(files), {**tests.files, **ours}), limits)
    config = next((name for name in CONFIGS if name in tests.files), "/dev/null")
    named = dict.fromkeys(map(selection.path_of, tests.ids))
    targets = [f"./{path}" for path in named]  # so that no name is taken for an option
    imported = aparttests.plan(tests, limits).imports & sys.stdlib_module_names
    argv = [
        *("python3", "-B", "-c", _START, ",".join(sorted(imported)), "-q", "--tb=no"),
        *("--continue-on-collection-errors", "-p", "no:cacheprovider"),
        *("-p", _PLUGIN, "-c", config, f"--rootdir={bench.root}", f"--confcutdir={bench.root}"),
        *(*tests.args, *targets),
    ]
    folder = f"{bench.root}/{side}"
    report = f"{folder}/report-{secrets.token_hex(16)}"
    env = {
        "PYTHONPATH": f"{folder}:{bench.libraries}".rstrip(":"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "HRMGYM_REPORT": report,
        "HRMGYM_TESTS": f"{folder}/tests.json",
    }
    ran = await bench.run(argv, limits, env)
    return judge_pytest(tests, await bench.read(report), ran)


def _without_configuration(files: Mapping[str, str]) -> Files:
    """The files without those that pytest or Python would obey before any test runs."""
    kept = Files.of(files)
    obeyed = [p for p in kept if p.rpartition("/")[2] in _OBEYED or p in CONFIGS]
    for path in obeyed:
        kept = kept.without(path)
    return kept


def judge_pytest(tests: PytestTests, report: str, ran: Ran) -> Outcome:
    """The outcome from the plugin's report, which foreign code could have written too."""
    book = Book(tests)
    for line in report.splitlines():
        try:
            event = values.parse(line)
        except values.Unfit:
            break
        if not isinstance(event, dict):
            break
        book.note(event)
    return book.close(ran.status, output=ran.output, cpu_s=ran.cpu_s, wall_s=ran.wall_s)
