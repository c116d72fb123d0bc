"""Becoming a kernel, in a process that has just been forked."""

from __future__ import annotations

import gc
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Any, ClassVar

# Imported before the fork, so that each kernel has them at once. Some are imported by the
# libraries only when first needed: the first optimizer step imports torch._dynamo, which costs
# about as much as torch. No backend of matplotlib's that hooks into a shell: there is none yet.
PRELOADED = (
    "torch",
    "torch._dynamo",
    "torch.optim",
    "torch.utils.data",
    "numpy",
    "pandas",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_agg",
    "matplotlib.font_manager",
    "PIL.PngImagePlugin",
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "IPython.core.completer",
    "IPython.core.historyapp",
    "zmq.asyncio",
    "sqlite3",
)


# Names of modules that a kernel is not to find.
own_modules: list[str] = []


def remember_own_modules() -> None:
    """To be called while there are few: to look at thousands of names copies their pages."""
    ours = ("kernel_tool", "landlockpy")
    own_modules.extend(name for name in sys.modules if name.partition(".")[0] in ours)


def settle(environment: dict[str, str], folder: str, threads: int) -> None:
    """Make the process one of its own: environment, working folder, random numbers, threads."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    os.umask(0o022)
    for name in own_modules:
        sys.modules.pop(name, None)
    tempfile.tempdir = None  # it may have been asked for, and remembers
    random.seed()
    if "numpy" in sys.modules:
        # Not `seed()`: scipy warns of a generator that the user seems to have seeded.
        numpy_random = sys.modules["numpy"].random
        numpy_random.set_bit_generator(numpy_random.MT19937())
    if "torch" in sys.modules:
        sys.modules["torch"].seed()
        sys.modules["torch"].set_num_threads(threads)
    if "matplotlib" in sys.modules:
        _forget_folders(sys.modules["matplotlib"])
    gc.enable()


def _forget_folders(matplotlib: Any) -> None:
    """matplotlib remembers where the server's settings were, each in a function's closure."""
    for function in (matplotlib.get_configdir, matplotlib.get_cachedir):
        for name, cell in zip(function.__code__.co_freevars, function.__closure__, strict=True):
            if name == "called":
                cell.cell_contents = False


def serve(connection: str) -> None:
    """Run an IPython kernel on the sockets that ``connection`` describes, to its end."""
    # The debugger costs 130 modules and its own threads, and nobody attaches one.
    sys.modules["debugpy"] = None  # type: ignore[assignment]
    # A crash report goes to the process's own standard error, which ipykernel later replaces.
    import faulthandler

    faulthandler.enable(os.dup(2))
    file = Path(os.environ["HOME"], "connection.json")
    file.touch(mode=0o600)
    file.write_text(connection)
    from ipykernel import ipkernel
    from ipykernel.kernelapp import launch_new_instance

    # It lists the files of all modules, for the debugger that there is not.
    vars(ipkernel)["sys"] = _WithoutModules()
    sys.argv = ["kernel"]
    launch_new_instance(["-f", str(file), "--HistoryManager.hist_file=:memory:"])


class _WithoutModules:
    """``sys`` as a module sees it that is to find no others."""

    modules: ClassVar[dict[str, Any]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)
