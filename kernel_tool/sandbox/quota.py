"""How much of the machine a kernel may use."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Quota:
    """Bounds of one kernel with all processes that it starts.

    memory: bytes in use by all of them together, shared pages counted once.
    address_space: virtual bytes of one process; PyTorch on a CPU takes up to 2.6 GB.
    processes: threads count as well. files: open at a time, by one process. open_files: by all.
    file_size: bytes of one file. workspace: bytes of all files in the workspace, and of those
    that were removed and are still open. workspace_files: how many files there may be, and in
    memory. scratch: bytes of each other folder that the kernel may write to (home, /tmp,
    /dev/shm). lifetime: seconds of wall time.
    """

    memory: int = 4096 * MIB
    address_space: int = 16384 * MIB
    processes: int = 256
    files: int = 1024
    open_files: int = 4096
    file_size: int = 512 * MIB
    workspace: int = 1024 * MIB
    workspace_files: int = 20_000
    scratch: int = 256 * MIB
    lifetime: float = 6 * 3600.0

    def rlimits(self, processes_before: int = 0) -> dict[str, int]:
        """Limits for ``setrlimit``. ``processes_before``: the user's own, where they count too."""
        return {
            "RLIMIT_AS": self.address_space,
            "RLIMIT_NPROC": self.processes + processes_before,
            "RLIMIT_NOFILE": self.files,
            "RLIMIT_FSIZE": self.file_size,
            "RLIMIT_CORE": 0,
            "RLIMIT_MEMLOCK": 64 << 10,
            "RLIMIT_MSGQUEUE": 0,
        }
