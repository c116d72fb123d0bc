"""The fork servers of this process: one for each interpreter and number of threads."""

from __future__ import annotations

import atexit
import os
import shutil
import warnings
from functools import cache

from kernel_tool.forkserver import ForkServer
from kernel_tool.sandbox.environment import environment
from kernel_tool.scratch import scratch_folder


def shared_server(python: str, threads: int) -> ForkServer | None:
    """A server that has imported what kernels need, or is about to; None where that has failed.

    It is started when first asked for, and ends with this process.
    """
    server = _server(python, threads, os.getpid())
    if server.alive:
        return server
    _warn(python, threads, os.getpid(), server.complaint)
    return None


@cache
def _server(python: str, threads: int, process: int) -> ForkServer:  # noqa: ARG001
    home = scratch_folder("server-")
    server = ForkServer(python, environment(python, threads, home, home), preload=True)
    atexit.register(server.close)
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return server


@cache
def _warn(python: str, threads: int, process: int, complaint: str) -> None:  # noqa: ARG001
    warnings.warn(f"the fork server has ended, kernels start slower: {complaint}", stacklevel=3)
