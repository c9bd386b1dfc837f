"""How many threads a network computes with.

A small network's operations are so short that threads spend their time waiting for each other:
with torch's default, one a processor, it trains several times slower than with one thread, and
slower still while another process wants the same processors. Importing this imports no torch.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

#: Hidden size from which more than one thread pays.
WIDE = 256
#: More threads than these gain nothing at the sizes of this package.
MOST = 8

_log = logging.getLogger(__name__)


def usable_cpus() -> int:
    """Processors that this process may use: its affinity, within its control group's quota."""
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = _quota(Path("/sys/fs/cgroup/cpu.max"))
    return count if quota is None else max(1, min(count, int(quota)))


def _quota(path: Path) -> float | None:
    """Processors that a cgroup's `cpu.max` allows; None: any number."""
    try:
        most, period = path.read_text(encoding="ascii").split()
        return None if most == "max" else int(most) / int(period)
    except (OSError, ValueError):
        return None


def training_threads(
    asked: int | None,
    width: int,
    *,
    workers: int = 0,
    device: str = "cpu",
    cpus: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Threads that a network trains with.

    Args:
        asked: The configuration's `threads`; None chooses. More than there are processors would
            only wait for each other: then it is that many, with a warning.
        width: The network's hidden size.
        workers: Processes that work beside the trainer, and have a processor each.
        device: Where the network runs; away from the CPU one thread is enough.
        cpus: Processors; by default those that this process may use.
        environment: By default the process's; `OMP_NUM_THREADS` is the most that is chosen.

    Returns:
        At least 1. It depends on nothing but these, so that a run can be repeated.
    """
    there = usable_cpus() if cpus is None else cpus
    if asked is not None:
        if asked > there:
            _log.warning("threads: %d, but there are %d processors: using %d", asked, there, there)
        return min(asked, there)
    if device != "cpu" or width < WIDE:
        return 1
    limit = (os.environ if environment is None else environment).get("OMP_NUM_THREADS", "")
    most = int(limit) if limit.isdecimal() and int(limit) else MOST
    return max(1, min(MOST, most, there - workers))


@contextmanager
def compute_threads(count: int) -> Iterator[None]:
    """Inside, torch computes with so many threads; does nothing where torch is not in use."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
