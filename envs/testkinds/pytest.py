"""Tests that pytest runs: see `PytestTests`. Apart from the tested code wherever they can."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from hrmgym.envs.kinds import Mode, TestKind
from hrmgym.envs.outcome import Outcome
from hrmgym.envs.sandboxes.inside import selection, values
from hrmgym.envs.sandboxes.verdicts import aparttests, pytest_outcome, together
from hrmgym.envs.sandboxes.verdicts.pytest_outcome import CONFIGS, Book
from hrmgym.envs.sandboxes.verdicts.screens import Plan
from hrmgym.envs.task import Limits
from hrmgym.envs.testkinds.fields import FilesField, TestsLine, normal_id
from hrmgym.envs.testkinds.laying import laid_over
from hrmgym.envs.testspecs import PytestTests
from hrmgym.envs.workspace import Files

if TYPE_CHECKING:
    from hrmgym.envs.sandboxes.bench import Apart, Bench, Ran

#: Files of tested code that never take part in a run, unless the tests bring them along.
_OBEYED = ("conftest.py", "sitecustomize.py", "usercustomize.py", "pytest.py", "_pytest.py")
_PLUGIN = "pytest_report"
_MORE_MEMORY_MB = 256  # for pytest itself, in a process that it shares with tested code
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


class PytestLine(TestsLine):
    """Test files for pytest, laid over the workspace only while they run."""

    kind: Literal["pytest"]
    files: FilesField = Field(min_length=1)
    ids: list[Annotated[str, AfterValidator(normal_id)]] = Field(min_length=1)
    together: bool = False

    def spec(self) -> PytestTests:
        """The tests."""
        return PytestTests(files=self.files, ids=tuple(self.ids), together=self.together)


class Pytest(TestKind[PytestTests]):
    """Tests that pytest runs."""

    line = PytestLine

    async def run(
        self, bench: Bench, files: Mapping[str, str], tests: PytestTests, limits: Limits
    ) -> Outcome:
        """Apart from the tested code, where the sandbox and the tests allow it."""
        if bench.apart is not None and not together.reason(tests):
            return await _run_apart(bench.apart, files, tests, limits)
        return await _run_together(bench, files, tests, limits)

    def mode(self, tests: PytestTests, *, keeps_apart: bool) -> tuple[Mode, str]:
        """Apart, or together and why."""
        if not keeps_apart:
            return "together", "in this sandbox, pytest runs in one process with the code"
        why = together.reason(tests)
        return ("together", why) if why else ("apart", "")

    def screen(self, files: Mapping[str, str], tests: PytestTests, path: str) -> Plan | str:
        """In one process with the code, whatever an ordinary run does; collected once."""
        if not path.endswith(".py"):
            return f"{path} is no Python file"
        whole = laid_over(_without_configuration(files), tests.files)
        if whole.get(path) != files.get(path):
            return f"{path} is one of the tests' own files"
        body = dict(aparttests.plan(tests, Limits()).prepare)
        del body["files"], body["eager"], body["seeds"]
        return Plan("pytest", "tests", body, whole, _MORE_MEMORY_MB)


async def _run_apart(
    bench: Apart, files: Mapping[str, str], tests: PytestTests, limits: Limits
) -> Outcome:
    plan = aparttests.plan(tests, limits)
    if path := aparttests.shadowed(plan, files):
        return aparttests.shadowing(tests, path)
    return aparttests.judge(tests, await bench.run_apart(plan, files, limits))


async def _run_together(
    bench: Bench, files: Mapping[str, str], tests: PytestTests, limits: Limits
) -> Outcome:
    side = ".hrmgym"
    plugin = Path(pytest_outcome.__file__).with_name(f"{_PLUGIN}.py")
    plugins = (plugin, Path(str(selection.__file__)))
    ours = {f"{side}/{path.name}": path.read_text("utf-8") for path in plugins}
    ours[f"{side}/tests.json"] = json.dumps(tests.ids)
    await bench.renew(laid_over(_without_configuration(files), {**tests.files, **ours}), limits)
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
