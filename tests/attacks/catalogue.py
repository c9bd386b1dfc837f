"""All attacks."""

from __future__ import annotations

from hrmgym.tests.attacks import (
    grade_config,
    grade_exits,
    grade_forgeries,
    grade_patches,
    grade_spying,
    grade_tests,
    grade_values,
    machine_files,
    machine_hogs,
    machine_kernel,
    machine_network,
    machine_processes,
    machine_traces,
)
from hrmgym.tests.attacks.attack import BUGGY, KINDS, REPAIRED, Attack

ATTACKS: tuple[Attack, ...] = (
    *grade_exits.ATTACKS,
    *grade_config.ATTACKS,
    *grade_patches.ATTACKS,
    *grade_values.ATTACKS,
    *grade_forgeries.ATTACKS,
    *grade_spying.ATTACKS,
    *grade_tests.ATTACKS,
    *machine_processes.ATTACKS,
    *machine_hogs.ATTACKS,
    *machine_files.ATTACKS,
    *machine_network.ATTACKS,
    *machine_kernel.ATTACKS,
    *machine_traces.ATTACKS,
)

#: No attacks: what the unprotected runner must refuse, and what it must pay for.
CONTROLS: tuple[Attack, ...] = tuple(
    Attack(name=f"{word}-{kind}", kind=kind, files={"solution.py": text}, wins=frozenset(wins))
    for kind in KINDS
    for word, text, wins in (("failure", BUGGY, ()), ("repair", REPAIRED, ("reward",)))
)
