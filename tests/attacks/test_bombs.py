"""Using up the machine, flooding the grader, dying in every way, refusing to die."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time

import psutil
import pytest

from kernel_tool.execution import OutputCaps
from kernel_tool.kernel import Kernel
from kernel_tool.launch import Launcher
from kernel_tool.outputs import output_text
from kernel_tool.sandbox.quota import MIB
from kernel_tool.sandbox.tier import Tier
from tests.attacks.conftest import assert_works, executed, some, with_quota
from tests.tiers import available

# Bombs with an end of their own: a protection that fails must not take this machine down.
FORKS = """
import os, time
if os.fork() == 0:  # in a child: copies of the kernel would answer in its place
    for _ in range(8):
        try: os.fork()
        except OSError: pass
    time.sleep(4)
    os._exit(0)
time.sleep(4)
"""
ORPHANS = """
import os, time
if os.fork() == 0:
    os.setsid()
    made = 0
    try:
        while made < 100:
            if os.fork() == 0: time.sleep(6); os._exit(0)
            made += 1
    finally:
        open('made', 'w').write(str(made))
        os._exit(0)
os.wait()
time.sleep(0.5)
print(open('made').read())
"""
HOPS = """
import os, time
end = time.monotonic() + 20
for _ in range(4):
    if os.fork() == 0:
        os.setsid()
        while time.monotonic() < end:
            if os.fork(): os._exit(0)
        os._exit(0)
