"""One confined process: its namespaces, its warden, its watchdog, its end."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from kernel_tool.boot.orders import Lockdown, Order
from kernel_tool.forkserver import Forked, ForkServer
from kernel_tool.sandbox import bubblewrap, seccomp
from kernel_tool.sandbox.environment import environment
from kernel_tool.sandbox.grants import grants
from kernel_tool.sandbox.quota import Quota
from kernel_tool.sandbox.tier import Tier
from kernel_tool.sandbox.visible import visible

# Above the numbers that distributions, containers and systemd give out (systemd's UIDS-GIDS).
_USERS = range(1_900_000_000, 2_000_000_000)
_CAP_SETUID, _CAP_SYS_ADMIN = 7, 21


@dataclass(frozen=True)
class Site:
    """Where one process runs.

    private: its folder, which holds ``home`` and ``sockets``. workspace: where it works.
    """

    tier: Tier
    python: str
    threads: int
    quota: Quota
    workspace: Path
    private: Path

    @property
    def sockets(self) -> Path:
        return self.private / "sockets"

    @property
    def home(self) -> Path:
        """Its home folder, as it sees it."""
        return bubblewrap.HOME if self.tier is Tier.BUBBLEWRAP else self.private / "home"

    @property
    def temporary(self) -> Path:
        return bubblewrap.TEMPORARY if self.tier is Tier.BUBBLEWRAP else self.home / "tmp"

    @property
    def folder(self) -> Path:
        """Its workspace, as it sees it."""
        return bubblewrap.WORKSPACE if self.tier is Tier.BUBBLEWRAP else self.workspace

    @property
    def on_disk(self) -> list[Path]:
        """Its folders that no file system of a fixed size holds."""
        return [self.workspace, self.private]

    def environment(self) -> dict[str, str]:
        return environment(self.python, self.threads, self.home, self.temporary)

    def prepare(self) -> int | None:
        """Make its folders; returns the user that it is to become, who then owns them."""
        if not self.workspace.is_dir():
            raise NotADirectoryError(f"there is no workspace at {self.workspace}")
        (self.private / "home" / "tmp").mkdir(parents=True, exist_ok=True)
        self.sockets.mkdir(exist_ok=True)
        user = self._user()
        if user is not None:
            hand_over([self.private, self.workspace], user)
        return user

    def _user(self) -> int | None:
        """Root becomes a user of nobody's, one for each kernel: process limits don't bind root."""
        if self.tier is Tier.NONE or not _capable(_CAP_SETUID):
            return None
        if self.tier is Tier.BUBBLEWRAP and not _capable(_CAP_SYS_ADMIN):
            return None
        return random.SystemRandom().choice(_USERS)

    def _reads_as_root(self, user: int | None) -> bool:
        """Whether that user must pass through folders that are root's alone, to get to its own.

        What it may read is then up to Landlock; a sandbox of namespaces shows nothing else.
        """
        needed = [*visible(self.python).python, self.workspace, self.private]
        closed = (not _open_to_all(p) for path in needed for p in path.resolve().parents)
        return user is not None and self.tier is Tier.LANDLOCK and any(closed)

    def mounts(self, user: int | None) -> list[str]:
        """What bubblewrap is told; a user is only known where it runs with all of root's rights."""
        seen = visible(self.python)
        return bubblewrap.arguments(
            seen, self.quota, self.workspace, self.sockets, privileged=user is not None
        )

    def lockdown(self, user: int | None) -> Lockdown | None:
        if self.tier is Tier.NONE:
            return None
        namespaces = self.tier is Tier.BUBBLEWRAP
        writable = [self.folder, self.home, self.temporary]
        return {
            "user": user,
            "reads_as_root": self._reads_as_root(user),
            "limits": self.quota.rlimits(0 if namespaces or user is not None else _own_threads()),
            "rules": grants(
                visible(self.python),
                tuple([*writable, bubblewrap.SHARED] if namespaces else writable),
                self.sockets,
                own_root=namespaces,
            ),
            "landlock": not namespaces,
            "filter": base64.b64encode(seccomp.program(namespaces)).decode(),
        }


