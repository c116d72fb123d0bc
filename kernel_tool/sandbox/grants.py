"""What Landlock grants a kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kernel_tool.boot.orders import Access
from kernel_tool.sandbox.visible import Visible

# Of /dev/zero, written to, memory can be had that is in nobody's count.
_DEVICES = ("null", "full", "random", "urandom", "tty")
# Of other processes, where all can be seen, not even the command line.
_OWN_PROC = ("self", "sys", "cpuinfo", "meminfo", "stat", "loadavg", "uptime", "version")

Rule = tuple[Access, str]


def grants(seen: Visible, writable: tuple[Path, ...], sockets: Path, own_root: bool) -> list[Rule]:
    """Read the system and Python; write to some folders; make sockets in one; no more.

    own_root: the file system shows nothing but these, so that all of it may be listed.
    """
    rules: list[Rule] = []
    if own_root:
        # Its terminals are its own, too: commands that a cell runs by `!` have one.
        rules += [("list", "/"), ("terminal", "/dev/ptmx"), ("terminal", "/dev/pts")]
    rules += [*_readable(seen), ("sockets", str(sockets)), ("read", "/dev/zero")]
    shown = [""] if own_root else list(_OWN_PROC)
    rules += [("read", f"/proc/{name}") for name in shown]
    rules += [("device", f"/dev/{name}") for name in _DEVICES]
    rules += [("write", str(folder)) for folder in writable]
    return rules


def _readable(seen: Visible) -> Iterator[Rule]:
    for path in seen.readable:
        yield from _around(path, seen)


def _around(path: Path, seen: Visible) -> Iterator[Rule]:
    """Grant a folder. Rules can't take back: around what is hidden they name its neighbours."""
    if not seen.hidden_in(path):
        yield "read", str(path)
        return
    yield "list", str(path)
    for child in sorted(path.iterdir()):
        if child.resolve() not in seen.hidden and not child.is_symlink():
            yield from _around(child, seen)
