"""Where caches lie."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from hrmgym.envs.cache import CACHE_VARIABLE, cache_dir


def test_the_variable_names_the_folder_else_it_is_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv(CACHE_VARIABLE, "~/kept")
    assert cache_dir() == Path("/home/someone/kept")
    usual = Path(platformdirs.user_cache_dir("hrmgym"))
    monkeypatch.setenv(CACHE_VARIABLE, "")
    assert cache_dir() == usual
    monkeypatch.delenv(CACHE_VARIABLE)
    assert cache_dir() == usual
