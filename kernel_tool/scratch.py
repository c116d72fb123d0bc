"""Temporary folders that are gone when this process is, however it ends."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

# A socket's path may have some 100 characters; a long TMPDIR would leave no room.
_LONGEST_PARENT = 50
# Waits until this process has ended, then removes the folder. Repeats, since processes that are
# just dying may still write.
_JANITOR = (
    'read -r _; for i in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$1"; [ -e "$1" ] || exit 0; '
    "sleep 0.2; done"
)


def scratch_folder(prefix: str) -> Path:
    """A new, empty folder, only for this user. Whoever made it removes it; a killed process's
    folders are removed all the same."""
    return Path(tempfile.mkdtemp(prefix=prefix, dir=_root(os.getpid(), tempfile.gettempdir())))


@cache
def _root(process: int, parent: str) -> Path:  # noqa: ARG001
    """The one folder that holds all of a process's; not shared with a fork of it."""
    root = Path(
        tempfile.mkdtemp(prefix="sb-", dir=parent if len(parent) <= _LONGEST_PARENT else "/tmp")
    )
    root.chmod(0o711)  # another user who owns a folder in it may enter, and can't list it
    janitor = subprocess.Popen(
        ["/bin/sh", "-c", _JANITOR, "sh", str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    atexit.register(_tidy, root, janitor)
    return root


def _tidy(root: Path, janitor: subprocess.Popen[bytes]) -> None:
    shutil.rmtree(root, ignore_errors=True)
    assert janitor.stdin is not None
    janitor.stdin.close()
    janitor.wait()
