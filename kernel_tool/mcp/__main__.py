"""``python -m kernel_tool.mcp``: serves one episode to an MCP client.

This package knows no tasks. Whoever has episodes names, as an entry point of the group
``silent_bugs.episodes``, a function that makes a command line: it gets :func:`serve` and returns a
click command that calls it with an episode.
"""

from __future__ import annotations

import asyncio
import sys
from importlib.metadata import entry_points

try:
    from kernel_tool.mcp.server import Episode, serve_http, serve_stdio
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("mcp", "uvicorn"):
        raise
    sys.exit("the MCP server needs the package mcp: pip install 'silent-bugs[mcp]'")

GROUP = "silent_bugs.episodes"


def serve(episode: Episode, port: int | None) -> None:
    """Serve an episode until it or the client ends: over stdio, or on a port of 127.0.0.1."""
    asyncio.run(serve_stdio(episode) if port is None else serve_http(episode, port))


def main() -> None:
    """Hand over to the one package that has episodes."""
    found = list(entry_points(group=GROUP))
    if len(found) != 1:
        sys.exit(f"{len(found)} packages have episodes (entry point {GROUP}); install one of them")
    found[0].load()(serve)


if __name__ == "__main__":
    main()
