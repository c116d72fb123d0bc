"""The end of what a kernel process wrote to its real standard error."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

# A crash report names all threads and all extension modules after its cause.
_KEPT = 64_000
# Beyond this nothing is read any more, and whoever writes waits.
_MOST = 64 << 20


class LastWords:
    """Reads a pipe, keeping only its end: a crash report survives, a flood takes no memory."""

    def __init__(self) -> None:
        self._kept = b""
        self._received = 0
        self._listening = False
        self._reading: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def listen(self) -> int:
        """Start reading; returns the file descriptor to write to, which the caller closes."""
        self._reading, writing = os.pipe()
        os.set_blocking(self._reading, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._reading, self._read)
        self._listening = True
        return writing

    def _read(self) -> bool:
        """Take in what there is; whether there was something."""
        assert self._reading is not None
        with suppress(BlockingIOError):
            data = os.read(self._reading, 1 << 16)
            self._received += len(data)
            self._kept = (self._kept + data)[-_KEPT:]
            if data and self._received < _MOST:
                return True
            self._stop()
        return False

    @property
    def text(self) -> str:
        """All that had been written when this was asked for, or its end."""
        for _ in range(100):  # whoever writes without pause is not waited for
            if not (self._listening and self._read()):
                break
        return self._kept.decode("utf-8", "replace").strip()

    def _stop(self) -> None:
        if self._listening and self._loop is not None and self._reading is not None:
            self._loop.remove_reader(self._reading)
            self._listening = False

    def close(self) -> None:
        self._stop()
        if self._reading is not None:
            os.close(self._reading)
            self._reading = None
