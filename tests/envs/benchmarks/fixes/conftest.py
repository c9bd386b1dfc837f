"""The tasks that two releases of a package give that does not exist."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hrmgym.envs.benchmarks.fixes.layout import Layout, layout_of
from hrmgym.envs.benchmarks.fixes.mining.pairs import Yield, mine
from hrmgym.envs.benchmarks.fixes.recipe import Package
from hrmgym.envs.bugs.releases import Release
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.tests.sdists import index


@dataclass(frozen=True)
class Mined:
    """A package, and what its first pair gave."""

    archives: Path
    package: Package
    layouts: tuple[Layout, Layout]
    made: Yield
    sandbox: Sandbox


def package_in(folder: Path) -> Package:
    """The package of the archives in a folder."""
    releases = {}
    for version in ("1.2", "1.1", "1.0"):
        file = f"parcels-{version}.tar.gz"
        digest = hashlib.sha256((folder / file).read_bytes()).hexdigest()
        releases[version] = Release("parcels", version, file, digest)
    return Package(name="parcels", releases=releases)


@pytest.fixture(scope="session")
def mined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mined]:
    folder = tmp_path_factory.mktemp("archives")
    index(folder)
    package = package_in(folder)
    old, new = (
        layout_of(folder / package.releases[version].file, "parcels", version)
        for version in ("1.0", "1.1")
    )
    with Sandbox() as sandbox:
        made = mine(package, ("1.0", "1.1"), (old, new), sandbox, 0, 10)
        yield Mined(folder, package, (old, new), made, sandbox)
