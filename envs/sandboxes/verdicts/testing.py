"""Runs the tests of a task in any SWE-ReX runtime."""

from __future__ import annotations

from collections.abc import Mapping

from hrmgym.envs.blobs import Blob
from hrmgym.envs.outcome import Outcome, Status
from hrmgym.envs.sandboxes.bench import Bench, FilesUnfitError
from hrmgym.envs.task import Limits, TestSpec
from hrmgym.envs.testkind import kind_of
from hrmgym.envs.workspace import Files

#: Bytes that a solution's changed files may hold together: each run takes them into its sandbox,
#: whose memory they must not fill.
MOST_CHANGED = 8 << 20


async def run_tests(
    bench: Bench, files: Mapping[str, str], tests: TestSpec, limits: Limits
) -> Outcome:
    """The outcome of `tests` on a workspace that holds `files` and nothing else.

    Raises:
        TypeError: No way is known to run that kind of tests.
        OSError: The run could not be made.
    """
    try:
        if (size := _changed_bytes(files)) > MOST_CHANGED:
            most = f"more than the {MOST_CHANGED >> 20} MiB that are tested"
            raise FilesUnfitError(f"the solution holds {size >> 20} MiB, {most}")
        return await kind_of(tests).run(bench, files, tests, limits)
    except FilesUnfitError as error:
        return Outcome(tests=dict.fromkeys(tests.test_ids, Status.ERROR), message=str(error))


def _changed_bytes(files: Mapping[str, str]) -> int:
    """Bytes in the files that differ from those of the task."""
    if not isinstance(files, Files):
        return 0
    contents = (entry.content for entry in files.changes.values() if entry is not None)
    return sum(len(content.data) for content in contents if isinstance(content, Blob))
