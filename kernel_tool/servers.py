"""The fork servers of this process, one for each interpreter."""

from __future__ import annotations

import atexit
import os
import warnings

from kernel_tool.forkserver import ForkServer
from kernel_tool.sandbox.environment import environment
from kernel_tool.scratch import scratch_folder

# One that has died is started again; one that keeps dying is not.
_MOST_STARTS = 3

# By process, since a fork of this one must have its own; and by interpreter.
_started: dict[tuple[int, str], list[ForkServer]] = {}


def shared_server(python: str) -> ForkServer | None:
    """A server that has imported what kernels need, or is about to; None where that has failed.

    It is started when first asked for, and ends with this process.
    """
    servers = _started.setdefault((os.getpid(), python), [])
    if servers and not servers[-1].alive:
        warnings.warn(
            f"the fork server has ended, kernels start slower: {servers[-1].complaint}",
            stacklevel=2,
        )
    if not servers or (not servers[-1].alive and len(servers) < _MOST_STARTS):
        servers.append(_start(python))
    return servers[-1] if servers[-1].alive else None


def _start(python: str) -> ForkServer:
    home = scratch_folder("server-")
    # It must have one thread, whatever the kernels have.
    server = ForkServer(python, environment(python, 1, home, home), preload=True)
    atexit.register(server.close)
    return server
