"""``python -m task_spec.build``: writes a variant's notebook and data into a folder."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

from task_spec.cli import Failure, composition_of, run, variant_of, variant_options
from task_spec.staging import stage_workspace
from task_spec.variant import Variant

# Version numbers, times and memory addresses would make two builds differ.
_KEPT_OUTPUT = ("output_type", "name", "text", "data", "metadata", "execution_count")


def build(variant: Variant, folder: Path, *, execute: bool = True) -> Path:
    """Write notebook and data; with ``execute`` the notebook is run and keeps its outputs."""
    path = stage_workspace(variant, folder)
    if execute:
        notebook = nbformat.read(path, as_version=4)
        _execute(notebook, folder)
        _normalise(notebook)
        nbformat.write(notebook, path)
        (folder / "results.json").unlink(missing_ok=True)
    return path


def _execute(notebook: NotebookNode, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="sb-") as sockets:
        manager = KernelManager(transport="ipc", ip=f"{sockets}/kernel")
        try:
            resources = {"metadata": {"path": str(folder)}}
            NotebookClient(notebook, km=manager, timeout=600, resources=resources).execute()
        finally:
            manager.shutdown_kernel(now=True)


def _normalise(notebook: NotebookNode) -> None:
    notebook.metadata.pop("language_info", None)
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [
                NotebookNode({k: v for k, v in output.items() if k in _KEPT_OUTPUT})
                for output in cell.outputs
            ]


@click.command()
@variant_options
@click.option(
    "--seed",
    "variant_seed",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Draws the data, and the bugs.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write to.",
)
@click.option(
    "--execute/--no-execute",
    default=True,
    show_default=True,
    help="Run the notebook and keep its outputs.",
)
def main(out: Path, execute: bool, **options: Any) -> None:
    """Write the broken notebook of a variant, and its data."""
    variant = variant_of(options)
    try:
        path = build(variant, out, execute=execute)
    except OSError as error:
        raise Failure(f"can't write to {out} ({error.strerror}): choose another --out") from None
    click.echo(
        f"{path}: {len(variant.bugs)} bugs planted, noise {variant.noise:g}{_among(options)}"
    )


def _among(options: Mapping[str, Any]) -> str:
    """Of how many sets of bugs this is one."""
    if options["only"] is not None:
        return ""
    return f"; one of {composition_of(options).distinct:,} sets of bugs"


if __name__ == "__main__":
    run(main, "python -m task_spec.build")
