"""The command line, as a person calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sample_trial import write_trial

from grader.export.__main__ import main


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def assert_refused(result: Result, *says: str) -> None:
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    for text in says:
        assert text in result.stderr


def test_all_trials_as_html_by_default(run: Path) -> None:
    write_trial(run, 1)
    result = call(run)
    assert result.exit_code == 0
    names = ("index.html", "trial-000.html", "trial-001.html")
    paths = [run / "export" / name for name in names]
    assert result.stdout.splitlines() == [str(path) for path in paths]
    assert all(path.is_file() for path in paths)


@pytest.mark.parametrize(("name", "suffix"), [("messages", "json"), ("markdown", "md")])
def test_chosen_trials_into_a_chosen_folder(
    run: Path, tmp_path: Path, name: str, suffix: str
) -> None:
    for number in (1, 2):
        write_trial(run, number)
    out = tmp_path / "a" / "b"
    result = call(run, "--format", name, "--trial", 2, "--trial", 0, "--out", out)
    assert result.stdout.split() == [f"{out}/trial-002.{suffix}", f"{out}/trial-000.{suffix}"]


def test_a_trial_that_left_no_folder_is_exported_too(run: Path) -> None:
    with (run / "trials.jsonl").open("a") as file:
        file.write(json.dumps({"trial": 1, "outcome": "infrastructure"}) + '\n{"trial": 2, "outc')
    result = call(run, "--trial", 1)
    assert result.exit_code == 0
    assert call(run, "--trial", 2).exit_code == 2


def test_a_run_without_trials_says_so(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    result = call(tmp_path)
    assert result.exit_code == 0
    assert "has no trials yet" in result.stderr


def test_an_unknown_run(tmp_path: Path) -> None:
    assert_refused(call(tmp_path / "nowhere"), "There is no folder", "runs/NAME")


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    assert_refused(call(tmp_path), "is not a run folder", "runs/NAME")


def test_an_unknown_trial(run: Path) -> None:
    assert_refused(call(run, "--trial", 7), "has no trial 7", "It has trial 0")
    for number in (1, 2):
        write_trial(run, number)
    assert_refused(call(run, "--trial", 0, "--trial", 7), "It has trials 0 to 2")
    assert not (run / "export").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--format", "pdf"], "'html', 'messages', 'markdown'"),
        (["--trial", "x"], "'x' is not a valid integer"),
        (["--colour"], "--colour"),
    ],
)
def test_wrong_options(run: Path, arguments: list[str], says: str) -> None:
    assert_refused(call(run, *arguments), says, "--help")


def test_no_run_at_all() -> None:
    assert_refused(call(), "Missing argument 'RUN'")


def test_an_output_that_can_not_be_written(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        assert_refused(call(run, "--out", out), "Can't write", "--out")


def test_it_runs_as_a_module(run: Path) -> None:
    command = [sys.executable, "-m", "grader.export", str(run), "--format", "messages"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"{run}/export/trial-000.json\n"
    assert done.stderr == ""
