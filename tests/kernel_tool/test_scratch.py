"""Temporary folders go with the process that made them, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.kernel_tool.test_launch import soon

ROOT = Path(__file__).parents[2]
# Killed when what makes the folder has started and cannot have told of it yet.
AT_ONCE = """
import os, signal, subprocess
from kernel_tool.scratch import scratch_folder

class Last(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

subprocess.Popen = Last
scratch_folder("one-")
"""
# Killed with another process at work that fills the folder for three more seconds.
WHILE_WRITING = """
import os, signal, subprocess, sys
from kernel_tool.scratch import scratch_folder

folder = scratch_folder("one-")
WRITER = (
    "import os, sys, time\\n"
    "for number in range(60):\\n"
    "    os.makedirs(sys.argv[1], exist_ok=True)\\n"
    "    open(f'{sys.argv[1]}/{number}', 'w').close()\\n"
    "    time.sleep(0.05)\\n"
)
subprocess.Popen([sys.executable, "-c", WRITER, folder], start_new_session=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("code", [AT_ONCE, WHILE_WRITING], ids=["at once", "while writing"])
def test_a_killed_process_leaves_no_folder(code):
    # A short name: sockets lie in these folders, so that a long one would not be used.
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as name:
        killed = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": name},
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL
        time.sleep(1)  # what makes the folder may not have come to it yet
        assert soon(lambda: not any(Path(name).iterdir()), 60)
