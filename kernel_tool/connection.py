"""One kernel process: its folder, its sockets, its life and its death."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import zmq
import zmq.asyncio
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from kernel_tool.last_words import LastWords
from kernel_tool.launch import Launcher

# A larger single message makes ZeroMQ drop the connection, for good.
_LARGEST_MESSAGE = 128 << 20
# Messages waiting on this side of a channel; the kernel holds or drops what goes beyond.
_LONGEST_QUEUE = 100
# A message above this is counted and thrown away without being parsed.
_LARGEST_PARSED = 32 << 20
# A socket path may have some 100 characters; a long TMPDIR would leave no room.
_LONGEST_PARENT = 60
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


class _Manager(AsyncKernelManager):
    """A manager that is given its kernelspec, and looks into no Jupyter folder of the user."""

    spec: KernelSpec

    @property
    def kernel_spec(self) -> KernelSpec:
        return self.spec


class Connection:
    """A running kernel process. Made by ``open``, ended by ``close``; it never restarts."""

    def __init__(self, manager: _Manager, folder: Path, last_words: LastWords) -> None:
        self._manager = manager
        self._folder = folder
        self._last_words = last_words
        self._process: psutil.Process | None = None
        self._cpu_seconds = 0.0
        self._sockets: dict[str, zmq.asyncio.Socket] = {}
        self._monitors: dict[str, zmq.asyncio.Socket] = {}

    @classmethod
    async def open(cls, launcher: Launcher, workspace: Path, patience: float) -> Connection:
        """Start a kernel in ``workspace`` and wait until it answers.

        Raises KernelStartError when it dies first or takes longer than ``patience`` seconds.
        Whatever goes wrong, cancellation included, nothing is left behind.
        """
        folder = _private_folder()
        manager = _manager(launcher, workspace, folder)
        connection = cls(manager, folder, LastWords())
        try:
            await connection._start(launcher, workspace)
            async with asyncio.timeout(patience):
                await connection._ready()
        except BaseException as error:
            last_words = connection.last_words
            await connection.close()
            if isinstance(error, Exception):
                raise KernelStartError(f"kernel start: {error!r}\n{last_words}") from error
            raise
        return connection

    async def _start(self, launcher: Launcher, workspace: Path) -> None:
        home = self._folder / "home"
        (home / "tmp").mkdir(parents=True)
        stderr = await self._last_words.listen()
        try:
            await self._manager.start_kernel(
                env=launcher.environment(home),
                cwd=str(workspace),
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        finally:
            os.close(stderr)
        self._process = psutil.Process(self._provisioner.pid)
        for channel in ("shell", "iopub", "control"):
            self.connect(channel)

    def connect(self, channel: str) -> None:
        """Connect a channel, closing the socket it had. What was under way to it is lost."""
        if channel in self._sockets:
            self._sockets.pop(channel).close(linger=0)
            self._monitors.pop(channel).close(linger=0)
        socket = getattr(self._manager, f"connect_{channel}")()
        self._sockets[channel] = socket
        self._monitors[channel] = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)

    async def _ready(self) -> None:
        """Wait for the answer to kernel_info, and for the subscription to its outputs."""
        request = self.send("shell", "kernel_info_request", {})
        answered = welcomed = False
        while not (answered and welcomed):
            for channel, message in await self.receive(0.1):
                answered |= channel == "shell" and message.parent == request
                welcomed |= message.type == "iopub_welcome"
            if not self.alive():
                raise KernelStartError("the process ended before it answered")

    @property
    def _provisioner(self) -> LocalProvisioner:
        assert isinstance(self._manager.provisioner, LocalProvisioner)
        return self._manager.provisioner

    @property
    def last_words(self) -> str:
        """The end of what the process wrote to its real standard error (crash reports)."""
        return self._last_words.text

    def cause_of_death(self) -> str:
        """How a dead process ended, in words."""
        self.cpu_seconds()  # before it is reaped
        process: Any = self._provisioner.process
        code = process.poll() if process else None
        if code is None:
            cause = "The process ended."
        elif code >= 0:
            cause = f"The process exited with code {code}."
        else:
            cause = f"The process was killed by {_SIGNALS.get(-code, f'signal {-code}')}."
            cause += " Often that is for want of memory." if -code == signal.SIGKILL else ""
        _, found, crash = self.last_words.partition("Fatal Python error")
        return f"{cause}\n{(found + crash)[:_CRASH_REPORT]}".strip()

    def alive(self) -> bool:
        """Whether the process runs. A dead one is left unreaped, so its CPU time can be read."""
        if self._process is None:
            return False
        with suppress(psutil.Error):
            return bool(self._process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD))
        return False

    def cpu_seconds(self) -> float:
        """Seconds of CPU time the process and its children have used, also after its death."""
        if self._process is not None:
            with suppress(psutil.Error):
                self._cpu_seconds = max(self._cpu_seconds, _tree_seconds(self._process))
        return self._cpu_seconds

    def send(self, channel: str, message_type: str, content: dict[str, Any]) -> str:
        """Send a request and return its id. Does not wait."""
        session = self._manager.session
        sent = session.send(self._sockets[channel], session.msg(message_type, content))
        return str(sent["header"]["msg_id"])

    def interrupt(self) -> None:
        """Ask the kernel to raise KeyboardInterrupt in what it runs. Does not wait."""
        self.send("control", "interrupt_request", {})

    async def receive(self, wait: float) -> list[tuple[str, Message]]:
        """The next message of each channel that has one; empty after ``wait`` seconds of none.

        A channel that has lost its peer gives a message of the type ``disconnected``, once.
        """
        poller = zmq.asyncio.Poller()
        channels = {socket: name for name, socket in self._sockets.items()}
        monitors = {socket: name for name, socket in self._monitors.items()}
        for socket in (*channels, *monitors):
            poller.register(socket, zmq.POLLIN)
        ready = [socket for socket, _ in await poller.poll(int(wait * 1000))]
        messages = [(channels[s], await self._next(s)) for s in ready if s in channels]
        for socket in ready:
            if socket in monitors:
                await socket.recv_multipart()
                messages.append((monitors[socket], Message("disconnected", "", None, 0)))
        return messages

    async def _next(self, socket: zmq.asyncio.Socket) -> Message:
        frames = await socket.recv_multipart(copy=False)
        size = sum(len(frame) for frame in frames)
        session = self._manager.session
        try:
            _, parts = session.feed_identities(frames, copy=False)
            if size > _LARGEST_PARSED:
                return Message(
                    "oversized", str(session.unpack(parts[2].bytes)["msg_id"]), None, size
                )
            read = session.deserialize(parts, copy=False)
            return Message(
                str(read["msg_type"]),
                str(read["parent_header"].get("msg_id", "")),
                dict(read["content"]),
                size,
            )
        except Exception:  # the kernel may send anything: forged, malformed, nested without end
            return Message("malformed", "", None, size)

    async def close(self) -> None:
        """Kill the process and its children now; remove sockets and folder. May be repeated.

        What the code has detached, by a double fork into a session of its own, is out of reach.
        """
        self._kill()
        try:
            await self._manager.shutdown_kernel(now=True)
        finally:
            self._manager.context.destroy(linger=0)
            self._last_words.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _kill(self) -> None:
        """At once and without awaiting, so that no cancellation can leave a process behind."""
        if self._process is None:
            return
        self.cpu_seconds()
        victims = [self._process]
        with suppress(psutil.Error):
            victims += self._process.children(recursive=True)
        for victim in victims:
            with suppress(psutil.Error):
                victim.kill()
        self._process = None


def _tree_seconds(process: psutil.Process) -> float:
    total = 0.0
    for member in [process, *process.children(recursive=True)]:
        with suppress(psutil.Error):
            times = member.cpu_times()
            # What ended children used is counted in their parent.
            total += times.user + times.system
            total += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return total


def _private_folder() -> Path:
    parent = tempfile.gettempdir()
    return Path(
        tempfile.mkdtemp(prefix="kernel-", dir=parent if len(parent) <= _LONGEST_PARENT else "/tmp")
    )


def _manager(launcher: Launcher, workspace: Path, folder: Path) -> _Manager:
    context = zmq.asyncio.Context()
    context.setsockopt(zmq.MAXMSGSIZE, _LARGEST_MESSAGE)
    context.setsockopt(zmq.RCVHWM, _LONGEST_QUEUE)
    context.setsockopt(zmq.RECONNECT_IVL, 20)
    manager = _Manager(
        kernel_name="python",
        transport="ipc",
        ip=str(folder / "socket"),
        connection_file=str(folder / "connection.json"),
        context=context,
    )
    manager.spec = KernelSpec(
        argv=launcher.command(workspace, folder), language="python", interrupt_mode="message"
    )
    return manager
