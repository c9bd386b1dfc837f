"""What a test that fails does, short enough to be noted for every text.

Two texts of one digest fail a test in the same way. Runs inside the sandbox only, where foreign
code can have it say anything. Standard library only.
"""

from __future__ import annotations

import zlib

from hrmgym.envs.sandboxes.inside import calls, values

#: How a test failed: nothing is known of it; it came to something else than it is to; something was
#: raised that is no failed assertion.
UNKNOWN, WRONG, RAISED = range(3)
#: How; the test's number; how many of the tests that run first had passed; the innermost line of
#: the edited file that an exception came through; the test's own line that it got to (both from 1,
#: and 0 where there is none); and a digest of 32 bits.
Said = tuple[int, int, int, int, int, int]
NOTHING: Said = (UNKNOWN, 0, 0, 0, 0, 0)


def of_result(number: int, turned: int, result: bytes) -> Said:
    """Of a test whose tested code has come to its end, and to this."""
    return WRONG, number, turned, 0, 0, zlib.crc32(result)


def of_error(
    number: int, turned: int, error: BaseException, root: str, edited: str, test: str = ""
) -> Said:
    """Of a test that an exception has ended.

    Args:
        number: The test's.
        turned: How many of the tests that run first had passed.
        error: The exception.
        root: The workspace.
        edited: The edited file.
        test: The file of the test, if it is in one.
    """
    name, message, _, _ = calls.describe(error, root)
    line = reached = 0
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file == edited:
            line = values.line_number(trace.tb_lineno)
        elif file == test and not reached:
            reached = values.line_number(trace.tb_lineno)
        trace = trace.tb_next
    asserted = isinstance(error, AssertionError) or name == "Failed"  # pytest.fail
    how = WRONG if asserted and not line else RAISED
    told = f"{name}\0{message}".encode("utf-8", "surrogatepass")
    return how, number, turned, line, reached, zlib.crc32(told)
