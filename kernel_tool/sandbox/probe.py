"""Whether a tier holds, by behaviour: a process started like a kernel tries to get out."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernel_tool.forkserver import ForkServer
from kernel_tool.last_words import LastWords
from kernel_tool.sandbox.process import Confined, Site
from kernel_tool.sandbox.quota import Quota
from kernel_tool.sandbox.tier import Tier
from kernel_tool.sandbox.visible import visible
from kernel_tool.scratch import remove, scratch_folder

_ATTEMPTS = Path(__file__).with_name("attempts.py")
_PATIENCE = 30.0
_PROCESSES = 32
_NAME = b"KERNEL_TOOL_CANARY"


@dataclass(frozen=True)
class Findings:
    """What a probe found of one tier.

    escapes: attempts that succeeded, in words. fault: why the probe could not run, or "".
    """

    tier: Tier
    escapes: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()
    fault: str = ""

    @property
    def holds(self) -> bool:
        return not self.fault and not self.escapes

    @property
    def why(self) -> str:
        """Why it does not hold."""
        return self.fault or "a process got through: " + ", ".join(self.escapes)


async def probe(tier: Tier, python: str = sys.executable) -> Findings:
    """Start a process in a tier that tries to get out. A tier that can't be set up is a finding."""
    if sys.platform != "linux":
        return Findings(tier, fault=f"it needs Linux; this is {sys.platform}")
    folder = scratch_folder("probe-")
    try:
        with _baits(folder) as baits:
            told = await _run(tier, python, folder, baits)
            if not isinstance(told, dict):
                return Findings(tier, fault=told)
            tried = {**told, **baits.touched()}
    finally:
        remove(folder)
    escapes = tuple(name for name, happened in tried.items() if happened)
    return Findings(tier, escapes, tuple(tried))


async def _run(tier: Tier, python: str, folder: Path, baits: _Baits) -> dict[str, bool] | str:
    """What the process says it managed, or why it said nothing."""
    quota = Quota(processes=_PROCESSES)
    site = Site(tier, python, 1, quota, folder / "workspace", folder / "private")
    for each in (site.workspace, site.private):
        each.mkdir(mode=0o711)
    words = LastWords()
    handle = words.listen()
    code = f"BAITS = {baits.described!r}\n" + _ATTEMPTS.read_text(encoding="utf-8")
    try:
        visible(python)  # says it best, if the interpreter does not run
        async with asyncio.timeout(_PATIENCE):
            server = ForkServer(python, site.environment(), preload=False)
            process = await Confined.start(site, server, handle, code=code, own_server=True)
            try:
                ended = await process.process.ended()
            finally:
                process.kill()
                await process.ended()
        return _told(words.text, ended)
    except (OSError, RuntimeError) as error:
        return f"{error} {words.text}".strip() or repr(error)
    finally:
        os.close(handle)
        words.close()


def _told(text: str, ended: int) -> dict[str, bool] | str:
    try:
        return dict(json.loads(text.splitlines()[-1]))
    except (ValueError, IndexError):
        return f"the probe ended with {ended}: {text[-500:]}"


class _Baits:
    """What an escape would touch: files, a variable, listening sockets, a process."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._secret = secrets.token_hex(16)
        self._folder = folder / "outside"
        self._folder.mkdir()
        (self._folder / "secret").write_text(self._secret)
        # Busy, so that a limit on its CPU time would show; and no longer than this process lives.
        self._victim = self._start(stack, "while kill -0 $PPID; do :; done 2>/dev/null")
        kinds: dict[str, tuple[int, int, tuple[str, int] | str]] = {
            "a TCP port": (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            "a UDP port": (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            "a local socket": (socket.AF_UNIX, socket.SOCK_STREAM, str(self._folder / "socket")),
            "a local datagram socket": (
                socket.AF_UNIX,
                socket.SOCK_DGRAM,
                str(self._folder / "datagrams"),
            ),
            "an abstract socket": (socket.AF_UNIX, socket.SOCK_STREAM, f"\0{self._secret}"),
        }
        self._sockets = {name: self._listen(stack, *kind) for name, kind in kinds.items()}

    def _listen(
        self, stack: ExitStack, family: int, kind: int, address: tuple[str, int] | str
    ) -> socket.socket:
        listener = stack.enter_context(socket.socket(family, kind))
        listener.bind(address)
        listener.setblocking(False)
        if kind == socket.SOCK_STREAM:
            listener.listen()
        return listener

    def _start(self, stack: ExitStack, script: str) -> subprocess.Popen[bytes]:
        """A process with the secret in its environment and on its command line."""
        process = subprocess.Popen(
            ["/bin/sh", "-c", script, self._secret],
            env={_NAME.decode(): self._secret},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        return process

    def _is_limited(self) -> bool:
        allowed = resource.getrlimit(resource.RLIMIT_CPU)
        try:
            return resource.prlimit(self._victim.pid, resource.RLIMIT_CPU) != allowed
        except ProcessLookupError:  # it has been waited for: there is nothing to see any more
            return False

    @property
    def described(self) -> dict[str, Any]:
        """What the probe is told of them. The secret itself it can only have from a bait."""
        return {
            "folder": str(self._folder),
            "victim": self._victim.pid,
            "datagrams": str(self._folder / "datagrams"),
            "sockets": {
                name: (each.family.value, each.type.value, each.getsockname())
                for name, each in self._sockets.items()
            },
            "hint": self._secret[:8],
            "processes": _PROCESSES,
        }

    def touched(self) -> dict[str, bool]:
        """What was done to them, seen from here."""
        reached = {f"reach {name}": _was_reached(each) for name, each in self._sockets.items()}
        return {
            "write a file outside": (self._folder / "written").exists(),
            "kill a process outside": self._victim.poll() is not None,
            "limit a process outside": self._is_limited(),
            **reached,
        }


def _was_reached(listener: socket.socket) -> bool:
    with suppress(BlockingIOError):
        if listener.type == socket.SOCK_DGRAM:
            listener.recv(1)
        else:
            listener.accept()[0].close()
        return True
    return False


@contextmanager
def _baits(folder: Path) -> Iterator[_Baits]:
    with ExitStack() as stack:
        yield _Baits(folder, stack)
