"""The environment variables of a kernel: built from nothing, so none of the caller's is in it."""

from __future__ import annotations

from pathlib import Path


def environment(python: str, threads: int, home: Path, temporary: Path) -> dict[str, str]:
    """All the variables. home, temporary: folders that the kernel may write to."""
    return {
        "PATH": f"{Path(python).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "USER": "solver",
        "LOGNAME": "solver",
        "TMPDIR": str(temporary),
        "IPYTHONDIR": str(home / "ipython"),
        "MPLCONFIGDIR": str(home / "matplotlib"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        # Or glibc gives memory back to the system between two steps of a training, and asks for
        # it again: up to a fifth of the CPU time, and another share in each run.
        "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
        "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
        # Forked kernels share one seed; so all have the same, and sets the same order.
        "PYTHONHASHSEED": "0",
    }
