"""Reading what a kernel wrote: regular files only, size-capped, parsed as data."""

from __future__ import annotations

import io
import json
import os
import stat
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from kernel_tool.files import opened
from task_spec.inside import EVIDENCE

MAX_BYTES = 50_000_000
# What code raises that reads claims of an unexpected shape.
MALFORMED = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


class EvidenceError(ValueError):
    """The kernel left no evidence, or something else in its place."""


def read_evidence(workspace: Path) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """(claims, arrays) of a finished run. EvidenceError if they are missing or malformed."""
    try:
        with opened(workspace / EVIDENCE) as folder:
            claims = json.loads(_read(folder, "claims.json"))
            arrays = _arrays(_read(folder, "arrays.npz"))
    except OSError as error:
        raise EvidenceError(f"the run left no folder {EVIDENCE}: {error.strerror}") from None
    except EvidenceError:
        raise
    except Exception as error:
        # Whatever breaks a parser here was written by the submission's kernel.
        raise EvidenceError(f"the evidence of the run can't be read: {error!r}"[:300]) from None
    if not isinstance(claims, dict) or any(a.dtype.kind not in "biuf" for a in arrays.values()):
        raise EvidenceError("the evidence of the run is not an object with numeric arrays")
    return claims, arrays


def _arrays(packed: bytes) -> dict[str, np.ndarray[Any, Any]]:
    # Packed, zeros take a thousandth of their room: what comes out is bounded, too.
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
            raise EvidenceError(f"arrays.npz unpacks to more than {MAX_BYTES} bytes")
    with np.load(io.BytesIO(packed), allow_pickle=False) as file:
        return {name: np.asarray(file[name]) for name in file.files}


def _read(folder: int, name: str) -> bytes:
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError as error:
        raise EvidenceError(f"the run left no {name}: {error.strerror}") from None
    with os.fdopen(handle, "rb") as file:
        info = os.fstat(handle)
        if not stat.S_ISREG(info.st_mode) or info.st_size > MAX_BYTES:
            raise EvidenceError(f"{name} is no regular file of at most {MAX_BYTES} bytes")
        return file.read(MAX_BYTES)
