"""What a warden is told, as JSON over its socket, and what it answers."""

from __future__ import annotations

from typing import Literal, TypedDict

# read: files and folders, also to execute. list: names in a folder, not contents.
# write: everything below. device: read and write. terminal: and control. sockets: make sockets,
# nothing else.
Access = Literal["read", "list", "write", "device", "terminal", "sockets"]


class Lockdown(TypedDict):
    """What a process gives up before it runs anything untrusted.

    user: the uid and gid to become, or None to stay. reads_as_root: that user may pass through
    folders that are root's, and read; only where Landlock then says what. limits: by name of the
    constant in ``resource``. rules: what Landlock grants. landlock: whether to go on without it
    is an error. filter: a seccomp program, in base64.
    """

    user: int | None
    reads_as_root: bool
    limits: dict[str, int]
    rules: list[tuple[Access, str]]
    landlock: bool
    filter: str


class Order(TypedDict):
    """One process to start.

    namespaces_of: pid of the process whose namespaces to join, or None.
    join_user_namespace: whether its user namespace too.
    code: what to run. None: a kernel, with ``connection`` (the content of its connection file).
    """

    namespaces_of: int | None
    join_user_namespace: bool
    lockdown: Lockdown | None
    environment: dict[str, str]
    folder: str
    threads: int
    code: str | None
    connection: str


class Started(TypedDict):
    """The warden's first answer: pids as the caller sees them."""

    pid: int
    warden: int


class Ended(TypedDict):
    """The warden's last answer: exit code, negative for a signal; seconds of CPU time."""

    code: int
    cpu_seconds: float
