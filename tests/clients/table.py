"""Tries every client, and writes docs/clients.md from what came of it.

    python -m hrmgym.tests.clients.table [CLIENT ...]

With names, those clients alone, and the other rows stay. What a script prints is not looked at: it
ends with an error where something does not work.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hrmgym.tests.clients.registry import (
    CLIENTS,
    HERE,
    Client,
    UnavailableError,
    run,
    version_of,
)

PAGE = HERE.parent.parent / "docs" / "clients.md"
_HEAD = """# What other programs do with the environments

Each client is tried as its users write it, by the scripts in
[tests/clients/scripts](../tests/clients/scripts), with the client in a virtual environment of its
own. `python -m hrmgym.tests.clients.table` makes the environments, runs the scripts and writes this
page; `make test-all` runs the same scripts as tests. Last written on {date}.

| client | version | works | how tested |
|---|---|---|---|
"""


def rows_of(page: str) -> dict[str, str]:
    """The rows of a page's table, by client."""
    lines = [line for line in page.splitlines() if line.startswith("| ")][1:]
    return {line.split("|")[1].strip(): line for line in lines}


def row(client: Client) -> str:
    """Try a client; its row."""
    seen, works = "", "yes"
    try:
        seen = version_of(client)
        for script in client.tries:
            with tempfile.TemporaryDirectory(prefix="client-") as folder:
                run(client, script, Path(folder))
    except UnavailableError as error:
        works = f"not tried: {error}"
    except (AssertionError, subprocess.TimeoutExpired) as error:
        lines = str(error).strip().splitlines()
        works = f"**no**: {next((x for x in reversed(lines) if 'Error' in x), lines[-1])}"
    how = "; ".join(f"{what} ({script})" for script, what in client.tries.items())
    works = works.replace("|", "\\|")
    return f"| {client.name} | {seen} | {works} | {how} |\n"


def main() -> None:
    """Write the page."""
    before = rows_of(PAGE.read_text("utf-8")) if PAGE.exists() else {}
    lines = [_HEAD.format(date=datetime.now(UTC).date().isoformat())]
    for client in CLIENTS:
        kept = before.get(client.name) if sys.argv[1:] and client.name not in sys.argv[1:] else None
        lines.append(row(client) if kept is None else f"{kept}\n")
        print(lines[-1], end="", flush=True)
    PAGE.write_text("".join(lines), "utf-8")


if __name__ == "__main__":
    main()
