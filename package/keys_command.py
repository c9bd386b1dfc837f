"""`hrmgym keys`: every key of experiments, or a JSON Schema of their files."""

from __future__ import annotations

import json
import textwrap
from typing import Annotated

import typer

from hrmgym.errors import ConfigError


def list_keys(
    beginning: Annotated[
        str, typer.Argument(metavar="KEY", help="Only those that begin so.", show_default=False)
    ] = "",
    schema: Annotated[
        bool, typer.Option("--schema", help="Print a JSON Schema of experiment files.")
    ] = False,
) -> None:
    """List the keys of experiments: values, default, what each does."""
    from hrmgym.envs.showing import showable
    from hrmgym.experiments.keys import file_schema, matching

    if schema:
        if beginning:
            raise ConfigError("--schema is of all keys")
        print(json.dumps(file_schema(), indent=2))
        return
    for key in matching(beginning):
        values = key.values.replace("`", "")
        default = f" [{key.default}]" if key.default else ""
        print(showable(f"{key.path}{f' ({key.of})' if key.of else ''}: {values}{default}"))
        indent = "    "
        told = textwrap.fill(key.description, 96, initial_indent=indent, subsequent_indent=indent)
        print(showable(told))
