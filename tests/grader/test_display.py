"""What a run shows: bars on a terminal, lines elsewhere, one episode or one line where asked."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import time
from io import StringIO

import pytest
from rich.console import Console

from grader.agents.base import ToolCall, Turn, Usage
from grader.display import Bars, Follower, event_lines
from grader.records import Trial
from grader.transcript import End, ResultEvent, Start, TurnEvent
from grader.verdict import FailureReason
from kernel_tool.results import Fault, Image, Text, ToolResult
from tests.command_line import refused
from tests.grader.test_trials import command
from tests.grader.tiny_task import run_on_tiny_task

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def start(model: str | None = "claude-opus-5-5") -> Start:
    facts = {"task": "transits", "variant": "transits-8-0", "seed": 1, "prompt": "", "tools": []}
    return Start(agent="claude", model=model, **facts)


def turn(n: int, *names: str, output: int = 100_000) -> TurnEvent:
    calls = tuple(ToolCall(f"call_{i}", name, {"code": "1"}) for i, name in enumerate(names))
    return TurnEvent.of(n, Turn("I look.", "", calls, Usage(output=output), "tool_use"), 0.1)


def result(text: str = "42", fault: Fault | None = None) -> ResultEvent:
    parts = (Text(text), Image(b"x"))
    return ResultEvent.of("call_0", "run_code", ToolResult(parts, fault), 0.1)


def ended(number: int, **facts) -> Trial:
    fields = {
        "outcome": "failed", "failure_reason": FailureReason.MISSED_BUG, "detail": "[red]no[/red]",
        "reward": 0.5, "bugs": (), "false_alarms": 0, "turns": 2, "tool_calls": 3, "tool_errors": 0,
        "model_errors": 0, "usage": {}, "cost": 1.5, "kernel_seconds": 1.0, "grade_seconds": 2.0,
        "seconds": 3.0, "confined": True,
    }  # fmt: skip
    return Trial(trial=number, **(fields | facts))


def terminal(width: int = 120) -> Console:
    return Console(file=StringIO(), force_terminal=True, width=width)


def shown(console: Console) -> str:
    return ESCAPES.sub("", console.file.getvalue())


def shows(console: Console, pattern: str) -> None:
    """Wait for what is drawn some ten times a second."""
    deadline = time.monotonic() + 20
    while not re.search(pattern, shown(console)):
        assert time.monotonic() < deadline, shown(console)[-500:]
        time.sleep(0.05)


def test_a_bar_shows_turn_tool_tokens_and_cost():
    console = terminal()
    with Bars(console, trials=3, done=1, most_calls=80) as bars:
        bars.event(2, start())
        bars.event(2, turn(1, "read_notebook"))
        bars.event(2, result())
        bars.event(2, turn(2, "run_cells", "run_code"))
        shows(console, r"trial 2 .* turn 2: run_cells, run_code +200,000 tokens  \$4.00")
    assert "1 of 3" in shown(console)


def test_a_bar_goes_when_its_trial_ends_and_its_line_stays():
    console = terminal()
    with Bars(console, trials=3, done=0, most_calls=80) as bars:
        bars.event(0, start(None))
        bars.grading(0)
        shows(console, "trial 0 .* grading")
        bars.ended(ended(0))
        bars.event(1, start(None))
        bars.ended(ended(1, outcome="infrastructure", failure_reason=None, attempt=2))
    assert "trial   0  failed missed_bug  [red]no[/red]  3 calls, 3 s, $1.50" in shown(console)
    assert "infrastructure" in shown(console)
    assert "attempt 2" in shown(console)
    assert "1 of 3" in shown(console)  # a fault is no trial that is done


def test_a_follower_follows_one_episode_and_then_the_next():
    console = Console(file=StringIO(), width=200)
    with Follower(console) as follower:
        follower.event(4, start())
        follower.event(5, start())
        follower.event(5, turn(1, "read_notebook"))
        follower.event(4, turn(1, "run_code"))
        follower.ended(ended(5))
        follower.event(4, result("boom", Fault.MODEL))
        follower.grading(4)
        follower.ended(ended(4))
        follower.event(6, start())
        follower.event(6, turn(1, "submit"))
    text = console.file.getvalue()
    assert "trial 4  run_code" in text
    assert "trial 5  " not in text.replace("trial   5", "")
    assert "model error boom + 1 plots" in text
    assert "trial 4  grading" in text
    assert "trial 6  submit" in text
    assert "\x1b" not in text


def test_what_a_model_wrote_is_no_markup_and_no_control_sequence():
    evil = "[red]\x1b[31mred\x07[/red]" + "x" * 5_000
    (line,) = event_lines(result(evil))
    console = Console(file=StringIO(), width=10_000)
    console.print(line)
    text = console.file.getvalue()
    assert "[red][31mred[/red]xxx" in text
    assert "more" in text
    assert len(text) < 1_000
    assert event_lines(End(reason="no_submission", detail="gone"))[0].endswith("gone")


@pytest.mark.parametrize("option", [None, "--quiet", "--verbose"])
def test_on_what_is_no_terminal_there_are_lines_and_no_control_sequences(option, tmp_path):
    options = [option] if option else []
    done = run_on_tiny_task(tmp_path, "--agent", "nop", "--trials", 1, *options)
    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.output
    assert "\r" not in done.output
    assert "trial   0  failed no_submission" in done.output
    if option == "--quiet":
        assert len(done.output.splitlines()) == 2
        assert "passed 0 of 1: 0%, 95% interval 0% to 79%" in done.output
    if option == "--verbose":
        assert "trial 0  turn 1  I have nothing more to do." in done.output


def test_on_a_terminal_there_are_bars(tmp_path):
    ours, theirs = pty.openpty()
    arguments = ["--agent", "nop", "--trials", 1, "--out", tmp_path / "run"]
    process = subprocess.Popen(
        command(*arguments), stdout=theirs, stderr=theirs, env=os.environ | {"COLUMNS": "120"}
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how a pty says that its other end is closed
            break
        written += part
    os.close(ours)
    assert process.wait() == 0
    assert b"\x1b[" in written
    assert "all trials" in ESCAPES.sub("", written.decode())
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["stopped"] == ""


def test_verbose_and_quiet_exclude_each_other(tmp_path):
    told = refused("grader.run_trials", "--verbose", "--quiet", "--out", tmp_path / "run")
    assert "exclude each other" in told
