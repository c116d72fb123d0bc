"""A kernel that survives what is run in it: timeouts, floods of output, crashes."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from kernel_tool.connection import Connection, KernelStartError
from kernel_tool.execution import Execution, OutputCaps
from kernel_tool.launch import Launcher
from kernel_tool.run import Run
from kernel_tool.warm import WarmKernels

__all__ = ["Execution", "Kernel", "KernelStartError", "OutputCaps"]


class Kernel:
    """An IPython kernel in ``workspace``, as an async context manager. One call at a time.

    patience: seconds a kernel may take to start.
    grace: seconds an interrupted kernel may take to answer before it is killed.
    warm: where the first kernel comes from, if it has one in ``workspace``.
    """

    def __init__(
        self,
        launcher: Launcher,
        workspace: Path,
        caps: OutputCaps | None = None,
        patience: float = 60.0,
        grace: float = 5.0,
        warm: WarmKernels | None = None,
    ) -> None:
        self._launcher = launcher
        self._workspace = workspace
        self._caps = caps or OutputCaps()
        self._patience = patience
        self._grace = grace
        self._warm = warm
        self._connection: Connection | None = None
        self._past_cpu_seconds = 0.0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.shutdown()

    async def start(self) -> None:
        """Start the kernel unless it runs already. Raises KernelStartError."""
        if self._connection is None and self._warm is not None:
            self._connection = self._warm.take(self._workspace)
        if self._connection is None:
            self._connection = await Connection.open(
                self._launcher, self._workspace, self._patience
            )

    async def restart(self) -> None:
        """Replace the process by a fresh one, variables and home folder gone.

        Raises KernelStartError; the next call then tries to start one again.
        """
        await self.shutdown()
        await self.start()

    async def shutdown(self) -> None:
        """Kill the process at once; leaves no process, socket or temporary folder."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self._past_cpu_seconds += connection.cpu_seconds()
            await connection.close()

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the code that runs now, if any. Does not wait."""
        if self._connection is not None:
            self._connection.interrupt()

    def cpu_seconds(self) -> float:
        """CPU seconds of the kernel and its child processes so far, over all restarts."""
        running = self._connection.cpu_seconds() if self._connection else 0.0
        return self._past_cpu_seconds + running

    async def execute(self, code: str, timeout: float, silent: bool = False) -> Execution:  # noqa: ASYNC109
        """Run ``code`` for at most ``timeout`` seconds and return what came of it.

        At the limit the code is interrupted and the variables stay. A kernel that dies, or
        ignores the interrupt, is replaced before this returns. ``silent``: not counted as an
        input. If this call is cancelled the code is interrupted.
        Raises KernelStartError only, when no fresh kernel could be started.
        """
        await self.start()
        assert self._connection is not None
        run = Run(self._connection, self._caps, self._grace)
        execution = await run.execute(code, timeout, silent)
        if execution.status == "died":
            await self.restart()
        return execution
