"""One kernel process: its folder, its sockets, its life and its death."""

from __future__ import annotations

import asyncio
import hmac
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.manager import AsyncKernelManager

from kernel_tool.last_words import LastWords
from kernel_tool.launch import Launcher
from kernel_tool.link import Link
from kernel_tool.provisioner import SandboxProvisioner, kernel_manager
from kernel_tool.sandbox.family import cpu_seconds, family
from kernel_tool.sandbox.process import Confined

# A larger single message makes ZeroMQ drop the connection, for good.
_LARGEST_MESSAGE = 64 << 20
# Messages waiting on this side of a channel; the kernel holds or drops what goes beyond.
_LONGEST_QUEUE = 100
# A message above this is counted and thrown away without being parsed.
_LARGEST_PARSED = 32 << 20
# Messages taken from one channel before the next has its turn.
_MOST_AT_ONCE = 100
# The header of a request of ours, which comes back as the parent of what belongs to it.
_LARGEST_HEADER = 16 << 10
# Characters of a crash report that are worth passing on: its cause and the innermost frames.
_CRASH_REPORT = 600
_SIGNALS = {each.value: each.name for each in signal.Signals}


class KernelStartError(RuntimeError):
    """The kernel process did not come up: the fault of the machinery, not of any code it ran."""


@dataclass(frozen=True)
class Message:
    """One message from the kernel. ``content`` is None if it was too large, or not a message."""

    type: str
    parent: str
    content: dict[str, Any] | None
    size: int


