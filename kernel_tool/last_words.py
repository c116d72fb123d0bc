"""The end of what a kernel process wrote to its real standard error."""

from __future__ import annotations

import asyncio
import os

_KEPT = 8_000


class _Tail(asyncio.Protocol):
    def __init__(self) -> None:
        self.kept = b""

    def data_received(self, data: bytes) -> None:
        self.kept = (self.kept + data)[-_KEPT:]


class LastWords:
    """Reads a pipe, keeping only its end: a crash report survives, a flood takes no memory."""

    def __init__(self) -> None:
        self._tail = _Tail()
        self._transport: asyncio.ReadTransport | None = None

    async def listen(self) -> int:
        """Start reading; returns the file descriptor to write to, which the caller closes."""
        reading, writing = os.pipe()
        stream = os.fdopen(reading, "rb", buffering=0)
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.connect_read_pipe(lambda: self._tail, stream)
        return writing

    @property
    def text(self) -> str:
        return self._tail.kept.decode("utf-8", "replace").strip()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