class Confined:
    """A process on a site. Made by ``start``, ended by ``kill`` and ``ended``."""

    def __init__(
        self,
        process: Forked,
        site: Site,
        user: int | None,
        namespaces: bubblewrap.Namespaces | None,
    ) -> None:
        self.process = process
        self._site = site
        self._user = user
        self._namespaces = namespaces

    @classmethod
    async def start(
        cls,
        site: Site,
        server: ForkServer,
        standard_error: int,
        *,
        connection: str = "",
        code: str | None = None,
        own_server: bool = False,
    ) -> Confined:
        """Start a kernel on a site, or ``code``. own_server: it serves this process only.

        Raises BubblewrapError or OSError if it can't be confined or started; nothing is left.
        """
        namespaces = None
        try:
            user = site.prepare()
            if site.tier is Tier.BUBBLEWRAP:
                namespaces = await bubblewrap.Namespaces.open(site.mounts(user))
            order: Order = {
                "namespaces_of": namespaces.init if namespaces else None,
                "join_user_namespace": user is None,
                "lockdown": site.lockdown(user),
                "environment": site.environment(),
                "folder": str(site.folder),
                "threads": site.threads,
                "code": code,
                "connection": connection,
            }
            process = await Forked.start(server, order, standard_error, own_server)
        except BaseException:
            if own_server:
                server.close()
            if namespaces:
                namespaces.kill()
                namespaces.wait()
            raise
        return cls(process, site, user, namespaces)

    def roots(self) -> list[int]:
        """Pids from which all others on the site descend, as long as it has not ended."""
        if self.process.poll() is not None:
            return []
        # What it orphans becomes a child of one or the other.
        return [
            self.process.pid,
            self._namespaces.init if self._namespaces else self.process.warden,
        ]

    def tmpfs_files(self) -> int:
        """Files on its file systems in memory: bubblewrap bounds their bytes, not their number."""
        if self._namespaces is None:
            return 0
        root = Path(f"/proc/{self._namespaces.init}/root")
        used = 0
        for folder in (bubblewrap.TEMPORARY, bubblewrap.SHARED, bubblewrap.HOME):
            with suppress(OSError):
                found = os.statvfs(root / folder.relative_to("/"))
                used += found.f_files - found.f_ffree
        return used

    def give_files(self) -> None:
        """Make it the owner of what was put into its workspace since it started."""
        if self._user is not None:
            hand_over([self._site.workspace], self._user)

    def kill(self) -> None:
        """End it and all that it has started, at once and without waiting."""
        if self._namespaces is not None:
            self._namespaces.kill()
        self.process.kill()

    def close(self) -> None:
        """End it if it has not, and give back all that is held for it. May be repeated."""
        self.kill()
        self.process.close()
        if self._namespaces is not None:
            self._namespaces.wait()

    async def ended(self) -> int:
        """Wait until it has ended, or was killed, and nothing of it runs; its exit code."""
        code = await self.process.ended()
        if self._namespaces is not None:
            self._namespaces.kill()
            await asyncio.to_thread(self._namespaces.wait)
        return code


def hand_over(folders: list[Path], user: int) -> None:
    """Make a user the owner of folders and of all that is in them, at any depth; of links, too."""
    command = ["chown", "-R", "-h", f"{user}:{user}", "--", *map(str, folders)]
    subprocess.run(command, check=False, stderr=subprocess.DEVNULL)


def _open_to_all(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o001)


def _capable(capability: int) -> bool:
    """Whether this process is root with a capability, over all users of the machine."""
    if os.geteuid() != 0:
        return False
    status = Path("/proc/self/status").read_text()
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    mapped = sum(
        int(line.split()[2]) for line in Path("/proc/self/uid_map").read_text().splitlines()
    )
    return bool(effective >> capability & 1) and mapped > _USERS.stop


def _own_threads() -> int:
    """How many processes and threads this user has: they count towards the limit."""
    total = 0
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.uids().real == os.getuid():
                total += process.num_threads()
    return total
