"""Where this package keeps what it has fetched or worked out."""

from __future__ import annotations

from pathlib import Path

import platformdirs

from hrmgym.config import named_path

CACHE_VARIABLE = "HRMGYM_CACHE"


def cache_dir() -> Path:
    """The user's cache folder for this package; HRMGYM_CACHE overrides it."""
    return named_path(CACHE_VARIABLE) or Path(platformdirs.user_cache_dir("hrmgym"))
