"""How a kernel process is launched: its command and its environment."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

# The debugger costs 130 modules and its own threads, and nobody attaches one.
# A crash report goes to the process's own standard error, which ipykernel later replaces.
_START = (
    "import faulthandler, os, sys; sys.modules['debugpy'] = None\n"
    "faulthandler.enable(os.dup(2))\n"
    "from ipykernel.kernelapp import launch_new_instance\n"
    "launch_new_instance()"
)


@dataclass(frozen=True)
class Launcher:
    """Launches an IPython kernel as an ordinary process of this user.

    The environment is built from nothing, so no key or setting of the caller reaches the
    kernel. Files are not protected: the process may read and write what its user may.

    threads: how many threads the numeric libraries use in the kernel.
    """

    python: str = sys.executable
    threads: int = 1

    @property
    def confined(self) -> bool:
        """Whether the kernel is kept from files, processes and networks outside its workspace."""
        return False

    def command(self, workspace: Path, private: Path) -> list[str]:  # noqa: ARG002
        """The argv of a kernel; ``{connection_file}`` in it is filled in by jupyter_client.

        workspace: where the kernel runs. private: the folder of its sockets and its home.
        """
        # -I: neither the working folder nor PYTHON* variables nor the user's site-packages
        # can shadow a module, so a torch.py in the workspace is never imported.
        interpreter = [self.python, "-I", "-c", _START]
        return [*interpreter, "-f", "{connection_file}", "--HistoryManager.hist_file=:memory:"]

    def environment(self, home: Path) -> dict[str, str]:
        """All the environment variables a kernel gets; ``home`` is its own, empty folder."""
        threads = str(self.threads)
        return {
            "PATH": f"{Path(self.python).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "TMPDIR": str(home / "tmp"),
            "IPYTHONDIR": str(home / "ipython"),
            "MPLCONFIGDIR": str(home / "matplotlib"),
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
        }
