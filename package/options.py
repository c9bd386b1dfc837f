"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CONFIG = "An experiment file, or a shipped experiment, for example demo."
#: Of commands that may go on with a run instead.
MaybeConfig = Annotated[
    str | None, typer.Argument(metavar="CONFIG", help=CONFIG, show_default=False)
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="For example trainer.gamma=0.9; `hrmgym keys` lists them.",
        show_default=False,
    ),
]


def home(path: Path | None) -> Path | None:
    """A path with `~` read as a shell reads it: no shell does so in `--option=~/x`."""
    from hrmgym.config import expand_home

    return None if path is None else Path(expand_home(path))


JsonFile = Annotated[
    Path | None,
    typer.Option("--json", callback=home, help="Also write everything here.", show_default=False),
]
Runs = Annotated[
    Path | None,
    typer.Option(
        "--runs",
        callback=home,
        help="Folder of run folders.",
        envvar="HRMGYM_RUNS",
        show_default="runs",
    ),
]
