"""The command line. Everything heavy is imported by the command that needs it."""

from __future__ import annotations

import errno
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hrmgym.errors import ConfigError, UserError
from hrmgym.keys_command import list_keys

if TYPE_CHECKING:
    from hrmgym.experiments.run import RunFolder
    from hrmgym.experiments.schema import Experiment

app = typer.Typer(
    name="hrmgym",
    help="Software-engineering environments for reinforcement learning.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# typer brings its own click, or uses the installed one, depending on its version.
_ClickError: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

_CONFIG = "An experiment file, or a shipped experiment, for example demo."
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="For example trainer.gamma=0.9; `hrmgym keys` lists them.",
        show_default=False,
    ),
]


def _home(path: Path | None) -> Path | None:
    """A path with `~` read as a shell reads it: no shell does so in `--option=~/x`."""
    from hrmgym.config import expand_home

    return None if path is None else Path(expand_home(path))


Runs = Annotated[
    Path | None,
    typer.Option(
        "--runs",
        callback=_home,
        help="Folder of run folders.",
        envvar="HRMGYM_RUNS",
        show_default="runs",
    ),
]


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


@app.command()
def train(
    config: Annotated[
        str | None, typer.Argument(metavar="CONFIG", help=_CONFIG, show_default=False)
    ] = None,
    overrides: Overrides = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            callback=_home,
            help="Continue this run folder instead; KEY=VALUE change it.",
            show_default=False,
        ),
    ] = None,
    finish: Annotated[
        Path | None,
        typer.Option(
            callback=_home,
            help="Make the checkpoint to ship from this pretraining's present state; it can go on.",
            show_default=False,
        ),
    ] = None,
    runs: Runs = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Runs of a sweep at once.",
            show_default="one for each processor, or for as many as `threads`",
        ),
    ] = None,
) -> int:
    """Train a policy, and score it; a `sweep:` trains several at once, and compares them.

    Exit status 3: some results have no verdict.
    """
    from hrmgym.experiments.evaluate.score import check
    from hrmgym.experiments.loader import expand
    from hrmgym.experiments.run import RunFolder

    folder = resume or finish
    if folder is not None:
        changes = [*([config] if config else []), *(overrides or ())]
        if (resume and finish) or runs or workers or (finish and changes):
            raise ConfigError("--resume takes KEY=VALUE and nothing else, --finish nothing at all")
        if config is not None and "=" not in config:
            raise ConfigError(f"--resume goes on with the run's own config.yaml, not {config!r}")
        run = RunFolder(folder)
        if finish:
            return _train_one(run, resume=True, only_finish=True)
        with run.locked():
            if run.status == "finished" and not changes:
                raise ConfigError(f"{resume}: the run has finished; there is nothing to resume")
            if changes:
                run.override(changes)
            return _train_one(run, resume=True)
    if config is None:
        raise ConfigError(f"which experiment? {_CONFIG}")
    experiments = expand(config, overrides or ())
    for experiment in experiments:
        if experiment.trainer is None:
            raise ConfigError(f"{config}: trainer: null; use `hrmgym score`, or set a trainer")
    for experiment in experiments:
        check(experiment)
    if len(experiments) == 1:
        if workers is not None:
            raise ConfigError(f"--workers is for a sweep, and {config} has none")
        return _train_one(RunFolder.create(experiments[0], runs), resume=False)
    return _train_sweep(experiments, workers, runs)


def _stop_status(stop: KeyboardInterrupt) -> int:
    """The exit status of a shell: 128 and the signal's number. typer makes 130 of all of them."""
    return 128 + int(getattr(stop, "number", signal.SIGINT))


def _train_sweep(experiments: Sequence[Experiment], workers: int | None, runs: Path | None) -> int:
    from hrmgym.experiments.progress import console
    from hrmgym.experiments.run import RunFolder
    from hrmgym.experiments.sweep import SweptRun, default_workers, train_all
    from hrmgym.experiments.sweep_table import sweep_table

    def say(run: RunFolder, done: SweptRun | None) -> None:
        if done is None:
            print(f"begins: {run.path}", file=sys.stderr)
        else:
            said = f": {done.said}" if done.said else ""
            print(f"{run.status}: {run.path}{said}", file=sys.stderr)

    folders = [RunFolder.create(experiment, runs) for experiment in experiments]
    try:
        done = train_all(folders, workers or default_workers(experiments), say)
    except KeyboardInterrupt as stop:
        print("interrupted; go on with `hrmgym train --resume` and a run folder", file=sys.stderr)
        return _stop_status(stop)
    console().print(sweep_table(done))
    print(f"curves: tensorboard --logdir {folders[0].path.parent}")
    statuses = {one.status for one in done}
    if statuses <= {0, 2, 3}:
        return next((one for one in (2, 3) if one in statuses), 0)
    return 1  # one has failed, or was killed


def _train_one(run: RunFolder, *, resume: bool, only_finish: bool = False) -> int:
    from hrmgym.envs.failures import EXIT_STATUS
    from hrmgym.experiments.evaluate.tables import comparison_table
    from hrmgym.experiments.progress import Bars, console
    from hrmgym.experiments.train import train as train_experiment

    print(f"run folder: {run.path}", file=sys.stderr)
    try:
        trained = train_experiment(run, resume=resume, only_finish=only_finish, display=Bars())
    except KeyboardInterrupt as stop:
        print(f"interrupted; go on with: hrmgym train --resume {run.path}", file=sys.stderr)
        return _stop_status(stop)
    console().print(comparison_table(trained.reports))
    print(f"checkpoint: {trained.checkpoint}")
    print(f"reports: {run.scores}")
    print(f"curves: tensorboard --logdir {run.tensorboard}")
    return EXIT_STATUS if any(one["failures"]["count"] for one in trained.reports.values()) else 0


