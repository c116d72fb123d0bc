"""A sandbox of namespaces, made by bubblewrap and held open for one kernel to join."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from kernel_tool.sandbox.quota import Quota
from kernel_tool.sandbox.visible import Visible

# Where things are inside; the same in every sandbox, so that none tells which it is.
WORKSPACE, HOME, TEMPORARY, SHARED = (
    Path("/workspace"),
    Path("/home/solver"),
    Path("/tmp"),
    Path("/dev/shm"),
)
# --size is as old as this.
OLDEST = (0, 8)
INSTALL = (
    "install it: apt-get install bubblewrap (Debian, Ubuntu), dnf install bubblewrap (Fedora), "
    "apk add bubblewrap (Alpine), pacman -S bubblewrap (Arch)"
)
# Keeps the sandbox open until its input ends, as it does when this process ends, however. It says
# so once all is mounted. bwrap's own --die-with-parent leaves a process behind where the parent
# dies at the wrong moment, and follows the thread that started it.
_HOLD = "echo; read -r _"


class BubblewrapError(RuntimeError):
    """There is no bubblewrap, or it made no sandbox; the message says what to do."""


@cache
def executable() -> str:
    """The path of bwrap. Raises BubblewrapError where it is missing or too old."""
    path = shutil.which("bwrap", path=f"{os.environ.get('PATH', '')}:/usr/bin:/usr/local/bin")
    if path is None:
        raise BubblewrapError(f"bubblewrap is not installed: {INSTALL}")
    asked = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"(\d+)\.(\d+)", asked.stdout)
    if found is None:
        raise BubblewrapError(f"{path} --version says nothing: {asked.stderr.strip()}")
    if (int(found[1]), int(found[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise BubblewrapError(f"bubblewrap {found[0]} is too old, {oldest} is needed: {INSTALL}")
    return path


class Namespaces:
    """A set of fresh namespaces in which a kernel's files are mounted. Made by ``open``.

    init: the pid of its first process, as seen from here; when that ends, all in it do.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._handle: int | None = None
        self.init = 0

    @classmethod
    async def open(cls, arguments: list[str]) -> Namespaces:
        """Raises BubblewrapError if the sandbox can't be made."""
        command = executable()
        ours, theirs = socket.socketpair()
        told, tell = os.pipe()
        with ours, os.fdopen(told, "rb") as info:
            ours.setblocking(False)
            try:
                process = subprocess.Popen(  # noqa: ASYNC220 - it is waited for below
                    [command, "--info-fd", str(tell), *arguments, "--", "/bin/sh", "-c", _HOLD],
                    stdin=subprocess.PIPE,
                    stdout=theirs.fileno(),
                    stderr=subprocess.PIPE,
                    pass_fds=[tell],
                    env=dict[str, str](),
                )
            finally:
                os.close(tell)
                theirs.close()
            made = cls(process)
            try:
                ready = await asyncio.get_running_loop().sock_recv(ours, 1)
                if not ready:
                    assert process.stderr is not None
                    why = process.stderr.read(2000).decode(errors="replace").strip()
                    raise BubblewrapError(f"bubblewrap made no sandbox: {why}")
                made.init = int(json.loads(info.read())["child-pid"])
                made._handle = os.pidfd_open(made.init)
            except BaseException:
                made.kill()
                made.wait()
                raise
        return made

    def kill(self) -> None:
        """End every process in it, at once."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self._handle is not None:
            with suppress(OSError):
                # As its first process ends, the kernel ends the namespace as a whole.
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def wait(self, seconds: float = 10.0) -> None:
        """Until all of it is gone. After ``kill`` that takes some milliseconds."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


def arguments(
    seen: Visible, quota: Quota, workspace: Path, sockets: Path, privileged: bool
) -> list[str]:
    """bubblewrap's options. ``privileged``: root that may mount, and later becomes another user."""
    writable = ("--size", str(quota.scratch), "--perms", "1777", "--tmpfs")
    mounts = {
        Path("/proc"): ("--proc", "/proc"),
        Path("/dev"): ("--dev", "/dev"),
        **{path: (*writable, str(path)) for path in (SHARED, TEMPORARY, HOME)},
        **_readable(seen),
        WORKSPACE: ("--bind", str(workspace), str(WORKSPACE)),
        sockets: ("--bind", str(sockets), str(sockets)),
    }
    return [
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
        *("--cap-drop", "ALL"),
        *([] if privileged else ["--unshare-user"]),
        *("--hostname", "sandbox"),
        *_in_order(mounts),
        *("--remount-ro", "/dev"),
        *("--remount-ro", "/"),
        *("--chdir", "/"),
    ]


def _in_order(mounts: Mapping[Path, tuple[str, ...]]) -> Iterator[str]:
    """Outer folders before inner ones, so that what lies inside another is not covered by it."""
    made: set[Path] = set()
    for path in sorted(mounts, key=lambda path: len(path.parts)):
        for parent in reversed(path.parents[:-1]):
            if parent not in made and parent not in mounts:
                made.add(parent)
                yield from ("--perms", "0755", "--dir", str(parent))
        yield from mounts[path]


def _readable(seen: Visible) -> dict[Path, tuple[str, ...]]:
    visible = {path: ("--ro-bind", str(path), str(path)) for path in seen.readable}
    links = {
        path: ("--symlink", str(path.readlink()), str(path))
        for path in seen.system
        if path.is_symlink()
    }
    covers = {
        path: ("--size", "4096", "--perms", "0555", "--tmpfs", str(path))
        for path in seen.hidden
        if any(path.is_relative_to(folder) for folder in visible)
    }
    return {**visible, **links, **covers}
