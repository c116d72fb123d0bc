"""Confinement: tiers by behaviour, what is visible, what is denied, what is too much."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kernel_tool import launch
from kernel_tool.kernel import Kernel
from kernel_tool.launch import Launcher, NotConfinedError
from kernel_tool.outputs import output_text
from kernel_tool.sandbox import bubblewrap, seccomp
from kernel_tool.sandbox.grants import grants
from kernel_tool.sandbox.probe import Findings, probe
from kernel_tool.sandbox.quota import MIB, Quota
from kernel_tool.sandbox.tier import CONFINING, Tier
from kernel_tool.sandbox.visible import Visible, visible
from tests.tiers import available

ROOT = Path(__file__).parents[2]
DOCTOR = [sys.executable, "-m", "kernel_tool.doctor"]
AS_USER_RUN = """
import asyncio, sys
from kernel_tool.kernel import Kernel
from kernel_tool.launch import Launcher
from kernel_tool.sandbox.probe import probe
from kernel_tool.sandbox.tier import CONFINING, Tier

async def main():
    tier = Tier(sys.argv[1])
    print((await probe(tier)).holds)
    launcher = Launcher(tier=tier)
    with launcher.workspace() as workspace:
        async with Kernel(launcher, workspace) as kernel:
            execution = await kernel.execute("print(42)", 60)
            print(execution.status, execution.outputs[0]["text"])

