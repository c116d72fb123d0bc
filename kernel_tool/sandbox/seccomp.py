"""The system calls that a kernel may not make, as a seccomp program.

Denied is what a notebook never needs and a way out needs: other processes' memory, mounts,
namespaces, the kernel's own interfaces, memory that no limit counts, and every socket but local
streams. Numbers come from the package ``system-calls``, which follows the kernel's tables.
"""

from __future__ import annotations

import errno
import platform
import struct
from dataclasses import dataclass
from functools import cache

from system_calls import NoSuchSystemCall, NotSupportedSystemCall, syscalls

# (name in the tables, AUDIT_ARCH of linux/audit.h)
_ARCHITECTURES = {"x86_64": ("x86_64", 0xC000003E), "aarch64": ("arm64", 0xC00000B7)}

_DENIED = (
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "kcmp",
    "pidfd_getfd",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "move_mount",
    "open_tree",
    "open_tree_attr",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "setns",
    "unshare",
    "name_to_handle_at",
    "open_by_handle_at",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "keyctl",
    "add_key",
    "request_key",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "reboot",
    "swapon",
    "swapoff",
    "acct",
    "settimeofday",
    "clock_settime",
    "clock_settime64",
    "clock_adjtime",
    "adjtimex",
    "quotactl",
    "quotactl_fd",
    "nfsservctl",
    "lookup_dcookie",
    "syslog",
    "uselib",
    "ustat",
    "sysfs",
    "_sysctl",
    "vhangup",
    "iopl",
    "ioperm",
    "modify_ldt",
    "personality",
    "fanotify_init",
    "sethostname",
    "setdomainname",
    "memfd_create",
    "memfd_secret",
    "shmget",
    "msgget",
    "semget",
    "mq_open",
    "io_setup",
    "process_mrelease",
    "statmount",
    "listmount",
    "fanotify_mark",
    "remap_file_pages",
    "file_setattr",
    "migrate_pages",
    "move_pages",
)

# Namespaces of clone(2): mount, cgroup, uts, ipc, user, pid, net.
_NAMESPACES = 0x7E020000
_AF_UNIX, _SOCK_STREAM, _SOCK_TYPE = 1, 1, 0xF
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_X32 = 0x40000000
_SET_ID = 0o6000
_CREATES = 0o100 | 0o20000000  # O_CREAT, and O_TMPFILE without the bits it shares
_MAP_SHARED_ANONYMOUS = 0x21
_IOPRIO_WHO_PROCESS = 1

# Fields of struct seccomp_data; the low half of an argument comes first on both architectures.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
# BPF operations (linux/bpf_common.h) and what a filter returns (linux/seccomp.h).
_LOAD, _AND, _EQUAL, _ANY, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x45, 0x35, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


class UnknownArchitectureError(RuntimeError):
    """There is no filter for this machine."""


@dataclass(frozen=True)
class _Step:
    """One instruction; ``then`` and ``otherwise`` count the instructions to skip."""

    operation: int
    value: int
    then: int = 0
    otherwise: int = 0

    def packed(self) -> bytes:
        return struct.pack("HBBI", self.operation, self.then, self.otherwise, self.value)


def _argument(number: int) -> _Step:
    return _Step(_LOAD, _ARGUMENTS + 8 * number)


def _fail(code: int) -> _Step:
    return _Step(_RETURN, _ERRNO | code)


_ALLOWED = _Step(_RETURN, _ALLOW)
_REFUSED = _fail(errno.EPERM)


def _own(*arguments: int, refused: _Step = _REFUSED) -> list[_Step]:
    """Allowed if these arguments are 0: the process itself."""
    checks: list[_Step] = []
    for number in arguments:
        checks += [_argument(number), _Step(_EQUAL, 0, then=1), refused]
    return [*checks, _ALLOWED]


def _plain_mode(number: int) -> list[_Step]:
    """Allowed if a file's mode has neither of the bits that give its user's rights to others."""
    return [_argument(number), _Step(_ANY, _SET_ID, otherwise=1), _REFUSED, _ALLOWED]


