"""What a kernel can see of this machine: the system's libraries and Python, read-only."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_FILES = (
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/mime.types",
)
_HERE = Path(__file__).resolve().parents[2]
_ASK = (
    "import json, site, sys; print(json.dumps("
    "[sys.prefix, sys.base_prefix, sys.exec_prefix, *site.getsitepackages()]))"
)


@dataclass(frozen=True)
class Visible:
    """system: top folders, or symbolic links to such. files: single ones beside them.
    python: the interpreter's folders. hidden: ours, which may lie within the others.
    """

    system: tuple[Path, ...]
    files: tuple[Path, ...]
    python: tuple[Path, ...]
    hidden: tuple[Path, ...]

    @property
    def readable(self) -> tuple[Path, ...]:
        """All that may be read, less what is hidden."""
        return (*self.system, *self.files, *self.python)

    def hidden_in(self, folder: Path) -> bool:
        """Whether something that must stay hidden is in a folder."""
        real = folder.resolve()
        return any(path.is_relative_to(real) for path in self.hidden)


class PythonError(RuntimeError):
    """The interpreter that kernels are to run does not run."""


@cache
def visible(python: str) -> Visible:
    """What a kernel of an interpreter sees. Raises PythonError where there is none."""
    return Visible(
        tuple(path for path in map(Path, _SYSTEM) if path.exists()),
        tuple(path for path in map(Path, _FILES) if path.exists()),
        _folders_of(python),
        tuple(_ours()),
    )


def _folders_of(python: str) -> tuple[Path, ...]:
    try:
        asked = subprocess.run(
            [python, "-P", "-s", "-c", _ASK], capture_output=True, text=True, timeout=60, check=True
        )
        folders = {Path(name) for name in json.loads(asked.stdout)}
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise PythonError(f"{python} does not run: {error}") from None
    folders |= {folder.resolve() for folder in folders}
    return tuple(sorted(folder for folder in folders if _needed(folder, folders)))


def _needed(folder: Path, folders: set[Path]) -> bool:
    """A folder that exists and is in no other of them, nor part of the system."""
    within = [*folders - {folder}, *map(Path, _SYSTEM)]
    return folder.is_dir() and not any(folder.is_relative_to(other) for other in within)


def _ours() -> Iterator[Path]:
    """The task's and the grader's sources: the whole checkout, or packages that were installed."""
    if (_HERE / "pyproject.toml").is_file():
        yield _HERE
    for name in ("task_spec", "grader", "kernel_tool"):
        if (_HERE / name).is_dir():
            yield _HERE / name
