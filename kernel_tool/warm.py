"""Kernels that run before they are asked for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from kernel_tool.connection import Connection
from kernel_tool.launch import Launcher


@dataclass
class _Warm:
    folder: Path
    connection: Connection
    held: AsyncExitStack


class WarmKernels:
    """Keeps some kernels running, each in an empty workspace of its own; an async context manager.

    Whoever wants one takes its workspace first, puts files there, and starts a ``Kernel`` in it.
    A pool buys latency: what its kernels cost, they cost all the same.
    """

    def __init__(self, launcher: Launcher, size: int, patience: float = 60.0) -> None:
        self._launcher = launcher
        self._size = size
        self._patience = patience
        self._ready: deque[_Warm] = deque()
        self._taken: dict[Path, Connection] = {}
        self._refill: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start all of them. Raises KernelStartError."""
        try:
            await self._fill()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._refill is not None:
            self._refill.cancel()
            await asyncio.gather(self._refill, return_exceptions=True)
        await self._close()

    @asynccontextmanager
    async def workspace(self) -> AsyncIterator[Path]:
        """An empty folder, in which a kernel runs already if one was ready."""
        if not self._ready:
            with self._launcher.workspace() as folder:
                yield folder
            return
        warm = self._ready.popleft()
        self._taken[warm.folder] = warm.connection
        if self._refill is None or self._refill.done():
            self._refill = asyncio.create_task(self._fill())
        try:
            yield warm.folder
        finally:
            self._taken.pop(warm.folder, None)
            await warm.held.aclose()

    def take(self, workspace: Path) -> Connection | None:
        """The kernel in a workspace, which is then the caller's to close; None if it has none."""
        connection = self._taken.pop(workspace, None)
        if connection is None or not connection.alive():
            return None
        connection.give_files()
        return connection

    async def _fill(self) -> None:
        while len(self._ready) < self._size:
            async with AsyncExitStack() as stack:
                folder = stack.enter_context(self._launcher.workspace())
                connection = await Connection.open(self._launcher, folder, self._patience)
                stack.push_async_callback(connection.close)
                self._ready.append(_Warm(folder, connection, stack.pop_all()))

    async def _close(self) -> None:
        while self._ready:
            await self._ready.popleft().held.aclose()