def _created_plainly(flags: int, mode: int) -> list[_Step]:
    """The same, where the mode only counts if the flags say that a file is made."""
    return [_argument(flags), _Step(_ANY, _CREATES, then=1), _ALLOWED, *_plain_mode(mode)]


def _local_stream() -> list[_Step]:
    # EPERM would make libzmq abort; this is what a machine without the protocol answers.
    return [
        _argument(0),
        _Step(_EQUAL, _AF_UNIX, otherwise=3),
        _argument(1),
        _Step(_AND, _SOCK_TYPE),
        _Step(_EQUAL, _SOCK_STREAM, then=1),
        _fail(errno.EOPNOTSUPP),
        _ALLOWED,
    ]


_RULES = {
    # The C library falls back to clone, and openat, whose flags a filter can read.
    "clone3": [_fail(errno.ENOSYS)],
    "openat2": [_fail(errno.ENOSYS)],
    "clone": [_argument(0), _Step(_ANY, _NAMESPACES, otherwise=1), _REFUSED, _ALLOWED],
    "socket": _local_stream(),
    "socketpair": _local_stream(),
    # Memory that is in no process's count once it is unmapped in part.
    "mmap": [
        _argument(3),
        _Step(_AND, _MAP_SHARED_ANONYMOUS),
        _Step(_EQUAL, _MAP_SHARED_ANONYMOUS, otherwise=1),
        _REFUSED,
        _ALLOWED,
    ],
    "ioctl": [
        _argument(1),
        _Step(_EQUAL, _TIOCSTI, then=1),
        _Step(_EQUAL, _TIOCLINUX, otherwise=1),
        _REFUSED,
        _ALLOWED,
    ],
    "chmod": _plain_mode(1),
    "fchmod": _plain_mode(1),
    "fchmodat": _plain_mode(2),
    "fchmodat2": _plain_mode(2),
    "creat": _plain_mode(1),
    "mknod": _plain_mode(1),
    "mknodat": _plain_mode(2),
    "open": _created_plainly(1, 2),
    "openat": _created_plainly(2, 3),
}


# What only namespaces make harmless: local sockets of others, and limits and priorities of other
# processes, for which no other layer asks more than one's own uid.
_WITHOUT_NAMESPACES = {
    "connect": [_fail(errno.EACCES)],
    "prlimit64": _own(0),
    "setpriority": _own(0, 1),
    "ioprio_set": [_argument(0), _Step(_EQUAL, _IOPRIO_WHO_PROCESS, then=1), _REFUSED, *_own(1)],
    "sched_setaffinity": _own(0),
    "sched_setattr": _own(0),
    # Not done, and not refused either: libzmq asks it for its threads, and aborts if it fails.
    "sched_setparam": _own(0, refused=_fail(0)),
    "sched_setscheduler": _own(0, refused=_fail(0)),
}


@cache
def program(namespaces: bool, machine: str = platform.machine()) -> bytes:
    """The filter for a machine; a narrower one where ``namespaces`` don't keep others out of reach.

    Raises UnknownArchitectureError.
    """
    if machine not in _ARCHITECTURES:
        raise UnknownArchitectureError(f"no seccomp filter for the architecture {machine!r}")
    table, audit = _ARCHITECTURES[machine]
    steps = [
        _Step(_LOAD, _ARCHITECTURE),
        _Step(_EQUAL, audit, then=1),
        _Step(_RETURN, _KILL),
        _Step(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        steps += [_Step(_AT_LEAST, _X32, otherwise=1), _fail(errno.ENOSYS)]
    rules: dict[str, list[_Step]] = {name: [_fail(errno.EPERM)] for name in _DENIED}
    rules |= _RULES
    if not namespaces:
        rules |= _WITHOUT_NAMESPACES
    for name, body in rules.items():
        number = _number(name, table)
        if number is not None:
            steps += [_Step(_EQUAL, number, otherwise=len(body)), *body]
    return b"".join(step.packed() for step in [*steps, _ALLOWED])


def _number(name: str, table: str) -> int | None:
    try:
        return int(syscalls().get(name, table))
    except (NoSuchSystemCall, NotSupportedSystemCall):
        return None  # this architecture never had it
