"""Giving up, in this process and for good, what untrusted code must not have."""

from __future__ import annotations

import base64
import contextlib
import ctypes
import os
import resource
from pathlib import Path

from landlockpy import AccessFS, Ruleset, Scope, abi_version, fs_for_abi

from kernel_tool.boot.orders import Access, Lockdown

_PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 4, 8, 22, 24
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 38, 47, 2
_CAP_DAC_READ_SEARCH = 2
_SECCOMP_MODE_FILTER = 2
_CLONE_NEWUSER = 0x10000000
_CAPABILITY_VERSION_3 = 0x20080522
# Below it, signals and abstract sockets reach processes outside.
SCOPED_ABI = 6

_FILE = (
    AccessFS.EXECUTE
    | AccessFS.READ_FILE
    | AccessFS.WRITE_FILE
    | AccessFS.TRUNCATE
    | AccessFS.IOCTL_DEV
)
_NO_DEVICES = ~(AccessFS.MAKE_CHAR | AccessFS.MAKE_BLOCK | AccessFS.IOCTL_DEV)
_ACCESS: dict[Access, AccessFS] = {
    "read": AccessFS.READ_FILE | AccessFS.READ_DIR | AccessFS.EXECUTE,
    "list": AccessFS.READ_DIR,
    "write": fs_for_abi(99) & _NO_DEVICES,
    "device": AccessFS.READ_FILE | AccessFS.WRITE_FILE,
    "terminal": AccessFS.READ_FILE | AccessFS.WRITE_FILE | AccessFS.IOCTL_DEV | AccessFS.READ_DIR,
    "sockets": AccessFS.MAKE_SOCK,
}

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def apply(order: Lockdown) -> None:
    """Apply all of it. Raises OSError where a part is refused; then nothing untrusted may run."""
    kept = (_CAP_DAC_READ_SEARCH,) if order["reads_as_root"] else ()
    for name, value in order["limits"].items():
        _limit(getattr(resource, name), value)
    _drop_from_bounds(kept)
    if order["user"] is not None:
        _become(order["user"], bool(kept))
    _drop_from_bounds(kept)  # again, of a user namespace's own
    _keep_only(kept)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _restrict(order["rules"], order["landlock"])
    _filter(base64.b64decode(order["filter"]))


def _become(user: int, keep_capabilities: bool) -> None:
    os.setgroups([])
    os.setresgid(user, user, user)
    _prctl(_PR_SET_KEEPCAPS, int(keep_capabilities))
    os.setresuid(user, user, user)
    # Dumpable again, or the process may not read its own folder in /proc.
    _prctl(_PR_SET_DUMPABLE, 1)
    # In a user namespace of its own it counts its processes alone; elsewhere it is only the user.
    if not keep_capabilities and _libc.unshare(_CLONE_NEWUSER) == 0:
        Path("/proc/self/setgroups").write_text("deny")
        for kind in ("uid", "gid"):
            Path(f"/proc/self/{kind}_map").write_text(f"{user} {user} 1")


def _drop_from_bounds(kept: tuple[int, ...]) -> None:
    for capability in range(64):
        if capability not in kept:
            _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


def _keep_only(kept: tuple[int, ...]) -> None:
    """Of all capabilities, also for what this process executes."""
    mask = sum(1 << capability for capability in kept)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    _checked(_libc.capset(header, sets), "capset")
    for capability in kept:
        _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0)


def _limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def _restrict(rules: list[tuple[Access, str]], required: bool) -> None:
    """Allow what the rules name and nothing else: no file, no port, no process outside."""
    if abi_version() < (SCOPED_ABI if required else 1):
        if required:
            raise OSError(f"Landlock ABI {SCOPED_ABI} is needed; this kernel has {abi_version()}")
        return
    with Ruleset(scoped=Scope.ABSTRACT_UNIX_SOCKET | Scope.SIGNAL) as ruleset:
        for access, name in rules:
            path = Path(name)
            rights = _ACCESS[access] if path.is_dir() else _ACCESS[access] & _FILE
            with contextlib.suppress(FileNotFoundError):
                ruleset.allow_path(path, rights)
        ruleset.restrict()


def _filter(program: bytes) -> None:
    buffer = ctypes.create_string_buffer(program, len(program))
    described = _Program(len(program) // 8, ctypes.addressof(buffer))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(described))


def _prctl(option: int, value: int, pointer: int = 0) -> None:
    long = ctypes.c_ulong
    _checked(_libc.prctl(option, long(value), long(pointer), long(0), long(0)), f"prctl {option}")


def _checked(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
