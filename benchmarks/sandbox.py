"""Everything that the sandbox is measured by, in one run.

    HRMGYM_DATA=... python benchmarks/sandbox.py --json

Each part can be run alone: sandbox_runs.py (one isolated test run against cold pytest and the
kernel's floor), sandbox_sessions.py (against stock SWE-ReX), sandbox_state.py (save and restore of
a source tree), sandbox_load.py (many sandboxes at once; environment steps per second). On a quiet
machine it takes about two minutes.
"""

from __future__ import annotations

import argparse
import json
import sys

from sandbox_load import measure_concurrency, measure_steps, need_data
from sandbox_runs import measure_runs
from sandbox_sessions import measure_sessions
from sandbox_state import measure_state

#: What the last line of --json holds before all else.
HEADLINE = (
    "cpu_ratio_cold_pytest",
    "cpu_ratio_floor",
    "session_command_ratio",
    "session_start_ratio",
    "save_restore_ms_1000_files",
    "quixbugs_steps_per_s",
    "sleep8_s",
)


def main() -> None:
    """Measure part by part, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    chosen = parser.parse_args()
    need_data()  # the last part does, and it is better to know before the first
    found: dict[str, float] = {}
    for part in (measure_runs, measure_sessions, measure_state, measure_concurrency, measure_steps):
        print(f"{part.__name__} ...", file=sys.stderr, flush=True)
        found |= part()
    ordered = {name: found.pop(name) for name in HEADLINE} | found
    if chosen.json:
        print(json.dumps(ordered))
        return
    for name, value in ordered.items():
        print(f"{name:40}{value:12.3f}")


if __name__ == "__main__":
    main()
