"""Writing into a folder that untrusted code can also write to."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    """A descriptor of a folder, for ``dir_fd``. Raises OSError, also if it is a link to one."""
    # O_NOFOLLOW: the folder may have been replaced by a link that leads elsewhere.
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield handle
    finally:
        os.close(handle)


def write_inside(folder: Path, name: str, text: str) -> Path:
    """Write ``text`` as UTF-8 to ``folder/name`` in one step, and return that path.

    The kernel can put a symbolic link at any name in its workspace, so the text goes to a new
    file of an unguessable name, which then replaces whatever stands at ``name``.
    The folder is made if it is missing. Raises OSError.
    """
    if not folder.exists():
        folder.mkdir(mode=0o755)
    temporary = f".{secrets.token_hex(8)}"
    with opened(folder) as handle:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        file = os.open(temporary, flags, 0o644, dir_fd=handle)
        try:
            with os.fdopen(file, "w", encoding="utf-8", errors="replace") as stream:
                stream.write(text)
            os.replace(temporary, name, src_dir_fd=handle, dst_dir_fd=handle)
        except OSError:
            os.unlink(temporary, dir_fd=handle)
            raise
    return folder / name
