"""From a fix of the recipe and the two releases' files to a task."""

from __future__ import annotations

import hashlib
import json

from hrmgym.envs.benchmarks.fixes.changes import with_old_body
from hrmgym.envs.benchmarks.fixes.layout import Layout
from hrmgym.envs.benchmarks.fixes.recipe import Fix, Package, Side
from hrmgym.envs.benchmarks.fixes.testfiles import files_of
from hrmgym.envs.task import NO_ENVIRONMENT, Environment, Limits, PytestTests, Task, Workspace
from hrmgym.errors import DataError

NAME = "fixes"
#: Of how a release is laid out; another number lays kept ones out anew.
LAYOUT = 1
#: For one run of one side's tests: what takes longer than half a second is not taken as a task.
LIMITS = Limits(cpu_s=5.0, wall_s=30.0, memory_mb=1024, processes=64, output_kb=64, file_mb=64)
#: Changed lines of a small fix.
SMALL = 3


def task_of(package: Package, fix: Fix, old: Layout, new: Layout, *, check: bool = True) -> Task:
    """The task of a fix.

    Args:
        package: The package, with its lock.
        fix: What changed, and which tests tell.
        old: The older release's files.
        new: The newer one's, which are the reference.
        check: Whether its content must be what the recipe says.

    Raises:
        DataError: the releases do not hold the function, or the content is another.
    """
    name = f"{package.name} {fix.new}: {fix.path}::{fix.function}"
    reference = new.package.get(fix.path, "")
    text = with_old_body(old.package.get(fix.path, ""), reference, fix.function)
    if text is None:
        raise DataError(f"{name}: not a function of both releases")
    sides = {"visible": files_of(new, fix.visible.ids), "hidden": files_of(new, fix.hidden.ids)}
    found = content(text, sides)
    if check and found != fix.content:
        raise DataError(f"{name}: content {found[:12]}, expected {fix.content[:12]}")
    lock = package.lock
    return Task(
        id=task_id(package.name, fix),
        benchmark=NAME,
        language="python",
        split=package.split,
        prompt=f"Repair the function {fix.function} in {fix.path}: some tests of"
        f" {package.name} {fix.new} fail.",
        workspace=Workspace(files={**new.package, fix.path: text}),
        editable=(fix.path,),
        visible_tests=_tests(fix.visible, sides["visible"]),
        hidden_tests=_tests(fix.hidden, sides["hidden"]),
        limits=LIMITS,
        environment=Environment(lock=lock) if lock else NO_ENVIRONMENT,
        focus=f"{fix.path}::{fix.function}",
        reference={fix.path: reference},
        source=f"{package.name} {fix.old} and {fix.new}",
        licence=new.licence,
        tags=(package.name, "small" if fix.lines <= SMALL else "large"),
    )


def task_id(package: str, fix: Fix) -> str:
    """Unique: `package-version-path-function`, the path without its ending, with dots."""
    module = fix.path.removesuffix(".py").replace("/", ".")
    return f"{package}-{fix.new}-{module}.{fix.function}"


def content(text: str, sides: dict[str, dict[str, str]]) -> str:
    """SHA-256 over a task's own texts, as 64 hex digits."""
    data = json.dumps([text, sides], sort_keys=True).encode("utf-8", "surrogatepass")
    return hashlib.sha256(data).hexdigest()


def _tests(side: Side, files: dict[str, str]) -> PytestTests:
    return PytestTests(
        files=files,
        ids=side.ids,
        fail_to_pass=side.fail_to_pass,
        pass_to_pass=side.pass_to_pass,
        together=side.together or False,
        tried=not side.together,
    )
