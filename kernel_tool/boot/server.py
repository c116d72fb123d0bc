"""The fork server: imports what kernels need once, then forks a warden for each that is asked for.

It must have one thread when it forks, so it runs no tensor operation and opens no socket of zmq's.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import os
import select
import signal
import socket
import sys
from pathlib import Path

from kernel_tool.boot import kernel, warden


def main(control: int, preload: bool) -> None:
    """Serve until the other side of the socket ``control`` is closed.

    Each byte on it brings the descriptor of a socket for one warden.
    """
    # An interrupt at the caller's terminal is the caller's to handle.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = socket.socket(fileno=control)
    kernel.remember_own_modules()
    if preload:
        _preload(control)
    while True:
        _reap()
        data, descriptors, _, _ = socket.recv_fds(server, 1, 1)
        if not data:
            return
        with socket.socket(fileno=descriptors[0]) as channel:
            if os.fork() == 0:
                server.close()
                warden.run(channel)


def _preload(control: int) -> None:
    gc.disable()
    sys.modules["debugpy"] = None  # type: ignore[assignment]
    hung_up = select.poll()
    hung_up.register(control, 0)  # only its end is reported
    for name in kernel.PRELOADED:
        if hung_up.poll(0):
            sys.exit()
        importlib.import_module(name)
    _draw()
    gc.collect()
    # Objects that exist now are never looked at again by a child's collector, which would copy
    # the pages that they share.
    gc.freeze()
    _refuse_threads()


def _draw() -> None:
    """Draw a figure that nobody sees: the first one loads fonts, and much else."""
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1])
    axes.set_title("title")
    figure.tight_layout()
    figure.savefig(io.BytesIO())


def _refuse_threads() -> None:
    tasks = Path("/proc/self/task")
    if tasks.is_dir() and len(list(tasks.iterdir())) > 1:
        raise RuntimeError("a library has started a thread: this process can't be forked safely")


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
