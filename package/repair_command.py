"""`hrmgym repair`: a person's own file, or the tasks of an experiment to watch."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hrmgym.errors import ConfigError, did_you_mean
from hrmgym.options import JsonFile, Overrides, home

if TYPE_CHECKING:
    from hrmgym.experiments.projects.repairing import FileRepair, Request

_DEFAULT = "repair-katas"
#: Exit status where no edit was found.
_NONE_FOUND = 1


def repair(
    target: Annotated[
        str,
        typer.Argument(
            metavar="FILE|FOLDER|CONFIG",
            help="A Python file of yours, or a folder of them, with --tests; or an experiment.",
        ),
    ] = _DEFAULT,
    overrides: Overrides = None,
    tests: Annotated[
        str | None,
        typer.Option(
            help="Tests that pytest collects: a file, a folder, or a node id.", show_default=False
        ),
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write the first edit that passes into the file.")
    ] = False,
    runs: Annotated[
        int | None,
        typer.Option(min=1, help="Most runs of the tests.", show_default="1000"),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.0, help="Most seconds of search.", show_default=False)
    ] = None,
    run_seconds: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="CPU seconds of one run of the tests.",
            show_default="4 times what they take",
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            callback=home, help="The project's folder.", show_default="found from the two"
        ),
    ] = None,
    python: Annotated[
        Path | None,
        typer.Option(
            callback=home,
            help="Interpreter or virtual environment whose packages the tests find.",
            show_default="the active one",
        ),
    ] = None,
    json_file: JsonFile = None,
) -> int:
    """Repair a file of yours until its tests pass, or watch a policy repair an experiment's tasks.

    Your project is copied into a sandbox, and what runs, runs there. The file is left as it is
    without --apply.

    Exit status: 0: repaired, or nothing to repair. 1: no edit within the budget makes the tests
    pass. 2: the tests cannot be collected, or the command is wrong. 3: the sandbox failed. Of an
    experiment: 0, or 3 where tasks have no verdict.
    """
    if not _is_own(target, tests):
        given = {
            "--tests": tests,
            "--apply": apply or None,
            "--runs": runs,
            "--seconds": seconds,
            "--run-seconds": run_seconds,
            "--root": root,
            "--python": python,
            "--json": json_file,
        }
        if wrong := next((name for name, value in given.items() if value is not None), None):
            raise ConfigError(
                f"{wrong} goes with a Python file or a folder; {target!r} is an experiment, and no"
                " such file is there"
            )
        from hrmgym.watched_repairs import watch

        return watch(target, overrides or [])
    if tests is None:
        raise ConfigError(
            f"{target}: which tests should pass? --tests names a file, a folder or a node id"
        )
    from hrmgym.experiments.projects.repairing import RUNS, Request

    request = Request(
        target=Path(target).expanduser(),
        tests=tests,
        root=root,
        python=python,
        overrides=tuple(overrides or ()),
        runs=runs or RUNS,
        seconds=seconds,
        run_cpu_s=run_seconds,
    )
    return _repair_own(request, json_file, apply=apply)


def _is_own(target: str, tests: str | None) -> bool:
    """Whether the argument is a person's file or folder, and not an experiment.

    Raises:
        ConfigError: it may be either, or it is a file that is neither.
    """
    from hrmgym.experiments.loader import shipped

    path = Path(target).expanduser()
    if path.is_dir() or (path.suffix == ".py" and path.is_file()):
        if target in shipped():
            raise ConfigError(
                f"{target!r} is a folder here and a shipped experiment: write './{target}' for the"
                f" folder, '{target}.yaml' for the experiment"
            )
        return True
    if path.suffix == ".py" or ("/" in target and path.suffix == ""):
        folder = path.parent
        names = sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []
        raise ConfigError(f"{target}: no such file or folder{did_you_mean(path.name, names)}")
    if tests is not None and path.is_file():
        raise ConfigError(
            f"{target}: only Python files (.py) can be repaired, or a folder that holds them"
        )
    return False


def _repair_own(request: Request, json_file: Path | None, *, apply: bool) -> int:
    from hrmgym.envs.failures import EXIT_STATUS
    from hrmgym.errors import SandboxError, SandboxUnavailableError
    from hrmgym.experiments.progress import progress
    from hrmgym.experiments.projects.repairing import repair_file
    from hrmgym.experiments.projects.search import Ended
    from hrmgym.experiments.projects.telling import to_dict
    from hrmgym.experiments.run import check_writable, write_json

    if json_file is not None:
        check_writable(json_file)
    try:
        with progress() as show:
            done = repair_file(request, show)
    except SandboxUnavailableError:
        raise
    except SandboxError as error:
        print(f"error: no verdict, the sandbox failed: {error.code}: {error}", file=sys.stderr)
        return EXIT_STATUS
    interrupted = done.search is not None and done.search.ended is Ended.INTERRUPTED
    applied = False
    try:
        _show(done)
        if apply and done.search is not None and done.search.passing:
            if interrupted:
                print(f"{done.path} is left as it is: interrupted before --apply")
            else:
                applied = _apply(done)
    finally:
        if json_file is not None:
            write_json(json_file, to_dict(done, applied))
            print(f"report: {json_file}")
    if interrupted:
        return 128 + signal.SIGINT
    return _NONE_FOUND if done.status == "not repaired" else 0


def _show(done: FileRepair) -> None:
    from rich.syntax import Syntax

    from hrmgym.experiments.progress import console
    from hrmgym.experiments.projects.telling import about, outcome, unified

    for line in about(done):
        print(line, file=sys.stderr if line.startswith("note: ") else sys.stdout)
    if done.search is None:
        print("nothing to repair: all tests pass already")
        return
    if done.search.passing:
        text = "\n".join(unified(done, done.search.passing[0]))
        syntax = Syntax(text, "diff", theme="ansi_dark", background_color="default")
        shown = console()
        if shown.is_terminal:
            shown.print(syntax)
        else:
            print(text)
    for line in outcome(done, done.search):
        print(line)


def _apply(done: FileRepair) -> bool:
    from hrmgym.experiments.projects.textfile import write_in_place

    assert done.file is not None
    assert done.search is not None
    write_in_place(done.file, done.file.edited(done.search.passing[0].text))
    print(f"written: {done.file.path}")
    return True
