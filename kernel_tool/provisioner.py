"""Kernels of a launcher for jupyter_client: a provisioner, and a manager that uses it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Instance

from kernel_tool.forkserver import ForkServer
from kernel_tool.launch import Launcher
from kernel_tool.sandbox.files import make_room
from kernel_tool.sandbox.process import Confined, Site
from kernel_tool.sandbox.visible import visible
from kernel_tool.sandbox.watchdog import Watchdog
from kernel_tool.scratch import remove, scratch_folder
from kernel_tool.servers import shared_server

NAME = "silent-bugs"


class SandboxProvisioner(LocalProvisioner):
    """Provides confined kernels, forked or cold, as its launcher says.

    The manager may be any of jupyter_client's. Its sockets are local ones, in a folder of their
    own: a confined kernel has no network. Its environment is the launcher's, not the caller's.
    """

    launcher = Instance(Launcher)
    private: Path | None = None
    confined: Confined | None = None
    watchdog: Watchdog | None = None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Give the manager the addresses that a confined kernel can serve."""
        if self.private is None:
            self.private = scratch_folder("kernel-")
        manager: Any = self.parent
        manager.transport = "ipc"
        manager.ip = str(self.private / "sockets" / "s")
        manager.connection_file = str(self.private / "connection.json")
        return dict(await super().pre_launch(**kwargs))

    async def launch_kernel(
        self,
        cmd: list[str],  # noqa: ARG002 - a kernel is no command here
        **kwargs: Any,
    ) -> KernelConnectionInfo:
        """Start the kernel in ``cwd``; ``stderr`` may be a descriptor for crash reports."""
        assert self.private is not None
        remove(self.private / "sockets")
        visible(self.launcher.python)  # says it best, if the interpreter does not run
        site = self.launcher.site(Path(kwargs.get("cwd") or "."), self.private)
        quota = site.quota
        make_room(site.on_disk, quota.workspace_files, quota.workspace)
        nothing = os.open(os.devnull, os.O_WRONLY)
        try:
            self.confined = await self._start(site, kwargs.get("stderr") or nothing)
        finally:
            os.close(nothing)
        # It has Popen's methods, as far as they are used.
        self.process = self.confined.process  # type: ignore[assignment]
        self.pid = self.pgid = self.confined.process.pid
        self.cwd = site.workspace
        self.watchdog = Watchdog(self.confined, site)
        self.watchdog.start()
        return self.connection_info

    async def _start(self, site: Site, standard_error: int) -> Confined:
        manager: Any = self.parent
        connection = json.dumps(manager.get_connection_info(), default=bytes.decode)
        launcher = self.launcher
        # Libraries that start threads with the server's number of them keep that: one.
        forked = launcher.forked and launcher.threads == 1
        shared = shared_server(launcher.python) if forked else None
        if shared is not None:
            try:
                return await Confined.start(site, shared, standard_error, connection=connection)
            except OSError:
                if not shared.has_ended():
                    raise
        cold = ForkServer(site.python, site.environment(), preload=False)
        return await Confined.start(
            site, cold, standard_error, connection=connection, own_server=True
        )

    async def send_signal(self, signum: int) -> None:
        """Send a signal to the kernel's process group; SIGKILL ends all that it has started."""
        if self.confined is not None and signum == signal.SIGKILL:
            self.confined.kill()
        else:
            await super().send_signal(signum)

    async def wait(self) -> int | None:
        """Wait until nothing of the kernel runs."""
        if self.confined is None or self.process is None:
            return 0
        code = await self.confined.ended()
        if self.watchdog is not None:
            await self.watchdog.stop()
        self.process = None
        return code

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the kernel's folder, unless it is about to start again."""
        if not restart:
            self.discard()
        await super().cleanup(restart)

    def discard(self) -> None:
        """End the kernel if it runs, and remove its folder. May be repeated."""
        if self.confined is not None:
            self.confined.close()
        if self.private is not None:
            remove(self.private)
            self.private = None


class _OneSpec(KernelSpecManager):
    """Knows one kernel, and looks into no Jupyter folder of the user."""

    spec = Instance(KernelSpec)

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:  # noqa: ARG002
        return self.spec


def kernel_manager(launcher: Launcher, **traits: Any) -> AsyncKernelManager:
    """A manager of jupyter_client's whose kernels a launcher starts; for nbclient, too."""
    spec = KernelSpec(
        argv=[launcher.python],
        display_name=NAME,
        language="python",
        interrupt_mode="message",
        metadata={
            "kernel_provisioner": {"provisioner_name": NAME, "config": {"launcher": launcher}}
        },
    )
    return AsyncKernelManager(kernel_spec_manager=_OneSpec(spec=spec), **traits)
