"""Where this package keeps what it has fetched or worked out."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from hrmgym.config import expand_home

CACHE_VARIABLE = "HRMGYM_CACHE"


def cache_dir() -> Path:
    """The user's cache folder for this package; HRMGYM_CACHE overrides it."""
    return Path(
        expand_home(os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("hrmgym"))
    )