asyncio.run(main())
"""
# An ordinary user may not enter root's own folder, in which the interpreter may lie: show it.
AS_USER = """
mount -t tmpfs -o mode=755 none /mnt && mkdir /mnt/python && mount --bind "$1" /mnt/python &&
case "$1" in
  /root/*) mount -t tmpfs -o mode=755 none /root && mkdir -p "$1" ;;
esac && mount --bind /mnt/python "$1" && shift &&
exec setpriv --reuid=1234 --regid=1234 --clear-groups env HOME=/tmp "$@"
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def as_user(*command: str) -> list[str]:
    """A command that runs another as an ordinary user."""
    return ["unshare", "-m", "sh", "-c", AS_USER, "sh", sys.base_prefix, *command]


@pytest.mark.parametrize("tier", CONFINING)
async def test_a_tier_holds_against_every_attempt(tier):
    available(tier)
    found = await probe(tier)
    assert found.holds, found
    assert len(found.tried) > 10


async def test_without_a_tier_every_attempt_succeeds():
    found = await probe(Tier.NONE)
    assert not found.fault
    missing = set(found.tried) - set(found.escapes)
    # These depend on the machine's own settings and protocols.
    assert missing <= {
        "open a multipath TCP socket",
        "use io_uring",
        "make a user namespace",
        "write to the top folder",
        "limit a process outside",  # it was, and then killed
    }


async def test_an_interpreter_that_does_not_run_is_a_fault_and_no_escape():
    found = await probe(Tier.LANDLOCK, "/nowhere/python")
    assert not found.holds
    assert "/nowhere/python does not run" in found.why


def test_bubblewrap_that_is_missing_is_explained(monkeypatch):
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda *_, **__: None)
    bubblewrap.executable.cache_clear()
    try:
        with pytest.raises(bubblewrap.BubblewrapError, match="apt-get install bubblewrap"):
            bubblewrap.executable()
    finally:
        bubblewrap.executable.cache_clear()


def test_bubblewrap_that_is_too_old_is_explained(monkeypatch, tmp_path):
    old = tmp_path / "bwrap"
    old.write_text("#!/bin/sh\necho bubblewrap 0.4.1\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    bubblewrap.executable.cache_clear()
    try:
        with pytest.raises(bubblewrap.BubblewrapError, match=r"0\.4 is too old, 0\.8 is needed"):
            bubblewrap.executable()
    finally:
        bubblewrap.executable.cache_clear()


def test_where_no_tier_holds_there_is_no_launcher_unless_asked_for(monkeypatch):
    found = tuple(Findings(tier, fault=f"no {tier.value} here") for tier in CONFINING)
    monkeypatch.setattr(launch, "findings", lambda: found)
    with pytest.raises(NotConfinedError, match=r"no bubblewrap here(.|\n)*--unsafe-no-sandbox"):
        Launcher()
    assert not Launcher.unconfined().confined


def test_the_next_tier_is_taken_where_the_first_does_not_hold(monkeypatch):
    escaped = Findings(Tier.BUBBLEWRAP, escapes=("read a file outside",))
    monkeypatch.setattr(launch, "findings", lambda: (escaped, Findings(Tier.LANDLOCK)))
    assert Launcher().tier is Tier.LANDLOCK


def test_doctor_names_the_tier():
    available(Tier.BUBBLEWRAP)
    done = subprocess.run(DOCTOR, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0
    assert "confined by: namespaces by bubblewrap" in done.stdout


@needs_root
def test_doctor_says_what_stands_in_the_way_of_a_better_tier():
    # In a user namespace of its own, where the switch can be turned without harm.
    off = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" "$@"'
    done = subprocess.run(
        as_user("unshare", "-Ur", "sh", "-c", off, *DOCTOR),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "confined by: Landlock, seccomp and rlimits" in done.stdout
    assert "bubblewrap does not hold" in done.stdout
    assert "sysctl user.max_user_namespaces" in done.stdout


@needs_root
@pytest.mark.parametrize("tier", CONFINING)
def test_a_tier_holds_for_an_ordinary_user_too(tier):
    available(tier)
    done = subprocess.run(
        as_user(sys.executable, "-c", AS_USER_RUN, tier.value),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.stdout.split() == ["True", "ok", "42"], done


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_jump_of_the_filter_lands_inside_it(machine):
    program = seccomp.program(namespaces=False, machine=machine)
    steps = [seccomp.struct.unpack("HBBI", program[i : i + 8]) for i in range(0, len(program), 8)]
    assert 0 < len(steps) < 4096  # BPF_MAXINSNS
    for at, (operation, then, otherwise, _) in enumerate(steps):
        if operation & 0x07 == 0x05:
            assert at + 1 + max(then, otherwise) < len(steps)
    assert steps[-1][0] == 0x06
    assert len(seccomp.program(namespaces=True, machine=machine)) < len(program)


def test_there_is_no_filter_for_an_unknown_machine():
    with pytest.raises(seccomp.UnknownArchitectureError, match="'z80'"):
        seccomp.program(namespaces=True, machine="z80")


def test_our_sources_are_hidden_wherever_they_lie(tmp_path):
    packages = tmp_path / "lib" / "site-packages"
    for name in ("torch", "grader"):
        (packages / name).mkdir(parents=True)
    seen = Visible((), (), (tmp_path,), (packages / "grader",))
    rules = grants(seen, (), tmp_path / "sockets", own_root=False)
    assert ("read", str(packages / "torch")) in rules
    assert not any(
        access == "read" and str(packages / "grader").startswith(path) for access, path in rules
    )
    mounts = bubblewrap.arguments(seen, Quota(), tmp_path, tmp_path / "s", privileged=False)
    shown, covered = mounts.index(str(tmp_path)), mounts.index(str(packages / "grader"))
    assert mounts[covered - 1] == "--tmpfs" and shown < covered


def test_the_checkout_is_hidden_and_the_interpreter_in_it_is_not():
    seen = visible(sys.executable)
    assert ROOT in seen.hidden
    assert any(Path(sys.prefix).is_relative_to(folder) for folder in seen.python)
    assert not any(ROOT.is_relative_to(folder) for folder in seen.python)


EXCESSES = {
    "memory": (
        Quota(memory=700 * MIB),
        "x = bytearray(900 << 20); x[::4096] = b'1' * len(x[::4096])\nimport time; time.sleep(30)",
        "MiB of memory, 700 are allowed",
    ),
    "memory of many processes": (
        Quota(memory=700 * MIB),
        "import os, time\nfor _ in range(5):\n    if os.fork() == 0:\n"
        "        x = bytearray(250 << 20); x[::4096] = b'1' * len(x[::4096]); time.sleep(30)\n"
        "time.sleep(30)",
        "MiB of memory, 700 are allowed",
    ),
    "files": (
        Quota(workspace=64 * MIB),
        "import time\nfor i in range(8):\n    open(f'f{i}', 'wb').write(bytes(16 << 20))\n"
        "time.sleep(30)",
        "MiB of files, 64 are allowed",
    ),
    "number of files": (
        Quota(workspace_files=500),
        "import time\nfor i in range(2000):\n    open(f'f{i}', 'w').close()\ntime.sleep(30)",
        "over 500 files, no more are allowed. The newest files are removed.",
    ),
    "time": (Quota(lifetime=1.0), "import time; time.sleep(30)", "1 are allowed"),
}


@pytest.mark.parametrize("excess", EXCESSES)
async def test_a_kernel_that_takes_too_much_is_killed_and_replaced(excess):
    quota, code, why = EXCESSES[excess]
    launcher = Launcher(quota=quota)
    with launcher.workspace() as workspace:
        async with Kernel(launcher, workspace) as kernel:
            execution = await kernel.execute(code, 60)
            assert execution.status == "died"
            assert why in execution.note
            assert execution.seconds < 20


USES = {
    "loader with workers": (
        "import torch\nfrom torch.utils.data import DataLoader, TensorDataset\n"
        "data = TensorDataset(torch.arange(1000.).reshape(100, 10))\n"
        "print(sum(b[0].sum().item() for b in DataLoader(data, batch_size=10, num_workers=2)))",
        "499500.0",
    ),
    "pool": ("import multiprocessing as mp\nwith mp.Pool(2) as p: print(p.map(abs, [-1]))", "[1]"),
    "command": ("!echo $HOME", "/home/solver"),
    "subprocess": (
        "import subprocess, sys\n"
        "print(subprocess.check_output([sys.executable, '-c', 'import numpy; print(1)']))",
        "1",
    ),
    "threads": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "print(sum(ThreadPoolExecutor(4).map(abs, range(5))))",
        "10",
    ),
    "temporary file": ("import tempfile\nprint(tempfile.TemporaryFile().write(b'x'))", "1"),
    "magic": ("%timeit -n1 -r1 1", "1 loop each"),
}


@pytest.mark.parametrize("use", USES)
async def test_what_a_notebook_may_use_works(use):
    available(Tier.BUBBLEWRAP)
    code, expected = USES[use]
    launcher = Launcher(tier=Tier.BUBBLEWRAP)
    with launcher.workspace() as workspace:
        async with Kernel(launcher, workspace) as kernel:
            execution = await kernel.execute(code, 60)
            assert execution.status == "ok", execution
            assert expected in output_text(execution.outputs)


async def test_a_file_that_is_too_large_is_an_error_in_the_code():
    launcher = Launcher(quota=Quota(file_size=MIB))
    with launcher.workspace() as workspace:
        async with Kernel(launcher, workspace) as kernel:
            execution = await kernel.execute("open('f', 'wb').write(bytes(2 << 20))", 30)
            assert execution.status == "error"
            assert "File too large" in output_text(execution.outputs)


async def test_what_is_put_into_a_workspace_is_the_kernels_own():
    launcher = Launcher()
    with launcher.workspace() as workspace:
        (workspace / "data").mkdir()
        (workspace / "data" / "curves.csv").write_text("a,b\n")
        async with Kernel(launcher, workspace) as kernel:
            code = "open('data/curves.csv', 'a').write('1,2'); open('data/new', 'w').write('x')"
            execution = await kernel.execute(code, 30)
            assert execution.status == "ok", execution
        assert (workspace / "data" / "curves.csv").read_text() == "a,b\n1,2"


async def test_sandboxes_are_made_side_by_side():
    launcher = Launcher()

    async def one(number: int) -> str:
        with launcher.workspace() as workspace:
            async with Kernel(launcher, workspace) as kernel:
                execution = await kernel.execute(f"print({number})", 30)
                return output_text(execution.outputs).strip()

    assert await asyncio.gather(*map(one, range(8))) == [str(n) for n in range(8)]
