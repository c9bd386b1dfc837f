"""A bash session over pipes: no terminal, no prompt to parse.

Commands go to an interactive bash line by line; the exit code of each comes back, with a random
mark, on a descriptor of its own. The command's own standard input is /dev/null. A program holds
neither that descriptor nor the shell's input, and in a sandbox it cannot get at them through /proc
(see `isolation.add_programs`). What the shell itself says between commands (prompts, traces, news
of jobs) goes nowhere: only what a command prints is its output. What a command does inside the
shell itself, with functions and traps, it does to its own session; a command that is run `apart`
cannot do even that.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import suppress

from swerex.exceptions import CommandTimeoutError, SessionNotInitializedError

from hrmgym.envs.sandboxes.failures import GuestDied
from hrmgym.envs.sandboxes.inside import bash
from hrmgym.envs.sandboxes.local.link import Guest
from hrmgym.envs.sandboxes.local.program import Program
from hrmgym.envs.sandboxes.streams import Pipe, text_of
from hrmgym.envs.task import Limits

_STARTUP_S = 60.0
_PATIENCE = 1.0  # seconds that a shell has to come back after its command was killed


class CommandTimedOut(CommandTimeoutError):
    """A command did not end in time. `output` is what it had written."""

    def __init__(self, message: str, output: str) -> None:
        super().__init__(message)
        self.output = output


class BashSession:
    """One bash. `run` may be called once at a time."""

    def __init__(self, program: Program, stdin: int, output: Pipe, status: Pipe) -> None:
        self._program, self._stdin = program, stdin
        self._output, self._status = output, status
        self._turn = asyncio.Lock()
        program.at_end(status.news.set)  # one thing to wait for: two would take two tasks a command
        self._answers = bash.Answers()

    @classmethod
    async def start(cls, guest: Guest, limits: Limits) -> BashSession:
        """Start a bash in the workspace."""
        commands, stdin = os.pipe()
        output, out = os.pipe()
        status, into = os.pipe()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.set_blocking(stdin, False)
        try:
            program = await Program.start(
                guest,
                [guest.shell, "--noprofile", "--norc", "--noediting", "-i"],
                fds={
                    0: commands,
                    1: nowhere,
                    2: nowhere,
                    bash.OUTPUT_FD: out,
                    bash.STATUS_FD: into,
                },
                limits=limits,
                env=bash.ENVIRONMENT,
            )
        except BaseException:
            for fd in (stdin, output, status):
                os.close(fd)
            raise
        keep = limits.output_kb * 1024
        session = cls(program, stdin, Pipe(output, keep), Pipe(status, 4096))
        try:
            # History expansion would change what is in quotes.
            await session.run("set +H", _STARTUP_S)
        except BaseException:
            await session.close()
            raise
        return session

    async def run(
        self, command: str, timeout: float | None, *, apart: bool = False
    ) -> tuple[str, int]:
        """Run one command; returns its output and exit code.

        When the command ends the shell itself, the exit code is the shell's, and `alive` is false.

        Args:
            command: What to run.
            timeout: Seconds that it has.
            apart: Run it in a subshell that holds neither the shell's input nor the status
                descriptor. Nothing but files is left of it.

        Raises:
            CommandTimedOut: It was killed; the shell lives on unless `alive` is false.
            SessionNotInitializedError: The shell has ended before.
        """
        if "\0" in command:
            raise ValueError("a command cannot hold a NUL character")
        async with self._turn:
            if not self.alive:
                raise SessionNotInitializedError("the shell has ended")
            self._output.drain()
            self._output.take()  # what background programs wrote in the meantime
            mark = secrets.token_hex(8)
            if not apart:
                self._answers.expect(command)
            line = bash.asking(command, mark, apart=apart)
            try:
                code = await asyncio.wait_for(self._converse(line, mark), timeout)
            except TimeoutError:
                await self._regain(mark)
                said = self._heard()
                await self._settle()
                message = f"timeout after {timeout} seconds while running command {command!r}"
                raise CommandTimedOut(message, said) from None
            return self._heard(), code

    def _heard(self) -> str:
        self._output.drain()
        return text_of(self._answers.output(self._output.take(), alive=self.alive))

    async def _converse(self, line: str, mark: str) -> int:
        data = line.encode(errors="surrogateescape")
        loop = asyncio.get_running_loop()
        while data and self.alive:
            try:
                data = data[os.write(self._stdin, data) :]
            except BlockingIOError:  # a command longer than a pipe holds
                ready = asyncio.Event()
                loop.add_writer(self._stdin, ready.set)
                try:
                    await ready.wait()
                finally:
                    loop.remove_writer(self._stdin)
            except BrokenPipeError:
                break
        return await self._answer(mark)

    async def _answer(self, mark: str) -> int:
        """The exit code that comes with `mark`, or the shell's own when it ends."""
        said = b""
        while True:
            said += self._status.take()
            code = self._answers.code(said, mark)
            if code is not None:
                return code
            if not self._program.running:
                status = (await self._program.wait()).status
                if status is None:
                    raise GuestDied("the sandbox has ended while it ran a command")
                return status
            said = said[-4096:]
            await self._status.news.wait()

    async def _regain(self, mark: str) -> None:
        """Kill the command and get the shell back; failing that, end the shell."""
        await self._program.interrupt()
        await asyncio.sleep(0.05)
        await self._program.kill_others()
        try:
            await asyncio.wait_for(self._answer(mark), _PATIENCE)
        except TimeoutError:
            await self._program.kill()

    async def kill_rest(self) -> None:
        """Kill all that commands have started, and not the shell itself."""
        if self.alive:
            await self._program.kill_others()

    async def interrupt(self, timeout: float, retries: int) -> None:
        """Press Ctrl-C until the running command has ended; kill it if that does not help."""
        for attempt in range(retries + 1):
            if not self._turn.locked():
                return  # nothing runs, or no longer
            if attempt < retries:
                await self._program.interrupt()
            else:
                await self._program.kill_others()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._turn.acquire(), timeout)
                try:
                    await self._settle()
                finally:
                    self._turn.release()
                return
        await self._program.kill()

    async def _settle(self) -> None:
        """After a signal: a shell that was idle already drops what it reads next."""
        for _ in range(4):
            if not self.alive:
                return
            mark = secrets.token_hex(8)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._converse(bash.settling(mark), mark), _PATIENCE)
                return
        await self._program.kill()

    @property
    def alive(self) -> bool:
        """Whether the shell runs."""
        return self._program.running

    async def close(self) -> None:
        """End the shell and everything it has started."""
        await self._program.kill()
        for pipe in (self._output, self._status):
            pipe.close()
        os.close(self._stdin)
