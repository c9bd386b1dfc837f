"""What is in docs/clients.md: each client's scripts run, in an environment of the client's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrmgym.tests.clients.registry import CLIENTS, SCRIPTS, Client, UnavailableError, run
from hrmgym.tests.clients.table import PAGE, rows_of

TRIES = [(client, script) for client in CLIENTS for script in client.tries]


@pytest.mark.nightly
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("client", "script"), TRIES, ids=[script.removesuffix(".py") for _, script in TRIES]
)
def test_a_client_works_as_its_users_write_it(client: Client, script: str, tmp_path: Path) -> None:
    try:
        run(client, script, tmp_path)
    except UnavailableError as error:
        pytest.skip(f"not tried: {error}")


def test_every_script_belongs_to_a_client() -> None:
    assert sorted(script for _, script in TRIES) == sorted(p.name for p in SCRIPTS.glob("*.py"))


def test_the_page_has_a_row_for_every_client() -> None:
    rows = rows_of(PAGE.read_text("utf-8"))
    assert list(rows) == [client.name for client in CLIENTS]
    for client in CLIENTS:
        for script in client.tries:
            assert script in rows[client.name]