"""
EAT = "x = bytearray({0} << 20); x[::4096] = b'1' * len(x[::4096])"
MEMORY = {
    "one process": EAT.format(700),
    "many processes": (
        f"for _ in range(6):\n    if os.fork() == 0: {EAT.format(150)}; time.sleep(20)"
    ),
    "shared and anonymous": (
        "import mmap\nx = mmap.mmap(-1, 700 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1"
    ),
    "a daemon": (
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        f"        {EAT.format(700)}; time.sleep(20)\n    os._exit(0)"
    ),
}
UNCOUNTED = {
    "memfd_create": "os.memfd_create('x')",
    "SysV shared memory": "assert ctypes.CDLL(None).shmget(0, 1 << 20, 0o1600) >= 0",
    "SysV messages": "assert ctypes.CDLL(None).msgget(0, 0o1600) >= 0",
    "POSIX messages": "assert ctypes.CDLL(None).mq_open(b'/x', 0o102, 0o600, None) >= 0",
    "locked memory": "assert ctypes.CDLL(None).mlockall(3) == 0",
    "more than the address space": "bytearray(17 << 30)",
}


def few(launcher: Launcher, **quota) -> Launcher:
    return with_quota(launcher, **{"processes": 64, "memory": 500 * MIB, **quota})


def mark() -> str:
    return f"2000.{secrets.randbelow(10**9):09}"


def sleeping(name: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if name in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def family() -> int:
    return len(psutil.Process().children(recursive=True))


async def settled(before: int, patience: float = 30) -> bool:
    """Whether no more processes than before descend from this one, soon."""
    deadline = time.monotonic() + patience
    while family() > before and time.monotonic() < deadline:  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.1)
    return family() <= before


async def test_a_fork_bomb_is_stopped_and_cleared_away(launcher):
    await executed(launcher, "1")  # with it comes the fork server, which stays
    before = family()
    execution = await executed(few(launcher), FORKS)
    # Counted at once, or refused by the limit before there were too many.
    assert execution.status == "ok" or "64 are allowed" in execution.note, execution
    assert await settled(before)


async def test_orphans_count_as_processes(launcher):
    await executed(launcher, "1")
    before = family()
    execution = await executed(few(launcher), ORPHANS)
    assert await settled(before)
    killed = execution.status == "died" and "64 are allowed" in execution.note
    assert killed or int(output_text(execution.outputs)) <= 64, execution


async def test_processes_that_hop_on_are_caught(launcher):
    await executed(launcher, "1")
    before = family()
    began = time.monotonic()
    await executed(few(launcher), HOPS)
    assert await settled(before) and time.monotonic() - began < 15


async def test_a_thread_bomb_is_stopped(launcher):
    code = (
        "import threading, time\nfor _ in range(150):\n"
        "    threading.Thread(target=time.sleep, args=[3], daemon=True).start()"
    )
    execution = await executed(few(launcher), code)
    assert "can't start new thread" in output_text(execution.outputs) or execution.status == "died"


@pytest.mark.parametrize("way", MEMORY)
async def test_a_memory_bomb_ends_the_kernel(launcher, way):
    code = f"import os, time\n{MEMORY[way]}\ntime.sleep(8)"
    execution = await executed(few(launcher), code)
    if way == "shared and anonymous" and execution.status == "error":
        assert "PermissionError" in output_text(execution.outputs)  # there is no such memory
    else:
        assert execution.status == "died" and "MiB of memory, 500 are allowed" in execution.note


@pytest.mark.parametrize("way", UNCOUNTED)
async def test_memory_that_no_limit_counts_is_refused(launcher, way):
    execution = await executed(launcher, f"import ctypes, os\n{UNCOUNTED[way]}")
    assert execution.status == "error", execution


# --- output

FLOODS = {
    "prints": "while True: print('x' * 1000)",
    "displays": "while True: display({'text/plain': 'x' * 10_000}, raw=True)",
    "pictures": "while True: display({'image/png': 'A' * 1_000_000}, raw=True)",
    "updates": "h = display('x', display_id=True)\nwhile True: h.update('x' * 10_000)",
    "standard output by its number": "import os\nwhile True: os.write(1, b'x' * 10_000)",
    "standard error by its number": "import os\nwhile True: os.write(2, b'x' * 10_000)",
    "clearing": (
        "from IPython.display import clear_output\nwhile True: print('x' * 10_000); clear_output()"
    ),
}


@pytest.mark.parametrize(
    "flood", some(FLOODS, "prints", "displays", "standard error by its number")
)
async def test_a_flood_is_cut_off(launcher, flood):
    caps = OutputCaps(kept_bytes=100_000, flood_bytes=4_000_000)
    with launcher.workspace() as workspace:
        async with Kernel(launcher, workspace, caps, grace=2) as kernel:
            execution = await kernel.execute(FLOODS[flood], 8)
            assert "printed too much" in execution.note, execution.note
            assert sum(len(str(output)) for output in execution.outputs) < 300_000
            assert execution.seconds < 30
            await assert_works(kernel)


ODD_OUTPUTS = {
    "deep JSON": "x = 1\nfor _ in range(900): x = [x]\ndisplay({'application/json': x}, raw=True)",
    "no number": "display({'application/json': float('nan'), 'text/plain': 'seen'}, raw=True)",
    "many kinds": "display({f'text/{i}': 'x' for i in range(100_000)}, raw=True)",
    "half characters": "print('\\ud800')",
    "control codes": "print('\\x1b]0;title\\x07\\x1b[2J\\x00')",
    "one endless line": "print('x' * 20_000_000)",
    "an error without end": "raise Exception('x' * 20_000_000)",
    "an error that can't be shown": (
        "class E(Exception):\n    def __str__(self): raise self\n    __repr__ = __str__\nraise E"
    ),
    "the crash report's descriptor": (
        "import os\n"
        "for fd in range(2, 100):\n"
        "    try:\n"
        "        if 'pipe' in os.readlink(f'/proc/self/fd/{fd}'):\n"
        "            os.set_blocking(fd, False)\n"
        "            for _ in range(2000): os.write(fd, b'x' * 65536)\n"
        "    except OSError: pass\n"
    ),
}


@pytest.mark.parametrize(
    "odd",
    some(
        ODD_OUTPUTS, "deep JSON", "no number", "many kinds", "half characters", "one endless line"
    ),
)
async def test_odd_output_is_kept_within_bounds(launcher, odd):
    execution = await executed(launcher, ODD_OUTPUTS[odd], 3)
    assert execution.seconds < 30
    assert sum(len(str(output)) for output in execution.outputs) < 10_000_000
    output_text(execution.outputs).encode()


# --- ends

DEATHS = {
    "abort": ("os.abort()", "killed by SIGABRT"),
    "kill": ("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"),
    "terminate": ("os.kill(os.getpid(), signal.SIGTERM)", "killed by SIGTERM"),
    "the whole group": ("os.killpg(0, signal.SIGKILL)", "killed by SIGKILL"),
    "stop": ("os.kill(os.getpid(), signal.SIGSTOP)", "did not stop within 1 s and was killed"),
    "no handler": (
        "for n in range(1, 32):\n    try: signal.signal(n, signal.SIG_IGN)\n"
        "    except OSError: pass\nwhile True: time.sleep(1)",
        "did not stop within 1 s and was killed",
    ),
    "every interrupt caught": (
        "while True:\n    try:\n        while True: time.sleep(1)\n    except BaseException: pass",
        "did not stop within 1 s and was killed",
    ),
    "control thread stopped": (
        "loop = get_ipython().kernel.control_thread.io_loop\n"
        "loop.add_callback(time.sleep, 99)\nwhile True: time.sleep(1)",
        "did not stop within 1 s and was killed",
    ),
    "processor time": (
        "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass",
        "killed by",
    ),
}


@pytest.mark.parametrize("death", some(DEATHS, "abort", "kill", "stop", "every interrupt caught"))
async def test_a_death_is_told_and_the_kernel_replaced(launcher, death):
    code, why = DEATHS[death]
    execution = await executed(launcher, f"import os, signal, time\n{code}", 2)
    assert execution.status == "died" and why in execution.note, execution
    assert execution.note


async def test_a_kernel_without_its_sockets_dies_sooner_or_later(launcher):
    with launcher.workspace() as workspace:
        async with Kernel(launcher, workspace, grace=1.0) as kernel:
            code = "import os, time\nos.closerange(3, 1000)\nwhile True: time.sleep(1)"
            first = await kernel.execute(code, 2)
            if first.status != "died":
                first = await kernel.execute("print(1)", 2)
            assert first.status == "died" and first.note
            await assert_works(kernel)


async def test_a_thread_that_goes_on_burning_is_counted_and_ends_with_the_kernel(launcher):
    code = (
        "import threading\ndef burn():\n    while True: pass\n"
        "threading.Thread(target=burn, daemon=True).start()"
    )
    await executed(launcher, "1")
    before = family()
    with launcher.workspace() as workspace:
        async with Kernel(launcher, workspace) as kernel:
            assert (await kernel.execute(code, 30)).status == "ok"
            used = kernel.cpu_seconds()
            await asyncio.sleep(1.5)
            assert kernel.cpu_seconds() > used + 0.2  # of 1.5, where the machine is busy
            await assert_works(kernel)
    assert await settled(before)


async def test_a_daemon_does_not_outlive_a_death(launcher):
    name = mark()
    code = (
        "import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        f"        os.execvp('sleep', ['sleep', {name!r}])\n    os._exit(0)\n"
        "import time; time.sleep(0.5); os._exit(1)"
    )
    assert (await executed(launcher, code)).status == "died"
    assert sleeping(name) == []


async def test_a_signal_to_everybody_stays_within_the_namespace(victim):
    """Never tried without a process namespace: a hole would end the test run."""
    available(Tier.BUBBLEWRAP)
    code = "import os, signal; os.kill(-1, signal.SIGKILL)"
    await executed(Launcher(tier=Tier.BUBBLEWRAP), code, 3)
    assert victim.poll() is None
