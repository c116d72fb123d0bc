"""``python -m kernel_tool.bench``: what kernels cost, against other ways and against bounds."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console

from kernel_tool.bench import (
    grading,
    machine,
    memory,
    notebooks,
    picture,
    ready,
    report,
    round_trip,
    usage,
)
from kernel_tool.bench.results import QUICK, Effort, Measurement, Part
from kernel_tool.launch import NotConfinedError

PARTS: dict[str, Measurement] = {
    "ready": ready.measure,
    "round_trip": round_trip.measure,
    "memory": memory.measure,
    "notebook": notebooks.one,
    "sixteen": notebooks.two_at_a_time,
    "grading": grading.measure,
}


@click.command()
@click.option("--quick", is_flag=True, help="Few repetitions: whether it works, not how fast.")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(list(PARTS)),
    help="Measure this part; may be given more than once.  [default: all]",
)
@click.option(
    "--out",
    default=Path("bench"),
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for bench.json and bench.png.",
)
def main(quick: bool, only: tuple[str, ...], out: Path) -> None:
    """Measure what kernels cost, side by side with other ways, and hold it against bounds.

    Exit status: 0 if all could be measured, whether or not the bounds hold: on a busy machine
    they may not.
    """
    usage.adopt_orphans()
    out.mkdir(parents=True, exist_ok=True)
    console = Console()
    started, clock = datetime.now().astimezone().isoformat(timespec="seconds"), time.monotonic()
    try:
        described = machine.described()
    except NotConfinedError as error:
        raise click.ClickException(str(error)) from None
    report.print_machine(console, described)
    names = [name for name in PARTS if name in only or not only]
    parts = asyncio.run(_measure(names, QUICK if quick else Effort(), console))
    report.print_ratios(console, parts)
    content = report.document(parts, described, quick, started, time.monotonic() - clock)
    report.write(out / "bench.json", content)
    picture.draw(parts, out / "bench.png")
    console.print(f"all samples: {out / 'bench.json'}; picture: {out / 'bench.png'}", markup=False)
    sys.exit(any(part.failed for part in parts))


async def _measure(names: Sequence[str], effort: Effort, console: Console) -> list[Part]:
    parts = []
    for name in names:
        with console.status(name) as status:
            try:
                part = await PARTS[name](effort, _saying(name, status.update))
            except Exception as error:  # the other parts go on
                part = Part(name, name, notes=[f"failed: {error!r}"[:500]], failed=True)
        report.print_part(console, part)
        parts.append(part)
    return parts


def _saying(name: str, update: Callable[[str], None]) -> Callable[[str], None]:
    return lambda text: update(f"{name}: {text}")


if __name__ == "__main__":
    main(prog_name="python -m kernel_tool.bench")
