"""Memory of a process that forks many short ones. Standard library only.

A fork starts without the pages of program files that its parent has: it meets each of them again,
at the price of a page fault, unless the parent has a page of its own in the same mapping. Then the
kernel hands down all of them at once.
"""

# The guest starts faster without pathlib.
# ruff: noqa: PTH123

from __future__ import annotations

import os

_SMALLEST = 1 << 17  # bytes; for less than that, what a fork has to do for a mapping costs more


def hand_down_files() -> int:
    """Have forks get what is mapped of programs and libraries.

    Returns:
        How many mappings that has worked for; 0 where the kernel refuses it.
    """
    done = 0
    try:
        with open("/proc/self/maps") as file:
            lines = file.read().splitlines()
        memory = os.open("/proc/self/mem", os.O_RDWR)
    except OSError:
        return 0
    try:
        for line in lines:
            span, rights, _, _, node, *_ = line.split()
            start, end = (int(part, 16) for part in span.split("-"))
            if node == "0" or rights[:2] != "r-" or rights[3] != "p" or end - start < _SMALLEST:
                continue
            try:  # the same byte: the page becomes this process's own
                os.pwrite(memory, os.pread(memory, 1, start), start)
                done += 1
            except OSError:
                continue
    finally:
        os.close(memory)
    return done
