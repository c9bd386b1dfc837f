"""Pip saves a source archive, and runs nothing of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from hrmgym.envs.bugs.releases import Release, fetch, pin
from hrmgym.errors import DataError
from hrmgym.tests.sdists import PROJECT, sdist

BACKENDS = {
    "in the archive": PROJECT,
    "with an object": PROJECT.replace('"backend"', '"backend:made.inner"'),
    "in a package": '[build-system]\nrequires = ["x"]\nbuild-backend = "poetry.core.masonry.api"\n',
    "setuptools": '[build-system]\nrequires = ["x"]\nbuild-backend = "setuptools.build_meta"\n',
    "none": "",
}


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that pip takes for its index."""
    folder = tmp_path / "links"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def fetched(folder: Path, links: Path, backend: str) -> None:
    """Fetches an archive whose build would leave a mark."""
    path = sdist(links, "1.0", {"pyproject.toml": backend} if backend else {"pyproject.toml": ""})
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    release = Release("parcels", "1.0", path.name, digest)
    assert fetch(release, folder).read_bytes() == path.read_bytes()
    assert not (links / "ran").exists()


def test_nothing_of_a_source_archive_runs(tmp_path: Path, links: Path) -> None:
    fetched(tmp_path / "kept", links, BACKENDS["in the archive"])


@pytest.mark.nightly
@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_of_any_backend_runs(tmp_path: Path, links: Path, backend: str) -> None:
    fetched(tmp_path / "kept", links, BACKENDS[backend])


@pytest.mark.nightly
def test_a_version_is_pinned_as_it_is_found(tmp_path: Path, links: Path) -> None:
    path = sdist(links, "1.0", {})
    release = pin("parcels", "1.0", tmp_path / "kept")
    assert release == Release(
        "parcels", "1.0", path.name, hashlib.sha256(path.read_bytes()).hexdigest()
    )
    assert fetch(release, tmp_path / "kept") == tmp_path / "kept" / path.name
    with pytest.raises(DataError, match=r"parcels 2\.0: pip could not download it"):
        pin("parcels", "2.0", tmp_path / "kept")
