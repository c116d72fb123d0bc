"""How much a kernel has written to disk, and making room again."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from kernel_tool.scratch import remove


def measure(folders: Sequence[Path], most_files: int, most_bytes: int) -> tuple[int, int]:
    """(files, bytes on disk) in folders at any depth; counting ends beyond what is allowed.

    Raises OSError where something can't be looked into: a folder that was closed on purpose, or
    that lies deeper than a path can say.
    """
    count = size = 0
    for _, info in _entries(folders):
        count, size = count + 1, size + _bytes(info)
        if count > most_files or size > most_bytes:
            break
    return count, size


def make_room(folders: Sequence[Path], most_files: int, most_bytes: int) -> None:
    """Where folders hold more than is allowed, remove the newest files until half of it is free.

    The age is that of the last change as the file system counts it, which code can't set back.
    What can't be looked into is removed. Not while a kernel runs in them.
    """
    found = []
    for folder in folders:
        for entry in list(folder.iterdir()):
            try:
                found += list(_entries([entry])) if entry.is_dir() else []
                found.append((entry, entry.lstat()))
            except OSError:
                remove(entry)
    count, size = len(found), sum(_bytes(info) for _, info in found)
    if count <= most_files and size <= most_bytes:
        return
    for path, info in sorted(found, key=_newest_and_deepest):
        if count <= most_files // 2 and size <= most_bytes // 2:
            return
        with suppress(OSError):  # a folder that is not empty stays
            path.rmdir() if stat.S_ISDIR(info.st_mode) else path.unlink()
            count, size = count - 1, size - _bytes(info)


def _newest_and_deepest(entry: tuple[Path, os.stat_result]) -> tuple[bool, int]:
    """Files before folders; new files before old ones, folders before those that hold them."""
    path, info = entry
    folder = stat.S_ISDIR(info.st_mode)
    return folder, -len(path.parts) if folder else -info.st_ctime_ns


def _bytes(info: os.stat_result) -> int:
    return info.st_blocks * 512


def _entries(folders: Sequence[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    """What is in folders, at any depth. Links are not followed. Raises OSError."""
    waiting = list(folders)
    while waiting:
        with suppress(FileNotFoundError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # it has gone meanwhile
                    info = entry.stat(follow_symlinks=False)
                    yield Path(entry.path), info
                    if stat.S_ISDIR(info.st_mode):
                        waiting.append(Path(entry.path))
