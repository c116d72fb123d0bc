"""The process in which an episode lives that is played from outside.

    python -m grader.outside.host RUN IDLE_SECONDS

A RunConfig comes as JSON from standard input: it names the planted bugs, and a command line can be
read by anybody. Once the tools can be called it prints one line of JSON, a `Hosted`
(or an object with ``error``), and goes on in the background until the trial is graded. Only this
user may enter the folder of its socket.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from grader.outside.agent import OutsideAgent
from grader.outside.wire import HOST, LONGEST, Hosted, packed
from grader.records import RunConfig, Trial
from grader.run_folder import SUMMARY, FolderError, RunFolder, read_run
from grader.summary import summarise
from grader.transcript import Event, ResultEvent
from grader.trials import Plan, run_trial
from kernel_tool.launch import Launcher
from kernel_tool.scratch import remove, scratch_folder
from task_spec.composition import choose
from task_spec.registry import get_task


class Host:
    """Serves the questions of those who play, and watches the trial."""

    def __init__(self, agent: OutsideAgent) -> None:
        self._agent = agent
        self.phase = "starting"
        self._calls, self._tool_seconds = 0, 0.0

    def event(self, trial: int, event: Event) -> None:  # noqa: ARG002
        self.phase = "playing"
        if isinstance(event, ResultEvent):
            self._calls += 1
            self._tool_seconds += event.seconds

    def grading(self, trial: int) -> None:  # noqa: ARG002
        self.phase = "grading"

    def ended(self, trial: Trial) -> None:  # noqa: ARG002
        self.phase = "ended"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One question and its answer."""
        with suppress(ConnectionError, ValueError):
            question = json.loads(await reader.readline())
            answer = await self._answer(question)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
            if question["do"] == "attach":
                await reader.read()
                self._agent.leave("the client went away")
        writer.close()

    async def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        match question:
            case {"do": "call", "name": str(name), "arguments": arguments}:
                result = packed(await self._agent.call(name, arguments))
                return {**result, "over": self._agent.over}
            case {"do": "leave"}:
                self._agent.leave("the agent gave up")
        return {
            "prompt": self._agent.prompt,
            "tools": self._agent.tools,
            "phase": self.phase,
            "calls": self._calls,
            "tool_seconds": self._tool_seconds,
        }


async def host(config: RunConfig, run: Path, idle_seconds: float) -> None:
    """Host one new trial of a run. Raises FolderError if the run can't take it."""
    folder, number = RunFolder.join(run, config)
    agent = OutsideAgent(config.agent, config.model, idle_seconds)
    watcher, private = Host(agent), scratch_folder("play-")
    hosted = Hosted(
        folder=folder.trial(number).resolve(), socket=private / "socket", process=os.getpid()
    )
    (hosted.folder / HOST).write_text(hosted.model_dump_json())
    try:
        async with await asyncio.start_unix_server(watcher.serve, hosted.socket, limit=LONGEST):
            trial = asyncio.create_task(_trial(config, folder, number, agent, watcher))
            await _first(trial, agent.begun.wait())
            _into_the_background(hosted)
            await trial
    finally:
        (hosted.folder / HOST).unlink()
        remove(private)
        with folder.alone():
            folder.write(SUMMARY, summarise(read_run(run)))


async def _trial(
    config: RunConfig, folder: RunFolder, number: int, agent: OutsideAgent, watcher: Host
) -> Trial:
    variant = choose(
        get_task(config.task), only=config.bugs, noise=config.noise, seed=config.variant_seed
    )
    launcher = Launcher() if config.confined else Launcher.unconfined()
    plan = Plan(
        variant,
        lambda _: agent,
        trials=number + 1,
        concurrency=1,
        seed=config.seed,
        launcher=launcher,
        trial_seconds=60 * config.trial_minutes,
    )
    return await run_trial(plan, folder, watcher, number)


async def _first(task: asyncio.Task[Any], other: Coroutine[Any, Any, Any]) -> None:
    """Wait until one of two is done; a task that has failed before is no reason to wait."""
    waiting = asyncio.create_task(other)
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


def _into_the_background(hosted: Hosted) -> None:
    """Tell whoever started this, then let go of its terminal: what is said goes to a file."""
    print(hosted.model_dump_json(), flush=True)  # noqa: T201
    log = os.open(hosted.folder / "host.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)


def main(run: str, idle_seconds: str) -> None:
    """The command line; a folder that can't be used is told as JSON, too."""
    try:
        config = RunConfig.model_validate_json(sys.stdin.read())
        asyncio.run(host(config, Path(run), float(idle_seconds)))
    except FolderError as error:
        print(json.dumps({"error": str(error)}))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