class Connection:
    """A running kernel process. Made by ``open``, ended by ``close``; it never restarts."""

    def __init__(self, manager: AsyncKernelManager, last_words: LastWords) -> None:
        self._manager = manager
        self._last_words = last_words
        self._cpu_seconds = 0.0
        self._news = asyncio.Event()
        self._links: dict[str, Link] = {}

    @classmethod
    async def open(cls, launcher: Launcher, workspace: Path, patience: float) -> Connection:
        """Start a kernel in ``workspace`` and wait until it answers.

        Raises KernelStartError when it dies first or takes longer than ``patience`` seconds.
        Whatever goes wrong, cancellation included, nothing is left behind.
        """
        connection = cls(kernel_manager(launcher, context=_context()), LastWords())
        try:
            async with asyncio.timeout(patience):
                await connection._start(workspace)
                await connection._ready()
        except BaseException as error:
            last_words = connection.last_words
            await connection.close()
            if isinstance(error, Exception):
                why = str(error) or repr(error)
                raise KernelStartError(f"kernel start: {why}\n{last_words[:4_000]}") from error
            raise
        return connection

    async def _start(self, workspace: Path) -> None:
        stderr = self._last_words.listen()
        try:
            await self._manager.start_kernel(cwd=str(workspace), stderr=stderr)
        finally:
            os.close(stderr)
        for channel in ("shell", "iopub", "control"):
            self.connect(channel)

    def connect(self, channel: str) -> None:
        """Connect a channel, closing the socket it had. What was under way to it is lost."""
        if channel in self._links:
            self._links.pop(channel).close()
        socket = getattr(self._manager, f"connect_{channel}")()
        self._links[channel] = Link(socket, self._news.set)

    async def _ready(self) -> None:
        """Wait for the answer to kernel_info, and for the subscription to its outputs."""
        request = self.send("shell", "kernel_info_request", {})
        answered = welcomed = False
        while not (answered and welcomed):
            for channel, message in await self.receive(0.1):
                answered |= channel == "shell" and message.parent == request
                welcomed |= message.type == "iopub_welcome"
            if not self.alive():
                why = self.cause_of_death()
                raise KernelStartError(f"the process ended before it answered. {why}")

    @property
    def _provisioner(self) -> SandboxProvisioner | None:
        provisioner = self._manager.provisioner
        return provisioner if isinstance(provisioner, SandboxProvisioner) else None

    @property
    def _confined(self) -> Confined | None:
        return self._provisioner.confined if self._provisioner else None

    @property
    def last_words(self) -> str:
        """The end of what the process wrote to its real standard error (crash reports)."""
        return self._last_words.text

    def cause_of_death(self) -> str:
        """How a dead process ended, in words."""
        assert self._provisioner is not None and self._confined is not None
        code = self._confined.process.poll()
        watchdog = self._provisioner.watchdog
        if watchdog is not None and watchdog.cause:
            return watchdog.cause
        if code is None:
            cause = "The process ended."
        elif code >= 0:
            cause = f"The process exited with code {code}."
        else:
            cause = f"The process was killed by {_SIGNALS.get(-code, f'signal {-code}')}."
            cause += " Often that is for want of memory." if -code == signal.SIGKILL else ""
        _, found, crash = self.last_words.partition("Fatal Python error")
        return f"{cause}\n{(found + crash)[:_CRASH_REPORT]}".strip()

    def give_files(self) -> None:
        """Make the kernel the owner of what was put into its workspace since it started."""
        if self._confined is not None:
            self._confined.give_files()

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._confined is not None and self._confined.process.poll() is None

    def cpu_seconds(self) -> float:
        """Seconds of CPU time the process and its children have used, also after its death."""
        if self._confined is not None:
            running = cpu_seconds(family(self._confined.roots()))
            ended = self._confined.process.cpu_seconds
            self._cpu_seconds = max(self._cpu_seconds, running, ended)
        return self._cpu_seconds

    def send(self, channel: str, message_type: str, content: dict[str, Any]) -> str:
        """Send a request and return its id. Does not wait."""
        session = self._manager.session
        sent = session.send(self._links[channel].socket, session.msg(message_type, content))
        return str(sent["header"]["msg_id"])

    def interrupt(self) -> None:
        """Ask the kernel to raise KeyboardInterrupt in what it runs. Does not wait."""
        self.send("control", "interrupt_request", {})

    async def receive(self, wait: float) -> list[tuple[str, Message]]:
        """The messages that have come, of all channels; empty after ``wait`` seconds of none.

        A channel that has lost its peer gives a message of the type ``disconnected``, once.
        """
        # A socket's descriptor tells of news once, until all is read: so this is cleared first.
        self._news.clear()
        messages = self._come()
        if not messages:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._news.wait()
            messages = self._come()
        return messages

    def _come(self) -> list[tuple[str, Message]]:
        found = []
        for channel, link in self._links.items():
            messages = list(islice(link.messages(), _MOST_AT_ONCE))
            if len(messages) == _MOST_AT_ONCE:
                self._news.set()  # there may be more
            found += [(channel, self._read(frames)) for frames in messages]
            if link.has_lost_its_peer():
                found.append((channel, Message("disconnected", "", None, 0)))
        return found

    def _read(self, frames: list[zmq.Frame]) -> Message:
        size = sum(len(frame) for frame in frames)
        session = self._manager.session
        try:
            _, (signature, *parts) = session.feed_identities(frames, copy=False)
            if size > _LARGEST_PARSED:
                known = len(parts[1]) < _LARGEST_HEADER and session.unpack(parts[1].bytes)["msg_id"]
                return Message("oversized", str(known or ""), None, size)
            signed = [frame.bytes for frame in parts[:4]]
            if not hmac.compare_digest(session.sign(signed), signature.bytes):
                return Message("malformed", "", None, size)
            header, parent, _, content = signed
            # Not by the session, which also looks for dates in every text.
            return Message(
                str(session.unpack(header)["msg_type"]),
                str(session.unpack(parent).get("msg_id", "")),
                dict(session.unpack(content)),
                size,
            )
        except Exception:  # the kernel may send anything: forged, malformed, nested without end
            return Message("malformed", "", None, size)

    async def close(self) -> None:
        """Kill the process and all that it has started; remove its folder. May be repeated."""
        self.cpu_seconds()
        if self._confined is not None:
            # At once and without awaiting, so that no cancellation can leave a process behind.
            self._confined.kill()
        try:
            if self._provisioner is not None:
                await self._provisioner.wait()  # the manager's own wait looks every 0.1 s
                self.cpu_seconds()
            await self._manager.shutdown_kernel(now=True)
        finally:
            if self._provisioner is not None:
                self._provisioner.discard()
            while self._links:
                self._links.popitem()[1].close()
            self._manager.context.destroy(linger=0)
            self._last_words.close()


def _context() -> zmq.asyncio.Context:
    context = zmq.asyncio.Context()
    context.setsockopt(zmq.MAXMSGSIZE, _LARGEST_MESSAGE)
    context.setsockopt(zmq.RCVHWM, _LONGEST_QUEUE)
    context.setsockopt(zmq.RECONNECT_IVL, 20)
    return context
