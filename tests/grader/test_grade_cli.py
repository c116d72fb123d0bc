"""`python -m grader.grade`: a notebook and a report graded by hand."""

import json
import subprocess
import sys

import nbformat
import pytest

from grader.agents.scripted import oracle
from tests.command_line import refused
from tests.grader.playing import EIGHT


def run(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "grader.grade", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


@pytest.fixture
def handed_in(tmp_path):
    nbformat.write(EIGHT.broken(), tmp_path / "nb.ipynb")
    (tmp_path / "bug_report.json").write_text(json.dumps(oracle(EIGHT, 0).report))
    return tmp_path


def test_the_broken_notebook_fails_on_every_planted_clause_and_no_other(handed_in):
    only = ",".join(bug.id for bug in EIGHT.bugs)
    done = run("nb.ipynb", "--report", "bug_report.json", "--only", only, cwd=handed_in)
    assert done.returncode == 1, done.stderr
    verdict = json.loads((handed_in / "verdict.json").read_text())
    assert verdict["failure_reason"] == "partial_fix"
    assert 0 < verdict["reward"] < 0.9
    assert all(bug["reported"] and not bug["fixed"] for bug in verdict["bugs"])
    broken = {check["clause"] for check in verdict["checks"] if not check["passed"]} - {None}
    assert broken <= {clause for bug in EIGHT.bugs for clause in bug.clauses}
    assert "P8.gradient" in done.stdout
    assert "mean_of_means: reported" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["none.ipynb", "--report", "bug_report.json"], "there is no notebook at none.ipynb"),
        (["nb.ipynb", "--report", "none.json"], "there is no report at none.json"),
        (["nb.ipynb"], "--report"),
        (["nb.ipynb", "--report", "bug_report.json", "--task", "x"], "there is transits"),
        (["nb.ipynb", "--report", "bug_report.json", "--out", "/proc/x"], "choose another --out"),
        (["nb.ipynb", "--report", "."], "can't read the report"),
    ],
)
def test_what_cannot_be_graded_ends_in_one_line_and_status_2(
    arguments, advice, handed_in, monkeypatch
):
    monkeypatch.chdir(handed_in)
    assert advice in refused("grader.grade", *arguments)


@pytest.mark.parametrize(
    ("notebook", "report", "reason"),
    [("{", "[]", "notebook_error"), (None, "{", "bad_report"), (None, "{}", "bad_report")],
)
def test_broken_json_fails_with_a_reason(notebook, report, reason, handed_in):
    if notebook is not None:
        (handed_in / "nb.ipynb").write_text(notebook)
    (handed_in / "bug_report.json").write_text(report)
    done = run("nb.ipynb", "--report", "bug_report.json", cwd=handed_in)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    verdict = json.loads((handed_in / "verdict.json").read_text())
    assert verdict["failure_reason"] == reason
