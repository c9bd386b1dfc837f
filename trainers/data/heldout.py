"""Which functions of the corpus nothing is trained on: the same ones for every run and setting."""

from __future__ import annotations

import hashlib

SHARE = 50
"""One function in so many is held out."""


def is_held_out(code: str) -> bool:
    """Whether a function is for validation alone; it depends on its text and on nothing else."""
    return int.from_bytes(hashlib.sha256(code.encode()).digest()[:4], "big") % SHARE == 0
