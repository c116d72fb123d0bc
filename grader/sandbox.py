"""The command lines' choice of confinement: the strongest there is, or none if asked for."""

from __future__ import annotations

import click

from kernel_tool.launch import Launcher, NotConfinedError
from task_spec.cli import Failure

sandbox_option = click.option(
    "--unsafe-no-sandbox",
    is_flag=True,
    help="Run kernels with all of your rights; every record then says `confined: false`.",
)


def launcher_of(unsafe: bool) -> Launcher:
    """The launcher that an option asks for. Failure if kernels can't be confined."""
    try:
        return Launcher.unconfined() if unsafe else Launcher()
    except NotConfinedError as error:
        raise Failure(str(error)) from None
