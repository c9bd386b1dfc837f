"""The command line. Everything heavy is imported by the command that needs it."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from hrmgym.errors import ConfigError, UserError
from hrmgym.keys_command import list_keys
from hrmgym.options import JsonFile, home
from hrmgym.repair_command import repair
from hrmgym.score_command import score
from hrmgym.train_command import train

app = typer.Typer(
    name="hrmgym",
    help="Software-engineering environments for reinforcement learning.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# typer brings its own click, or uses the installed one, depending on its version.
_ClickError: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


def _version(wanted: bool) -> None:
    if wanted:
        from hrmgym import __version__

        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command()(train)
app.command()(score)
app.command()(repair)


@app.command()
def tasks(
    benchmark: Annotated[
        str | None, typer.Argument(metavar="BENCHMARK", show_default=False)
    ] = None,
    task: Annotated[str | None, typer.Argument(metavar="TASK", show_default=False)] = None,
    split: Annotated[str | None, typer.Option(help="Only this split.", show_default=False)] = None,
    path: Annotated[
        str | None, typer.Option(help="Data of a benchmark that takes some.", show_default=False)
    ] = None,
    reference: Annotated[bool, typer.Option("--reference", help="Show the solution.")] = False,
) -> None:
    """List the benchmarks, a benchmark's tasks, or show one task."""
    from hrmgym import listing

    if benchmark is None:
        if split or path or reference:
            raise ConfigError("--split, --path and --reference need a benchmark")
        listing.benchmarks()
    elif task is None:
        if reference:
            raise ConfigError("--reference needs a task")
        listing.tasks(benchmark, path, split)
    else:
        listing.task(benchmark, path, split, task, reference=reference)


app.command("keys")(list_keys)


@app.command()
def check(
    benchmark: Annotated[str, typer.Argument(metavar="BENCHMARK", help="A name, or module:Class.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="The sandbox: sandbox=docker, sandbox.image=..."),
    ] = None,
    path: Annotated[
        str | None, typer.Option(help="Data of a benchmark that takes some.", show_default=False)
    ] = None,
    tasks: Annotated[
        list[str] | None,
        typer.Option(help="Only this task, or those of a pattern; repeatable.", show_default=False),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Only this split.", show_default=False)] = None,
    only_runnable: Annotated[
        bool,
        typer.Option("--only-runnable", help="Tasks that cannot run here are no reason for 3."),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Sandboxes at once.", show_default="one a processor"),
    ] = None,
    json_file: JsonFile = None,
    show_all: Annotated[bool, typer.Option("--all", help="Show every task.")] = False,
) -> None:
    """Say whether a benchmark is sound on this machine: each task fails as it is, its reference
    passes, and three runs of each agree.

    Exit code: 0: all tasks are sound, marked or without a reference. 1: a task is unsound. 3: none
    is, but some cannot run here. 2: nothing could be checked.
    """
    from hrmgym.envs.benchmark import make_benchmark
    from hrmgym.experiments.evaluate.check import check as check_tasks
    from hrmgym.experiments.evaluate.check import select
    from hrmgym.experiments.evaluate.check_table import check_table, progress
    from hrmgym.experiments.loader import load_sandbox
    from hrmgym.experiments.progress import console
    from hrmgym.experiments.run import check_writable, write_json

    sandbox = load_sandbox(overrides or ())
    made = make_benchmark(benchmark, path)
    chosen = select(made, tasks or (), split)
    if json_file is not None:
        check_writable(json_file)
    with progress(len(chosen)) as on_task:
        report = check_tasks(made, chosen, sandbox=sandbox, workers=workers, on_task=on_task)
    console().print(check_table(report, everything=show_all))
    if json_file is not None:
        write_json(json_file, report.to_dict())
        print(f"report: {json_file}")
    if not report.complete:
        raise KeyboardInterrupt
    raise typer.Exit(report.exit_code(only_runnable=only_runnable))


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(callback=home, help="Folder of a checkpoint.")],
    out: Annotated[Path, typer.Argument(callback=home, help="Folder to write.")],
    bits: Annotated[int, typer.Option(help="Of a weight: 4, 8 or 16.")] = 4,
    held_out: Annotated[
        int, typer.Option(min=1, help="Most held-out fixes of each kind to measure it on.")
    ] = 64,
    force: Annotated[
        bool, typer.Option("--force", help="Write it even if more than 5 % of fixes are lost.")
    ] = False,
) -> None:
    """Write a checkpoint in fewer bits, and say what that costs."""
    from hrmgym.experiments import export as exporting
    from hrmgym.experiments.progress import progress

    with progress() as on_progress:
        cost = exporting.export(
            checkpoint,
            out,
            bits,
            held_out=held_out,
            most_lost=float("inf") if force else exporting.MOST_LOST,
            on_progress=on_progress,
        )
    for line in exporting.cost_lines(cost):
        print(line)
    print(f"checkpoint: {out}")


@app.command("runs")
def list_runs(
    folder: Annotated[
        Path,
        typer.Argument(
            callback=home, help="Folder of run folders.", envvar="HRMGYM_RUNS", show_default="runs"
        ),
    ] = Path("runs"),
) -> None:
    """List runs: how each is, a dead one told from a living one, and what it scored."""
    from hrmgym import listing

    listing.runs(folder)


@app.command()
def doctor() -> None:
    """Say what works on this machine: versions, device, sandbox, data."""
    from hrmgym.doctor import report

    report()


#: Errors of the system that are no mistake in the program: what it is to write to is full.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EMFILE, errno.ENFILE)


def _require_folder() -> None:
    try:
        Path.cwd()
    except FileNotFoundError:
        raise ConfigError("the working folder has been removed: cd to one that exists") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """The console script; the exit status is 2 for the user's mistakes, 3 where results have no
    verdict because the sandbox failed, 130 for Ctrl-C, 143 for SIGTERM and 129 for SIGHUP."""
    from hrmgym.envs.streams import is_plain, prepare_streams

    prepare_streams()
    # rich takes colours from its help under NO_COLOR, and leaves bold; in continuous integration
    # it takes any stream for a terminal.
    app.rich_markup_mode = None if is_plain(sys.stdout) else "rich"
    try:
        _require_folder()
        return int(app(arguments, prog_name="hrmgym", standalone_mode=False) or 0)
    except UserError as error:
        message = str(error)
    except _ClickError as error:  # a bad option; __str__ would say less
        message = error.format_message()
        if type(error).__name__ == "NoArgsIsHelpError":  # `hrmgym` alone: its help, if not printed
            print(message, end="\n" if message else "", file=sys.stderr)
            message = ""
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except OSError as error:
        if error.errno not in _FULL:
            raise
        where = f"{error.filename}: " if error.filename else ""
        message = f"{where}{error.strerror}"
    if message:
        from hrmgym.envs.showing import showable

        print(f"error: {showable(' '.join(message.split()))}", file=sys.stderr)
    return 2
