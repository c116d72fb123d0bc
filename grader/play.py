"""``python -m grader.play``: an episode from a terminal, a call a command."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import click

from grader.outside.arguments import as_report, parsed
from grader.outside.options import start_options
from grader.outside.wire import HOST, Hosted, HostError, ask, unpacked
from grader.run_folder import BROKEN
from grader.verdict import Verdict
from kernel_tool.results import Image, Text, ToolResult
from task_spec.cli import Failure, run

_HOW = """
# How to call the tools

Each call is a command:

    {play} call{episode} read_notebook
    {play} call{episode} run_cells cells=all
    {play} call{episode} edit_cell cell_id=CELL old='x + 1' new='x + 2'

Text that is longer, or has quotes in it, comes from standard input, by `-` in its place:

    {play} call{episode} run_code code=- <<'EOF'
    print(split["test"].head())
    EOF

or from files (`old=@old.txt new=@new.txt`); one newline at the end is dropped. All arguments at
once may come as one JSON object from standard input (`call{episode} edit_cell -`). Plots are
written to files, whose paths are printed. To read the tools' descriptions or the task again, or to
see how far the episode is:

    {play} tools{episode}
    {play} prompt{episode}
    {play} status{episode}

At the end, with the list of entries as JSON:

    {play} submit{episode} bug_report.json
"""

episode_option = click.option(
    "--episode",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder of the trial, as `start` printed it.  [default: the one that is being played]",
)


@click.group()
def main() -> None:
    """Play an episode: start it, call its tools, submit."""


@main.command("start")
@start_options
@click.pass_context
def start_command(context: click.Context, /, **options: Any) -> None:
    """Start an episode in the background, and print its prompt and how to call the tools."""
    # Here, since it brings the rest of the grader, for which no call has a use.
    from grader.outside.starting import launch, prepare

    hosted = launch(prepare(context, options))
    told = _ask(hosted, {"do": "hello"})
    click.echo(told["prompt"])
    click.echo(_HOW.format(play=f"{_python()} -m grader.play", episode=_naming(hosted.folder)))
    click.echo(_described(told["tools"]))
    click.echo(f"\nepisode: {hosted.folder}", err=True)


@main.command()
@episode_option
@click.argument("tool")
@click.argument("arguments", nargs=-1)
def call(episode: Path | None, tool: str, arguments: tuple[str, ...]) -> int:
    """Call TOOL with ARGUMENTS (NAME=VALUE, NAME=@FILE, NAME=- or one JSON object), and print what
    it answers.

    Exit status: 0 it worked, 1 the tool says what was wrong, 2 there is no such episode.
    """
    hosted = _hosted(episode)
    schemas = {each["name"]: each["input_schema"] for each in _told(hosted)["tools"]}
    values = parsed(arguments, schemas.get(tool, {}), sys.stdin)
    return _call(hosted, tool, values)


@main.command()
@episode_option
@click.argument("report", type=click.File("r"))
def submit(episode: Path | None, report: Any) -> int:
    """Hand in the notebook as it is, with the bug report in REPORT, JSON (- is standard input)."""
    return _call(_hosted(episode), "submit", as_report(report.read()))


@main.command()
@episode_option
@click.option("--verdict", is_flag=True, help="Tell also how it was graded, once it is.")
def status(episode: Path | None, verdict: bool) -> None:
    """Say how far an episode is."""
    folder = episode or _newest()
    if (folder / HOST).exists():
        told = _told(_hosted(folder))
        click.echo(f"{told['phase']}: {told['calls']} calls, {told['tool_seconds']:.0f} s in them")
    elif not folder.is_dir():
        raise Failure(f"there is no episode at {folder}: give the folder that `start` printed")
    else:
        click.echo("ended")
    if verdict:
        click.echo(_verdict(folder))


@main.command()
@episode_option
def tools(episode: Path | None) -> None:
    """Describe the tools."""
    click.echo(_described(_told(_hosted(episode))["tools"]))


@main.command()
@episode_option
def prompt(episode: Path | None) -> None:
    """Print the prompt of the task."""
    click.echo(_told(_hosted(episode))["prompt"])


@main.command()
@episode_option
def stop(episode: Path | None) -> None:
    """Give up: the episode ends with nothing handed in."""
    hosted = _hosted(episode)
    _ask(hosted, {"do": "leave"})
    click.echo(f"given up: {hosted.folder}")


def _newest() -> Path:
    """The folder of the trial under ``runs/`` that was started last."""
    # Written once, when it starts; the folder itself changes whenever a file is added.
    found = list(Path("runs").glob(f"*/trial-*/{BROKEN}"))
    if not found:
        raise Failure("there is no episode under runs/: start one, or give --episode")
    return max(found, key=lambda path: path.stat().st_mtime_ns).parent


def _hosted(folder: Path | None) -> Hosted:
    """The episode in a folder, or the only one that is being played under ``runs/``."""
    found = [folder / HOST] if folder else sorted(Path("runs").glob(f"*/trial-*/{HOST}"))
    if not found:
        raise Failure("no episode is being played under runs/: start one, or give --episode")
    if len(found) > 1:
        names = ", ".join(str(path.parent) for path in found)
        raise Failure(f"several episodes are being played: choose by --episode one of {names}")
    try:
        return Hosted.model_validate_json(found[0].read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Failure(f"no episode is being played in {found[0].parent}: it has ended") from None


def _naming(folder: Path) -> str:
    """The option that names an episode which is not found without it."""
    return "" if folder.is_relative_to(Path("runs").resolve()) else f" --episode {folder}"


def _python() -> Path:
    """This interpreter, as it can be called from here."""
    path = Path(sys.executable)
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _ask(hosted: Hosted, question: dict[str, Any]) -> dict[str, Any]:
    try:
        return asyncio.run(ask(hosted.socket, question))
    except HostError as error:
        raise Failure(f"{hosted.folder}: {error}") from None


def _told(hosted: Hosted) -> dict[str, Any]:
    return _ask(hosted, {"do": "hello"})


def _call(hosted: Hosted, tool: str, arguments: Any) -> int:
    answer = _ask(hosted, {"do": "call", "name": tool, "arguments": arguments})
    result = unpacked(answer)
    for line in _lines(result, hosted.folder / "plots"):
        click.echo(line)
    return int(result.is_error)


def _lines(result: ToolResult, plots: Path) -> list[str]:
    return [part.text if isinstance(part, Text) else _saved(part, plots) for part in result.content]


def _saved(image: Image, folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    number = len(list(folder.iterdir()))
    path = folder / f"{number:03d}.{image.media_type.partition('/')[2]}"
    path.write_bytes(image.data)
    return f"[plot: {path}]"


def _described(tools: list[dict[str, Any]]) -> str:
    return "\n\n".join(
        f"## {tool['name']}\n{tool['description']}\n"
        f"Arguments: {json.dumps(tool['input_schema'], ensure_ascii=False)}"
        for tool in tools
    )


def _verdict(folder: Path) -> str:
    try:
        text = (folder / "verdict.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return "not graded yet"
    verdict = Verdict.model_validate_json(text)
    reason = f": {verdict.failure_reason.value}. {verdict.detail}" if verdict.failure_reason else ""
    outcome = f"{'passed' if verdict.passed else 'failed'}{reason} (reward {verdict.reward:.2f})"
    alarms = [f"entry {at} reports no bug" for at in verdict.false_alarms]
    return "\n".join([outcome, *(bug.in_words for bug in verdict.bugs), *alarms])


if __name__ == "__main__":
    run(main, "python -m grader.play")
