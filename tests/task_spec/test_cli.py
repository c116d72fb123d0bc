"""`python -m task_spec.build` and `python -m task_spec.card`."""

import subprocess
import sys

import nbformat
import pytest

from task_spec.diff import brief_diff, plant_diff
from task_spec.registry import get_task
from tests.command_line import refused


def run(module, *arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", f"task_spec.{module}", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


def test_build_writes_the_chosen_bugs_and_the_data(tmp_path):
    out = tmp_path / "variant"
    done = run("build", "--only", "mask_cut,best_alias", "--no-execute", "--out", out)
    assert done.returncode == 0, done.stderr
    notebook = nbformat.read(out / "transits.ipynb", as_version=4)
    sources = "\n".join(cell.source for cell in notebook.cells)
    task = get_task("transits")
    planted = {bug.id for bug in task.bugs if all(edit.old not in sources for edit in bug.plant)}
    assert planted == {"mask_cut", "best_alias"}
    assert {path.name for path in (out / "data").iterdir()} == {
        "targets.csv",
        "labels.csv",
        "inputs.npz",
        "curves.csv",
        "flux.npy",
    }


def test_another_seed_draws_other_data_and_other_bugs(tmp_path):
    for seed in (1, 2):
        done = run(
            "build", "--bugs", 3, "--seed", seed, "--no-execute", "--out", tmp_path / str(seed)
        )
        assert done.returncode == 0, done.stderr
    one, two = (tmp_path / str(seed) for seed in (1, 2))
    assert (one / "transits.ipynb").read_text() != (two / "transits.ipynb").read_text()
    assert (one / "data" / "targets.csv").read_text() != (two / "data" / "targets.csv").read_text()


def test_card_shows_prompt_bugs_sources_and_bounds():
    done = run("card", "transits")
    assert done.returncode == 0, done.stderr
    task = get_task("transits")
    for bug in task.bugs:
        assert f"### {bug.id} " in done.stdout
        assert bug.source in done.stdout
        assert brief_diff(task, bug) in done.stdout
        assert all(repair.why in done.stdout for repair in (*bug.repairs, *bug.near_misses))
    for check in task.checks:
        assert f"| {check.id} | {check.bound} |" in done.stdout
    assert "# Repair a notebook that is silently wrong" in done.stdout
    assert f"| {task.levels[-1].name} |" in done.stdout


def test_a_brief_diff_has_all_that_a_bug_adds_and_folds_long_removals():
    task = get_task("transits")
    folded = 0
    for bug in task.bugs:
        whole, brief = (diff(task, bug).splitlines() for diff in (plant_diff, brief_diff))
        added = [line for line in whole if line.startswith("+") and not line.startswith("+++")]
        assert [line for line in brief if line.startswith("+")] == added
        assert len(brief) < len(whole)
        folded += any(line.startswith("- … and ") for line in brief)
    assert 0 < folded < len(task.bugs)


@pytest.mark.parametrize(
    ("module", "arguments", "advice"),
    [
        ("card", ["transit"], "did you mean 'transits'"),
        ("build", ["--task", "nope", "--out", "x"], "there is transits"),
        ("build", ["--only", "nope", "--out", "x"], "it has star_hours"),
        ("build", ["--bugs", "-1", "--out", "x"], "takes 0 to"),
        ("build", [], "--out"),
        ("build", ["--no-execute", "--out", "/proc/nope"], "choose another --out"),
        ("build", ["--seed", "x", "--out", "x"], "--seed"),
    ],
)
def test_wrong_use_ends_in_one_line_and_status_2(module, arguments, advice, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert advice in refused(f"task_spec.{module}", *arguments)
