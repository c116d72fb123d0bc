"""Attacks as code that runs in a kernel, and what they are aimed at."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kernel_tool.execution import Execution
from kernel_tool.kernel import Kernel
from kernel_tool.launch import Launcher
from kernel_tool.outputs import output_text
from kernel_tool.sandbox.quota import Quota
from kernel_tool.sandbox.tier import Tier
from tests.tiers import available

ROOT = Path(__file__).parents[2]
THROUGH = "got through"
CONFINING = (Tier.BUBBLEWRAP, Tier.LANDLOCK)

_HEAD = "import ctypes, json, os, signal, socket, stat, struct, subprocess, sys, time\n"
_TRY = """
def _attempt():
{body}
try:
    _told[{name!r}] = {through!r} if _attempt() else 'to no effect'
except BaseException as error:
    _told[{name!r}] = repr(error)[:200]
"""


def some(table: Mapping[str, Any], *quick: str) -> list[Any]:
    """Names of a table as parameters: some for every test run, the others for the slow one."""
    assert set(quick) <= set(table)
    slow = pytest.mark.matrix
    return [name if name in quick else pytest.param(name, marks=slow) for name in table]


@pytest.fixture(params=CONFINING, ids=lambda tier: tier.value)
def tier(request: pytest.FixtureRequest) -> Tier:
    """Each tier that confines, in turn."""
    available(request.param)
    return request.param


@pytest.fixture
def launcher(tier: Tier) -> Launcher:
    return Launcher(tier=tier)


def with_quota(launcher: Launcher, **quota: Any) -> Launcher:
    return replace(launcher, quota=Quota(**quota))


async def executed(launcher: Launcher, code: str, timeout: float = 30) -> Execution:  # noqa: ASYNC109
    """One execution in a kernel of its own, which is shown to work afterwards."""
    with launcher.workspace() as workspace:
        async with Kernel(launcher, workspace, grace=1.0) as kernel:
            execution = await kernel.execute(code, timeout)
            await assert_works(kernel)
            return execution


async def assert_works(kernel: Kernel) -> None:
    """The kernel, or the one that has taken its place, serves requests."""
    after = await kernel.execute("print(6 * 7)", 30)
    assert output_text(after.outputs) == "42", after


async def tried(
    launcher: Launcher, attempts: Mapping[str, str], bait: Mapping[str, Any]
) -> dict[str, str]:
    """What each attempt came to: THROUGH, or the error it met.

    An attempt is the body of a function that returns whether it did what it should not.
    """
    code = (
        _HEAD + f"BAIT = {dict(bait)!r}\nlibc = ctypes.CDLL(None, use_errno=True)\n_told = {{}}\n"
    )
    for name, body in attempts.items():
        body = textwrap.indent(textwrap.dedent(body).strip(), "    ")
        code += _TRY.format(name=name, body=body, through=THROUGH)
    execution = await executed(launcher, code + "print(json.dumps(_told))", 60)
    assert execution.status == "ok", execution
    return dict(json.loads(output_text(execution.outputs)))


def through(told: Mapping[str, str]) -> set[str]:
    return {name for name, outcome in told.items() if outcome == THROUGH}


def same_user(tier: Tier) -> bool:
    """Whether a kernel keeps this process's user, whom file permissions don't stop."""
    return tier is Tier.NONE or os.geteuid() != 0


@pytest.fixture
def secret() -> str:
    return secrets.token_hex(16)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder outside of every workspace, open to all users: permissions alone protect nothing."""
    folder = tmp_path / "outside"
    folder.mkdir()
    for each in (folder, *tmp_path.parents[:2], tmp_path):
        if each.owner() == folder.owner() and each != Path("/tmp"):
            each.chmod(0o755)
    folder.chmod(0o777)
    return folder


@pytest.fixture
def victim(secret: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours with a secret in its environment."""
    process = subprocess.Popen(["/bin/sleep", "300"], env={"CANARY": secret})
    yield process
    process.kill()
    process.wait()


Listen = Callable[[int, int, Any], socket.socket]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Opens sockets that wait for somebody."""
    with ExitStack() as stack:

        def opened(family: int, kind: int, address: Any) -> socket.socket:
            listener = stack.enter_context(socket.socket(family, kind))
            listener.bind(address)
            if family == socket.AF_UNIX and not address.startswith("\0"):
                Path(address).chmod(0o777)
            listener.setblocking(False)
            if kind == socket.SOCK_STREAM:
                listener.listen()
            return listener

        yield opened
