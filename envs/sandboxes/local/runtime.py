"""SWE-ReX's runtime interface over guests of this machine.

Next to SWE-ReX's own operations it has a few more: `run_calls`, and the whole workspace at once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from swerex.exceptions import (
    BashIncorrectSyntaxError,
    CommandTimeoutError,
    NonZeroExitCodeError,
    SessionDoesNotExistError,
    SessionExistsError,
)
from swerex.runtime.abstract import (
    AbstractRuntime,
    Action,
    BashAction,
    BashInterruptAction,
    BashObservation,
    CloseBashSessionResponse,
    CloseResponse,
    CloseSessionRequest,
    CloseSessionResponse,
    Command,
    CommandResponse,
    CreateBashSessionResponse,
    CreateSessionRequest,
    CreateSessionResponse,
    IsAliveResponse,
    Observation,
    ReadFileRequest,
    ReadFileResponse,
    UploadRequest,
    UploadResponse,
    WriteFileRequest,
    WriteFileResponse,
)

from hrmgym.envs.sandboxes.executor import MOST_BYTES, TIMED_OUT, Changed, WorkspaceTooLargeError
from hrmgym.envs.sandboxes.failures import GuestBroken, GuestDied
from hrmgym.envs.sandboxes.local.apart import Judges
from hrmgym.envs.sandboxes.local.link import Guest, Mode
from hrmgym.envs.sandboxes.local.program import Program
from hrmgym.envs.sandboxes.local.saving import GuestWorkspace
from hrmgym.envs.sandboxes.local.session import BashSession, CommandTimedOut
from hrmgym.envs.sandboxes.streams import Pipe, text_of
from hrmgym.envs.sandboxes.verdicts import aparttests, calltests
from hrmgym.envs.task import Limits
from hrmgym.envs.workspace import Files
from hrmgym.errors import SandboxError

#: Limits of sessions, and of commands that are given none.
SESSION_LIMITS = Limits(
    cpu_s=3600, wall_s=3600, memory_mb=4096, processes=256, output_kb=4096, file_mb=512
)
_GRACE_S = 30.0  # beyond the time limit that the guest itself keeps


@dataclass(frozen=True, slots=True)
class Finished:
    """What a program left."""

    stdout: str
    stderr: str
    status: int | None
    """Exit code; minus the signal that killed it; None where it ran out of time."""
    cpu_s: float


class LocalRuntime(AbstractRuntime):
    """Sessions, commands, files and tests in guests that start when they are first needed.

    Everything happens in one workspace, which is the working directory of sessions and commands;
    `run_calls` alone uses fresh scratch space each time. All methods belong to one event loop.

    Args:
        isolate: Whether to use namespaces. Without them, foreign code is an ordinary process with
            limits, in a temporary folder.
    """

    def __init__(self, *, isolate: bool = True, packages: str = "") -> None:
        self.logger = logging.getLogger("hrmgym.sandboxes")
        self._isolate, self.packages = isolate, packages
        self._guests: dict[str, Guest] = {}
        self._sessions: dict[str, BashSession] = {}
        self._requests: dict[str, CreateSessionRequest] = {}
        self._workspace: GuestWorkspace | None = None
        self._shell: BashSession | None = None  # of `change`
        self._judges = Judges()
        self._starting = asyncio.Lock()
        self._changing = asyncio.Lock()
        self._changing_files = asyncio.Lock()

    async def guest(self, mode: Mode) -> Guest:
        """The guest that serves that, started."""
        async with self._starting:
            guest = self._guests.get(mode)
            if guest is not None and not guest.alive:
                del self._guests[mode]
                await guest.close()
                if mode == "shell" and not guest.loss_told:
                    raise GuestDied("the sandbox has ended, and its workspace is lost")
                guest = None
            if guest is None:
                size = SESSION_LIMITS.file_mb
                guest = await Guest.start(
                    mode, isolate=self._isolate, file_mb=size, packages=self.packages
                )
                self._guests[mode] = guest
            return guest

    # --- SWE-ReX's interface ---

    async def is_alive(self, *, timeout: float | None = None) -> IsAliveResponse:
        """Whether the guest for commands answers; starts it."""
        try:
            guest = await self.guest("shell")
            await asyncio.wait_for(guest.request({"op": "ping"}), timeout)
        except (SandboxError, TimeoutError) as error:
            return IsAliveResponse(is_alive=False, message=str(error))
        return IsAliveResponse(is_alive=True)

    async def create_session(self, request: CreateSessionRequest) -> CreateSessionResponse:
        """Start a bash in the workspace, and source `startup_source` in it."""
        if request.session in self._sessions:
            raise SessionExistsError(f"session {request.session} already exists")
        guest = await self.guest("shell")
        session = await BashSession.start(guest, SESSION_LIMITS)
        self._sessions[request.session], self._requests[request.session] = session, request
        output = ""
        for path in request.startup_source:
            said, _ = await session.run(f"source {shlex.quote(path)}", request.startup_timeout)
            output += said
        return CreateBashSessionResponse(output=output)

    async def _session(self, name: str) -> BashSession:
        session = self._sessions.get(name)
        if session is not None and not session.alive:
            del self._sessions[name]
            await session.close()
            session = None
        if session is None:
            raise SessionDoesNotExistError(f"session {name!r} does not exist")
        return session

    async def run_in_session(self, action: Action) -> Observation:
        """Run a command in a session, or interrupt the one that runs.

        A command that does not end in time is killed; the session keeps its state, unless the shell
        itself does not let go. A command that ends the shell closes the session. Interactive
        programs and `expect` need a terminal, which there is none of.
        """
        session = await self._session(action.session)
        if isinstance(action, BashInterruptAction):
            await session.interrupt(action.timeout, action.n_retry)
            return BashObservation(exit_code=0)
        if action.is_interactive_command or action.is_interactive_quit or action.expect:
            raise ValueError("local sandboxes have no terminal: no interactive programs, no expect")
        try:
            output, code = await session.run(action.command, action.timeout)
        finally:
            if not session.alive:
                self._sessions.pop(action.session, None)
                await session.close()
        if code == 2 and "syntax error" in output:
            await self._check_syntax(action.command)
        if action.check == "raise" and code != 0:
            _raise_nonzero(action, code, output)
        return BashObservation(output=output, exit_code=None if action.check == "ignore" else code)

    async def _check_syntax(self, command: str) -> None:
        done = await self.execute(Command(command=["bash", "-n", "-c", command]))
        if done.exit_code:
            info = {"bash_stdout": done.stdout, "bash_stderr": done.stderr}
            message = f"bash refuses {command!r}: {done.stderr}"
            raise BashIncorrectSyntaxError(message, extra_info=info)

    async def close_session(self, request: CloseSessionRequest) -> CloseSessionResponse:
        """End a session and every process that it has started."""
        session = await self._session(request.session)
        del self._sessions[request.session]
        await session.close()
        return CloseBashSessionResponse()

    async def execute(self, command: Command, limits: Limits = SESSION_LIMITS) -> CommandResponse:
        """Run a program; whatever it has left running is killed when it ends.

        `env` is laid over the sandbox's own variables; `cwd` is relative to the workspace.

        Raises:
            CommandTimeoutError: It was killed, with all that it has started.
        """
        done = await self.run_program(command, limits)
        if done.status is None:
            message = f"Timeout ({command.timeout}s) exceeded while running command"
            raise CommandTimeoutError(message)
        if command.check and done.status != 0:
            _raise_nonzero(command, done.status, done.stdout + done.stderr)
        return CommandResponse(stdout=done.stdout, stderr=done.stderr, exit_code=done.status)

    async def run_program(self, command: Command, limits: Limits) -> Finished:
        """`execute`, with limits, and without an error for what the program does.

        Raises:
            GuestDied: The sandbox did not survive it.
        """
        words = [command.command] if isinstance(command.command, str) else command.command
        argv = ["/bin/sh", "-c", *words] if command.shell else words
        guest = await self.guest("shell")
        output, out = os.pipe()
        error, err = (-1, out) if command.merge_output_streams else os.pipe()
        keep = limits.output_kb * 1024
        pipes = [Pipe(fd, keep) for fd in (output, error) if fd >= 0]
        try:
            program = await Program.start(
                guest, argv, fds={1: out, 2: err}, limits=limits, cwd=command.cwd, env=command.env
            )
            late = False
            try:
                await program.wait(command.timeout)
            except TimeoutError:
                late = True
            finally:
                done = await program.kill()
            for pipe in pipes:
                await pipe.ended.wait()
            texts = [text_of(pipe.take()) for pipe in pipes]
        finally:
            for pipe in pipes:
                pipe.close()
        if done.status is None and not late:
            raise GuestDied("the sandbox has ended while it ran a command")
        return Finished(texts[0], "".join(texts[1:]), done.status, done.cpu_s)

    async def read_file(self, request: ReadFileRequest) -> ReadFileResponse:
        """The text of a file; its path is relative to the workspace."""
        guest = await self.guest("shell")
        message = {"op": "read", "path": request.path, "most": MOST_BYTES + 1}
        _, data = await guest.request(message)
        if len(data) > MOST_BYTES:
            raise SandboxError(f"{request.path} is larger than {MOST_BYTES >> 20} MiB")
        text = data.decode(request.encoding or "utf-8", request.errors or "strict")
        return ReadFileResponse(content=text)

    async def write_file(self, request: WriteFileRequest) -> WriteFileResponse:
        """Write a text, making folders; its path is relative to the workspace."""
        await self.write_files({request.path: request.content})
        return WriteFileResponse()

    async def upload(self, request: UploadRequest) -> UploadResponse:
        """Copy a file or a folder of this machine; links are followed."""
        source = Path(request.source_path)
        if not source.exists():
            raise FileNotFoundError(2, "No such file or directory", request.source_path)
        names = [p for p in source.rglob("*") if p.is_file()] if source.is_dir() else [source]
        target = PurePosixPath(request.target_path)
        contents, modes = {}, {}
        for name in names:
            path = str(target if name == source else target / name.relative_to(source))
            contents[path] = name.read_bytes()
            modes[path] = name.stat().st_mode & 0o755
        await self._send_files(contents, modes)
        return UploadResponse()

    async def close(self) -> CloseResponse:
        """End all sessions and guests; returns when every process of them is dead."""
        try:
            await self._end_sessions()
        finally:
            guests, self._guests = list(self._guests.values()), {}
            await asyncio.gather(*(guest.close() for guest in guests))
        return CloseResponse()

    # --- more than that ---

    @property
    def isolated(self) -> bool:
        """Whether foreign code is kept apart from this machine's other processes."""
        return self._isolate

    @property
    def has_judge(self) -> bool:
        """Whether it has a guest for tests that run apart from the code they test."""
        return "judge" in self._guests

    async def prepare(self, *, judge: bool) -> None:
        """Start, where they do not run, the guests that test runs need."""
        await self.guest("calls")
        if judge:
            await self.guest("judge")

    def sibling(self) -> LocalRuntime:
        """Another runtime of the same kind, with guests and files of its own."""
        return LocalRuntime(isolate=self._isolate, packages=self.packages)

    async def ready(self) -> Guest:
        """The guest for files and commands, which knows its own paths."""
        return await self.guest("shell")

    async def renew(self, size_mb: int) -> None:
        """Fresh scratch space of that size: an empty workspace, an empty /tmp."""
        self._workspace = None
        await (await self.guest("shell")).request({"op": "fresh", "file_mb": size_mb})

    async def lay_out(self, files: Files, size_mb: int) -> None:
        """Fill fresh scratch space of that size: see `renew`."""
        guest = await self.guest("shell")
        self._workspace = GuestWorkspace(guest, size_mb)
        await self._workspace.restore(files)

    async def run_calls(self, request: Mapping[str, Any], limits: Limits) -> calltests.Reply:
        """Run foreign code case by case, in a fresh process with fresh files.

        Args:
            request: As calltests.py or stdiotests.py makes it.
            limits: What the run may use.

        Raises:
            GuestDied: The sandbox did not survive it.
        """
        guest = await self.guest("calls")
        guest.fit(request["limits"])
        try:
            async with asyncio.timeout(limits.wall_s + _GRACE_S):
                header, lines = await guest.request(dict(request))
        except TimeoutError:
            raise GuestBroken("the sandbox does not answer") from None
        status = header["status"]
        full = calltests.has_killed(status, lines) and guest.ran_out_of_memory()
        return calltests.Reply(lines, status, header["cpu_s"], header["wall_s"], full)

    async def run_apart(
        self, plan: aparttests.Plan, files: Mapping[str, str], limits: Limits
    ) -> aparttests.Reply:
        """Run pytest-style tests, with `files` in another guest than the tests.

        Raises:
            GuestDied: One of the two sandboxes did not survive it.
        """
        candidate, judge = await self.guest("calls"), await self.guest("judge")
        return await self._judges.run(candidate, judge, plan, files, limits)

    async def write_files(self, files: Mapping[str, str | bytes]) -> None:
        """Write files; paths are relative to the workspace."""
        await self._send_files(_as_bytes(files), {})

    async def save(self, *, quiet: bool = False) -> Files:
        """What the workspace holds, exactly; it costs as much as there are changes.

        Args:
            quiet: First kill what commands have left running: nothing can write afterwards.

        Raises:
            WorkspaceTooLargeError: There are more changes than a state may hold.
        """
        guest = await self.guest("shell")
        async with self._changing:
            if quiet:
                await self._kill_rest()
            return await self._workspace_of(guest).save(quiet=quiet)

    async def restore(self, files: Files) -> None:
        """Make the workspace hold `files` and nothing else; only what differs is touched.

        What commands have left running is killed, and /tmp is emptied. Sessions live on, with
        their variables and, where it is still there, their folder; but where `files` is of another
        large base, or cannot be reached otherwise, they begin anew in the workspace.

        Raises:
            SandboxError: It does not fit.
        """
        guest = await self.guest("shell")
        async with self._changing:
            workspace = self._workspace_of(guest)
            if not workspace.needs_new_mount(files):
                await self._kill_rest()
                try:
                    await workspace.restore(files)
                    return
                except OSError as error:
                    self.logger.info("the workspace is made anew: %s", error)
            again = list(self._sessions)
            await self._end_sessions()
            try:
                await workspace.restore(files, anew=True)
            except OSError as error:
                raise SandboxError(f"the files do not fit the workspace: {error}") from None
            for name in again:
                await self.create_session(self._requests[name])

    async def change(self, files: Files, command: str, timeout: float | None) -> Changed:
        """Run a bash command on `files`, in a subshell at the workspace's root.

        Nothing else is left of it: what it has started is killed, /tmp is emptied before.

        Raises:
            SandboxError: The files do not fit, or cannot be read afterwards.
        """
        guest = await self.guest("shell")
        async with self._changing_files:
            await self.restore(files)
            if self._shell is None or not self._shell.alive:
                await self._end_shell()
                self._shell = await BashSession.start(guest, SESSION_LIMITS)
            try:
                output, status = await self._shell.run(command, timeout, apart=True)
            except CommandTimedOut as error:
                output, status = f"{error.output}[killed after {timeout:g} s]\n", TIMED_OUT
            try:
                files = await self.save(quiet=True)
            except WorkspaceTooLargeError as error:
                output += f"[{error}: no change is kept]\n"
        return Changed(output, status, files)

    async def fork(self) -> LocalRuntime:
        """Another runtime with guests of its own, whose workspace holds the same; /tmp is empty."""
        files = await self.save()
        other = self.sibling()
        try:
            await other.restore(files)
        except BaseException:
            await other.close()
            raise
        return other

    def _workspace_of(self, guest: Guest) -> GuestWorkspace:
        if self._workspace is None or self._workspace.guest is not guest:
            self._workspace = GuestWorkspace(guest, SESSION_LIMITS.file_mb)
        return self._workspace

    async def _kill_rest(self) -> None:
        shells = [*self._sessions.values(), *([self._shell] if self._shell else [])]
        if len(shells) == 1:
            await shells[0].kill_rest()
        else:
            await asyncio.gather(*(shell.kill_rest() for shell in shells))

    async def _end_shell(self) -> None:
        shell, self._shell = self._shell, None
        if shell is not None:
            await shell.close()

    async def _end_sessions(self) -> None:
        await self._end_shell()
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    async def replace_files(self, files: Mapping[str, str | bytes]) -> None:
        """`restore`, with files that are ordinary ones."""
        await self.restore(Files.of(files))

    async def wipe(self) -> None:
        """Empty the workspace."""
        await self.replace_files({})

    async def read_files(self, most: int = MOST_BYTES) -> dict[str, bytes]:
        """Every regular file of the workspace, links not followed.

        Raises:
            SandboxError: Together they are larger than `most` bytes, or too many.
        """
        guest = await self.guest("shell")
        header, data = await guest.request({"op": "read_all", "most": most})
        if header["cut"]:
            raise SandboxError(f"the workspace holds more than {most >> 20} MiB, or 20000 files")
        contents, start = {}, 0
        for path, size in header["files"]:
            contents[path] = data[start : start + size]
            start += size
        return contents

    async def _send_files(self, contents: Mapping[str, bytes], modes: Mapping[str, int]) -> None:
        guest = await self.guest("shell")
        listed = [(path, len(data), modes.get(path, 0o644)) for path, data in contents.items()]
        await guest.request({"op": "write", "files": listed}, b"".join(contents.values()))


def _as_bytes(files: Mapping[str, str | bytes]) -> dict[str, bytes]:
    return {
        path: text.encode(errors="surrogateescape") if isinstance(text, str) else text
        for path, text in files.items()
    }


def _raise_nonzero(request: BashAction | Command, code: int, output: str) -> NoReturn:
    message = f"Command {request.command!r} failed with exit code {code}. Output:\n{output!r}"
    raise NonZeroExitCodeError(f"{request.error_msg}: {message}" if request.error_msg else message)
