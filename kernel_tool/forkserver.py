"""The caller's side of the fork server: starting it, and the processes that it forks."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from kernel_tool.boot.orders import Order

_ROOT = Path(__file__).resolve().parents[1]
_BOOT = (
    "import sys; sys.path.insert(0, {root!r}); from kernel_tool.boot.server import main; "
    "del sys.path[0]; main({control}, {preload})"
)


class ForkServer:
    """An interpreter that forks processes on demand.

    preload: whether it imports what kernels need before it forks the first. Orders that come
    earlier wait in its socket.
    """

    def __init__(self, python: str, environment: dict[str, str], preload: bool) -> None:
        """Start it, without waiting. Raises OSError if the interpreter can't be run."""
        self._control, theirs = socket.socketpair()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        boot = _BOOT.format(root=str(_ROOT), control=theirs.fileno(), preload=preload)
        with theirs:
            # -P, -s: neither the working folder nor the user's own packages can shadow a module,
            # so a torch.py in the workspace is never imported.
            self._process = subprocess.Popen(
                [python, "-P", "-s", "-c", boot],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._log,
                pass_fds=[theirs.fileno()],
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        self._owner = os.getpid()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs, and is this process's own."""
        return self._owner == os.getpid() and self._process.poll() is None

    def has_ended(self, patience: float = 1.0) -> bool:
        """Whether it has ended, or does within ``patience`` seconds: its sockets close first."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        return not self.alive

    @property
    def complaint(self) -> str:
        """The end of what it wrote to its standard error."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-2000:].strip()

    def connect(self) -> socket.socket:
        """A socket to a new warden. Raises OSError if the server has ended."""
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._control, [b"."], [theirs.fileno()])
        return ours

    def close(self) -> None:
        """End the server. What it forked goes on until its own socket is closed."""
        self._control.close()
        self._log.close()
        if self._owner == os.getpid():
            self._process.kill()
            self._process.wait()


class Forked:
    """A process that a warden has started, with the methods of ``subprocess.Popen`` that
    jupyter_client uses. Dropping its socket ends it and all that it has started.
    """

    stdin = stdout = stderr = None

    def __init__(self, channel: socket.socket, server: ForkServer | None) -> None:
        channel.setblocking(False)
        self._channel = channel
        self._own_server = server
        self._unread = b""
        self.pid = self.warden = 0
        self.returncode: int | None = None
        self.cpu_seconds = 0.0

    @classmethod
    async def start(
        cls, server: ForkServer, order: Order, standard_error: int, own: bool
    ) -> Forked:
        """Have a server start a process. ``own``: the server is for it alone, and ends with it.

        Raises OSError with what the warden said, if anything, in the pipe ``standard_error``.
        """
        process = cls(server.connect(), server if own else None)
        try:
            await process._order(order, standard_error)
            answer = await process._answer()
            if answer is None:
                raise ConnectionError("the process ended before it could start")
            process.pid, process.warden = int(answer["pid"]), int(answer["warden"])
        except BaseException:
            process.kill()
            raise
        return process

    async def _order(self, order: Order, standard_error: int) -> None:
        line = json.dumps(order).encode() + b"\n"
        sent = socket.send_fds(self._channel, [line], [standard_error])
        await asyncio.get_running_loop().sock_sendall(self._channel, line[sent:])

    async def _answer(self) -> dict[str, Any] | None:
        """The warden's next line; None at its end."""
        loop = asyncio.get_running_loop()
        while b"\n" not in self._unread:
            data = await loop.sock_recv(self._channel, 4096)
            if not data:
                return None
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return dict(json.loads(line))

    def poll(self) -> int | None:
        """The exit code, negative for a signal, or None while it runs."""
        if self.returncode is None:
            with suppress(BlockingIOError):
                self._take(self._channel.recv(4096))
        return self.returncode

    async def ended(self) -> int:
        """Wait for the exit code."""
        loop = asyncio.get_running_loop()
        while self.returncode is None:
            self._take(await loop.sock_recv(self._channel, 4096))
        return self.returncode

    def _take(self, data: bytes) -> None:
        """What the warden says last, or nothing, if it has gone without a word."""
        self._unread += data
        line, found, _ = self._unread.partition(b"\n")
        if found:
            told = json.loads(line)
            self.returncode, self.cpu_seconds = int(told["code"]), float(told["cpu_seconds"])
        elif not data:
            self.returncode = -signal.SIGKILL

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended. Blocks."""
        if self.poll() is None:
            self._channel.settimeout(timeout)
            try:
                while self.returncode is None:
                    self._take(self._channel.recv(4096))
            except TimeoutError:
                raise subprocess.TimeoutExpired("kernel", timeout or 0) from None
            finally:
                self._channel.setblocking(False)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the process, unless it has ended."""
        if self.pid and self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process and all that descends from it, by giving up its lease."""
        with suppress(OSError):
            self._channel.shutdown(socket.SHUT_WR)
        if self._own_server is not None:
            self._own_server.close()

    def close(self) -> None:
        """Give up the socket too. What has not ended by then ends now, and is not waited for."""
        self._channel.close()
        if self.returncode is None:
            self.returncode = -signal.SIGKILL
