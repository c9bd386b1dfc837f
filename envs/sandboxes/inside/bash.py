"""How an interactive bash on pipes is asked to run a command, and what of its answer is output.

The shell's own output and errors go nowhere: prompts, traces and news of jobs, whatever a session
sets PS1 or PROMPT_COMMAND to. A command writes to `OUTPUT_FD`. Two things an interactive bash says
while it runs a command, and so into its output: the numbers of jobs that begin, and "exit". Both
are taken out. The standard library is all this needs.
"""

from __future__ import annotations

import re

OUTPUT_FD, STATUS_FD = 8, 9
#: What tells an interactive bash to be quiet; `HISTFILE` to leave nothing behind.
ENVIRONMENT = {"PS1": "", "PS2": "", "PS0": "", "HISTFILE": "", "TERM": "dumb"}

#: What an interactive bash without a terminal says when a signal has killed a command.
_NOISE = re.compile(rb"^bash: \[[^]\n]*\] tcsetattr: .*\n", re.MULTILINE)
_JOB = re.compile(rb"^\[(\d+)\] (\d+)\n", re.MULTILINE)
_ANSWER = re.compile(rb"(\w+) (\d+) ([\d\s]*)\.\n")
#: Where the shell itself, not a subshell of it, may run the builtin `exit`; and what keeps one.
_EXIT = re.compile(
    r"(?:^|[;&|){}!\n]|\b(?:then|do|else|builtin|command|eval|trap)\b)[\s'\"\\]*exit\b"
)
_KEPT = re.compile(r"\(\s*\)|\b(?:function|trap|alias)\b")


def quoted(command: str) -> str:
    """The command as one word of bash."""
    return "'" + command.replace("'", "'\\''") + "'"


def asking(command: str, mark: str, *, apart: bool = False) -> str:
    """The lines that run a command, in a subshell or not, and then tell how it ended.

    Backslashes keep aliases of the session out.
    """
    where = f"</dev/null >&{OUTPUT_FD} 2>&1 {OUTPUT_FD}>&- {STATUS_FD}>&-"
    # No command substitution: a fork of the shell would cost several times the command.
    said = f'\\printf "%s %s %s " {mark} "$?" "${{!-}}"; \\jobs -p; \\printf ".\\n"'
    told = f"{{ {said}; }} >&{STATUS_FD}\n"
    if apart:
        return f"(\\exec {where}; \\eval {quoted(command)})\n{told}"
    return f"\\eval {quoted(command)} {where}\n{told}"


def settling(mark: str) -> str:
    """Lines that do nothing and answer with exit code 0."""
    return f"\n\\printf '%s 0 .\\n' {mark} >&{STATUS_FD}\n"


class Answers:
    """Reads what comes on the status descriptor, and cleans what comes as output."""

    def __init__(self) -> None:
        self._jobs: set[bytes] = set()
        self._may_exit = self._kept_exit = False

    def expect(self, command: str) -> None:
        """Take note of a command that is to run in the shell itself."""
        self._jobs.clear()
        exits = _EXIT.search(command) is not None
        self._kept_exit = self._kept_exit or (exits and _KEPT.search(command) is not None)
        self._may_exit = exits or self._kept_exit

    def code(self, heard: bytes, mark: str) -> int | None:
        """The exit code that came with the mark, if it has come."""
        for said in _ANSWER.finditer(heard):
            if said[1] == mark.encode():
                self._jobs.update(said[3].split())
                return int(said[2])
        return None

    def output(self, data: bytes, *, alive: bool) -> bytes:
        """The command's own output."""
        data = _NOISE.sub(b"", data)
        if self._jobs:
            data = self._without_jobs(data)
        if self._may_exit and not alive:  # what a trap on EXIT says comes after it
            before, _, after = data.rpartition(b"exit\n")
            data = before + after
        return data

    def _without_jobs(self, data: bytes) -> bytes:
        """Without the lines `[job] process` of jobs, also of those that have ended by now.

        The shell still knows the last job that it began, and those that live; before their lines
        stand those of jobs with lower numbers.
        """
        parts: list[bytes] = []
        end, later = len(data), 0
        for line in reversed(list(_JOB.finditer(data))):
            number, process = int(line[1]), line[2]
            if process in self._jobs or number == later - 1:
                parts.append(data[line.end() : end])
                end, later = line.start(), number
        return b"".join([data[:end], *reversed(parts)])
