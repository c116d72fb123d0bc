"""Temporary folders that are gone when this process is, however it ends."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

# A socket's path may have some 100 characters; a long TMPDIR would leave no room.
_LONGEST_PARENT = 50
# Makes the folder, waits until this process has ended (which may be before it could be told of the
# folder), then removes it: until it has stayed away for a while, since processes that are just
# dying may still write.
_JANITOR = """
folder=$(mktemp -d "$1/sb-XXXXXXXX") || exit
trap '' PIPE
echo "$folder" && read -r _
away=0
for _ in $(seq 120); do
    if [ -e "$folder" ]; then away=0; chmod -R u+rwx "$folder"; rm -rf -- "$folder"
    else away=$((away + 1)); fi
    [ $away -lt 10 ] || exit
    sleep 0.5
done 2>/dev/null
"""


def scratch_folder(prefix: str) -> Path:
    """A new, empty folder, only for this user. Whoever made it removes it; a killed process's
    folders are removed all the same."""
    return Path(tempfile.mkdtemp(prefix=prefix, dir=_root(os.getpid(), tempfile.gettempdir())))


def remove(folder: Path) -> None:
    """Remove a folder that untrusted code has filled: however deep, and though it can't be read."""
    with suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if os.path.lexists(folder):
        for command in (["chmod", "-R", "u+rwx"], ["rm", "-rf", "--"]):
            subprocess.run([*command, folder], check=False, stderr=subprocess.DEVNULL)


@cache
def _root(process: int, parent: str) -> Path:  # noqa: ARG001
    """The one folder that holds all of a process's; not shared with a fork of it."""
    janitor = subprocess.Popen(
        ["/bin/sh", "-c", _JANITOR, "sh", parent if len(parent) <= _LONGEST_PARENT else "/tmp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert janitor.stdout is not None
    with janitor.stdout as told:
        root = Path(os.fsdecode(told.readline()).strip())
    if root == Path():
        raise OSError(
            f"no folder can be made in {parent}: set TMPDIR to one that can be written to"
        )
    if os.geteuid() == 0:
        # The users that root's kernels become own folders in it: they may enter, and not list it.
        root.chmod(0o711)
    atexit.register(_tidy, root, janitor)
    return root


def _tidy(root: Path, janitor: subprocess.Popen[bytes]) -> None:
    remove(root)
    janitor.kill()
    janitor.wait()