@app.command()
def score(
    config: Annotated[
        str | None, typer.Argument(metavar="CONFIG", help=_CONFIG, show_default=False)
    ] = None,
    overrides: Overrides = None,
    output: Annotated[
        Path | None,
        typer.Option(
            callback=_home,
            help="Also write the report here: a file, or a folder.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            callback=_home,
            help="Go on with the scoring of this run folder instead; score.workers=N may change.",
            show_default=False,
        ),
    ] = None,
    runs: Runs = None,
) -> int:
    """Score a policy on a benchmark. Exit status 3: some results have no verdict."""
    from hrmgym.config import is_folder
    from hrmgym.experiments.evaluate.runs import reopen
    from hrmgym.experiments.evaluate.score import check
    from hrmgym.experiments.loader import expand
    from hrmgym.experiments.run import RunFolder

    if resume is not None:
        if config is not None and "=" not in config:
            raise ConfigError(f"--resume goes on with the run's own config.yaml, not {config!r}")
        if runs is not None:
            raise ConfigError("--runs is for new runs; --resume names the folder itself")
        run, experiment = reopen(resume, [*([config] if config else []), *(overrides or ())])
        check(experiment)
        return _score_one(run, experiment, _target(output, experiment))
    if config is None:
        raise ConfigError(f"which experiment? {_CONFIG}")
    experiments = expand(config, overrides or ())
    if len(experiments) > 1 and output is not None and not is_folder(output):
        raise ConfigError(f"--output {output}: {len(experiments)} reports need an existing folder")
    for experiment in experiments:
        check(experiment)
    return max(
        _score_one(RunFolder.create(one, runs), one, _target(output, one)) for one in experiments
    )


def _target(output: Path | None, experiment: Experiment) -> Path | None:
    from hrmgym.config import is_folder

    return output / f"{experiment.name}.json" if output and is_folder(output) else output


def _score_one(run: RunFolder, experiment: Experiment, output: Path | None) -> int:
    from hrmgym.envs.failures import EXIT_STATUS
    from hrmgym.experiments.evaluate.runs import score_run
    from hrmgym.experiments.evaluate.tables import report_table
    from hrmgym.experiments.progress import Bars, console
    from hrmgym.experiments.run import write_report
    from hrmgym.trainers.stopping import stop_signals

    print(f"run folder: {run.path}", file=sys.stderr, flush=True)
    try:
        with stop_signals() as asked:
            report = score_run(run, experiment, display=Bars())
    except BaseException:
        print(f"go on with: hrmgym score --resume {run.path}", file=sys.stderr)
        raise
    paths = [run.scores / "score.json"]
    if output is not None:
        write_report(output, report)
        paths.append(output)
    console().print(report_table(report.to_dict()))
    for path in paths:
        print(f"report: {path}")
    if not report.complete:
        print(f"interrupted; go on with: hrmgym score --resume {run.path}", file=sys.stderr)
        return 128 + (asked.number or signal.SIGINT)
    return EXIT_STATUS if report.failures else 0


@app.command()
def repair(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help=_CONFIG)] = "repair-katas",
    overrides: Overrides = None,
) -> int:
    """Watch a policy repair tasks: each repair as a diff, and what the tests say.

    Exit status 3: some tasks have no verdict.
    """
    from rich.text import Text

    from hrmgym.envs.failures import EXIT_STATUS
    from hrmgym.experiments.loader import load
    from hrmgym.experiments.progress import console
    from hrmgym.experiments.repairs import repairs

    tasks, solved, failures = 0, 0, 0
    try:
        for one in repairs(load(config, overrides or ())):
            tasks, solved = tasks + 1, solved + one.solved
            failures += bool(one.failure)
            if one.failure:
                print(f"{one.task}: no verdict, the sandbox failed: {one.failure}\n")
                continue
            if one.proposal is None:
                late = one.runs.timed_out
                but = f", {late} of them timed out, for want of test runs" if late else ""
                text = f"{one.task}: no proposal passes the visible tests{but}"
                print(f"{text} ({one.seconds:.1f} s)\n")
                continue
            verdict = "pass" if one.solved else "FAIL"
            console().print(Text.from_ansi(one.shown.rstrip()), soft_wrap=True)
            print(f"proposal {one.proposal}, {one.seconds:.1f} s; hidden tests: {verdict}\n")
    finally:
        if tasks:
            print(f"{solved} of {tasks} solved (hidden tests)")
    return EXIT_STATUS if failures else 0


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
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json", callback=_home, help="Also write everything here.", show_default=False
        ),
    ] = None,
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
    checkpoint: Annotated[Path, typer.Argument(callback=_home, help="Folder of a checkpoint.")],
    out: Annotated[Path, typer.Argument(callback=_home, help="Folder to write.")],
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
            callback=_home, help="Folder of run folders.", envvar="HRMGYM_RUNS", show_default="runs"
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
