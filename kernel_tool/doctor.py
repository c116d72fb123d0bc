"""``python -m kernel_tool.doctor``: how well kernels can be confined on this machine."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
from pathlib import Path

import click
from landlockpy import abi_version
from rich.console import Console
from rich.table import Table

from kernel_tool.boot.lockdown import SCOPED_ABI
from kernel_tool.sandbox import bubblewrap
from kernel_tool.sandbox.probe import Findings, probe
from kernel_tool.sandbox.tier import CONFINING

# Where distributions refuse namespaces to ordinary users: the file, what it then holds, the cure.
_SWITCHES = (
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor refuses user namespaces: sudo sysctl kernel.apparmor_restrict_unprivileged_userns"
        "=0, or give bwrap a profile that allows `userns`",
    ),
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "user namespaces are off: sudo sysctl kernel.unprivileged_userns_clone=1",
    ),
    (
        "/proc/sys/user/max_user_namespaces",
        "0",
        "no user namespace is allowed: sudo sysctl user.max_user_namespaces=10000",
    ),
)


@click.command()
def main() -> None:
    """Try each way to confine a kernel, and say which holds and what to do for a better one.

    Exit status: 0 if kernels are confined, 1 if they can't be.
    """
    console = Console()
    console.print(f"{platform.platform()}, uid {os.geteuid()}, Landlock ABI {abi_version()}")
    findings = [asyncio.run(probe(tier)) for tier in CONFINING]
    console.print(_table(findings))
    best = next((each for each in findings if each.holds), None)
    for each in findings:
        if not each.holds:
            console.print(f"{each.tier.value} does not hold: {each.why}", markup=False)
    if best is None:
        console.print(
            "Kernels can't be confined here: trials need --unsafe-no-sandbox, and every record "
            "will say `confined: false`.",
            style="bold red",
        )
    else:
        console.print(f"Kernels are confined by: {best.tier.description}.", style="green")
    for advice in _advice(findings[0]):
        console.print(f"- {advice}", markup=False)
    sys.exit(0 if best else 1)


def _table(findings: list[Findings]) -> Table:
    table = Table("a confined process tries to", *[each.tier.value for each in findings])
    for attempt in next((each.tried for each in findings if each.tried), ()):
        table.add_row(attempt, *[_outcome(each, attempt) for each in findings])
    return table


def _outcome(found: Findings, attempt: str) -> str:
    if attempt not in found.tried:
        return "[yellow]not tried[/yellow]"
    return "[red]succeeded[/red]" if attempt in found.escapes else "[green]blocked[/green]"


def _advice(strongest: Findings) -> list[str]:
    """What would make confinement better."""
    found = [cure for path, value, cure in _SWITCHES if _holds(path, value)]
    if strongest.holds:
        found = []
        if abi_version() < SCOPED_ABI:
            found.append(f"a kernel with Landlock ABI {SCOPED_ABI} (Linux 6.12) adds a second wall")
    elif sys.platform != "linux":
        found.append("run it in a Linux container or virtual machine")
    elif "not installed" in strongest.fault:
        found.append(bubblewrap.INSTALL)
    elif not found and Path("/.dockerenv").exists():
        found.append(
            "in a Docker container: --security-opt seccomp=unconfined --security-opt "
            "apparmor=unconfined --security-opt systempaths=unconfined, as an ordinary user"
        )
    return found


def _holds(path: str, value: str) -> bool:
    try:
        return Path(path).read_text(encoding="utf-8").strip() == value
    except OSError:
        return False


if __name__ == "__main__":
    main(prog_name="python -m kernel_tool.doctor")
