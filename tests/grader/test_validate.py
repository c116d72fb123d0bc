"""`grader.validate`: it calls right what is right, and finds what is wrong with a task."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from grader import validate
from grader.checks import Reading
from grader.validation.cells import Part, Plan, code_cells, pilot_of
from grader.validation.confusion import CellResult, Outcome, confusion
from grader.validation.exploits import ELSEWHERE, EXPLOITS, attacks
from grader.validation.kept import remembered
from grader.validation.margins import margin_of, margins
from grader.validation.printing import Bar, print_confusion, print_margins, print_tally
from grader.validation.records import record
from grader.validation.running import Validation
from kernel_tool.launch import Launcher
from task_spec.checking import at_least, at_most, none_of
from task_spec.cli import Failure
from task_spec.model import Cheat, Edit, Measurement, Repair
from task_spec.registry import TASKS, get_task
from task_spec.source import read_source
from tests.command_line import refused
from tests.grader.tiny_task import tiny_task

BROKEN = (Part.BUG, Part.NEAR_MISS)


def plan_of(task, parts, bugs=None, seeds=range(1), **options):
    chosen = task.bugs if bugs is None else tuple(task.bug(bug) for bug in bugs)
    return Plan(task, frozenset(parts), chosen, seeds, task.levels[-1].noise, **options)


async def validated(task, parts, bugs=None, **options):
    validation = Validation(plan_of(task, parts, bugs, **options), Launcher(), jobs=2)
    await validation.run()
    return validation.results


def wrong(results):
    return {(r.cell.part, r.outcome): r.why for r in results if r.outcome is not Outcome.RIGHT}


def with_bug(task, bug_id, **changes):
    bugs = tuple(replace(b, **changes) if b.id == bug_id else b for b in task.bugs)
    return replace(task, bugs=bugs)


async def test_a_task_that_is_right_has_no_wrong_cell(tmp_path):
    task = tiny_task(tmp_path)
    results = await validated(task, set(Part) - {Part.CHEAT})
    assert wrong(results) == {}
    table = confusion(results)
    assert {part: counts[Outcome.RIGHT] for part, counts in table.items()} == {
        Part.CORRECT: 2,  # at both noises
        Part.BUG: 3,
        Part.PAIR: 3,
        Part.REPAIR: 3,
        Part.NEAR_MISS: 3,
        Part.REPORT: table[Part.REPORT].total(),
    }
    assert table[Part.REPORT].total() > 20
    found = margins(task, 0.5, results)
    assert [margin.check for margin in found] == ["P1.centre", "P2.spread", "P3.span"]
    assert not any(margin.too_small for margin in found)


async def test_cells_run_in_the_fewest_worlds_that_measure_them(tmp_path):
    results = await validated(tiny_task(tmp_path), {Part.BUG})
    worlds = {
        r.cell.name: {x.world for x in r.readings} for r in results if r.cell.part is Part.BUG
    }
    assert len(worlds["centre"]) == len(worlds["spread"]) == 1
    assert worlds["span"] == {"fresh", "turned"}  # the one is made from the other
    assert {x.check.id for r in results for x in r.readings if r.cell.name == "centre"} == {
        "P1.centre",
        "P2.spread",
    }


async def test_a_bound_that_is_too_lax_passes_what_is_broken(tmp_path):
    results = await validated(tiny_task(tmp_path, centre_limit=1e9), BROKEN, ["centre"])
    assert set(wrong(results)) == {(part, Outcome.WRONGLY_PASSED) for part in BROKEN}
    assert all("error of the mean" in why for why in wrong(results).values())


async def test_a_bound_that_is_too_strict_fails_what_is_right(tmp_path):
    task = tiny_task(tmp_path, centre_limit=-1.0)
    results = await validated(task, [Part.CORRECT, Part.REPAIR, Part.BUG], ["spread"])
    assert set(wrong(results)) == {
        (Part.CORRECT, Outcome.WRONGLY_FAILED),
        (Part.REPAIR, Outcome.WRONGLY_FAILED),
        (Part.BUG, Outcome.WRONG_CLAUSE),
    }


async def test_a_repair_that_is_none_and_edits_that_do_not_fit_are_found(tmp_path):
    task = tiny_task(tmp_path)
    bug = task.bug("centre")
    unfit = Repair("unfit", (Edit("centre", "no such text", ""),))
    swapped = with_bug(task, "centre", repairs=bug.near_misses, near_misses=(*bug.repairs, unfit))
    results = await validated(swapped, [Part.REPAIR, Part.NEAR_MISS], ["centre"])
    assert set(wrong(results)) == {
        (Part.REPAIR, Outcome.WRONGLY_FAILED),
        (Part.NEAR_MISS, Outcome.WRONGLY_PASSED),
        (Part.NEAR_MISS, Outcome.FAULT),
    }
    assert "no such text" in wrong(results)[Part.NEAR_MISS, Outcome.FAULT]


async def test_a_near_miss_that_breaks_another_clause_or_the_run_is_found(tmp_path):
    task = tiny_task(tmp_path)
    both = Edit("spread", "statistics.fmean(values)", "values[0] + 1")
    bug = task.bug("centre")
    miss = Repair("another clause", (*bug.plant, both))
    stop = Repair("an error", (Edit("load", "import json, statistics", "import no_such"),))
    results = await validated(
        with_bug(task, "centre", near_misses=(miss, stop)), [Part.NEAR_MISS], ["centre"]
    )
    first, second = (r for n in "12" for r in results if f"near miss {n}" in r.cell.name)
    assert first.outcome is second.outcome is Outcome.WRONG_CLAUSE
    assert "P2.spread" in first.why
    assert "No module named 'no_such'" in second.why


async def test_a_cheat_that_passes_or_is_caught_by_chance_is_found(tmp_path):
    task = tiny_task(tmp_path)
    honest = code_cells(read_source(task.source))
    cheats = (
        Cheat("repairs", "", 1, lambda _: honest),
        Cheat("by chance", "", 1, lambda _: ("pass",), checks=("P3.span",), worlds=("fresh",)),
    )
    results = await validated(replace(task, cheats=cheats), [Part.CHEAT], ["centre"])
    assert {r.cell.cheat.id: r.outcome for r in results if r.outcome is not Outcome.RIGHT} == {
        "repairs": Outcome.WRONGLY_PASSED,
        "by chance": Outcome.WRONG_CLAUSE,
    }
    assert len(results) > 20


async def test_a_notebook_that_does_not_run_ends_it_at_once(tmp_path):
    task = tiny_task(tmp_path)
    task.source.write_text(task.source.read_text().replace("import json, statistics", "1 / 0"))
    (result,) = await validated(task, [Part.CORRECT, Part.BUG])
    assert result.outcome is Outcome.WRONGLY_FAILED
    assert "ZeroDivisionError" in result.why


def test_ctrl_c_keeps_what_was_done(tmp_path):
    validation = Validation(plan_of(tiny_task(tmp_path), Part), Launcher(), jobs=2)
    bar = Bar(Console(quiet=True))

    def ended(result):
        if result.cell.part is Part.BUG:
            os.kill(os.getpid(), signal.SIGINT)

    bar.ended = ended
    assert validate._run(validation, bar, lambda: None)
    assert 0 < len(validation.results) < validation.total
    text = json.dumps(record(validation, [], True))
    assert json.loads(text)["interrupted"]


def validate_tiny(folder, *options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, "tiny", tiny_task(folder))
        words = ["--task", "tiny", "--seeds", "2", "--part", "correct,bug", *map(str, options)]
        return CliRunner().invoke(validate.main, words, standalone_mode=False)


def test_a_validation_goes_on_where_it_ended(tmp_path):
    whole, half = tmp_path / "whole.json", tmp_path / "half.json"
    assert validate_tiny(tmp_path, "--json", whole).return_value == 0
    data = json.loads(whole.read_text())
    assert len(data["cells"]) > 8
    # A CPU time that no cell takes says that it was not run again; a fault is.
    gone_on = [{**cell, "cpu_seconds": 1000.0} for cell in data["cells"][:4]]
    gone_on[3]["outcome"] = "machinery fault"
    half.write_text(json.dumps({**data, "cells": gone_on}))
    assert validate_tiny(tmp_path, "--resume", half).return_value == 0
    again = json.loads(half.read_text())
    assert again["confusion"] == data["confusion"]
    assert again["margins"] == data["margins"]
    # The first cell tells which worlds measure what, and is always run.
    assert sum(cell["cpu_seconds"] == 1000 for cell in again["cells"]) == 2
    assert validate_tiny(tmp_path, "--part", "report", "--resume", half).return_value == 0
    assert json.loads(half.read_text())["cells"] == again["cells"]


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"task": "tinylm"}, "give --task tinylm"),
        ({"sources": "0" * 16}, "start again without --resume"),
        ({"cells": None}, "was not written by --json: cells"),
    ],
)
def test_what_it_cannot_go_on_with_is_told(tmp_path, changes, advice):
    path = tmp_path / "found.json"
    assert validate_tiny(tmp_path, "--part", "report", "--json", path).return_value == 0
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    before = path.read_text()
    with pytest.raises(Failure, match=advice):
        raise validate_tiny(tmp_path, "--resume", path).exception
    assert path.read_text() == before


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(Failure, match="can't read"):
        raise validate_tiny(tmp_path, "--resume", tmp_path / "none.json").exception


def test_infinite_values_are_kept(tmp_path):
    task = tiny_task(tmp_path)
    (result,) = results_with(task, Part.CORRECT, [np.inf], 1.2)
    validation = Validation(plan_of(task, Part), Launcher(), 1, results=[result])
    path = tmp_path / "found.json"
    path.write_text(json.dumps(record(validation, [], True)))
    assert remembered(path, "tiny").recall(result.cell) == result


def test_what_was_done_is_kept_now_and_then(tmp_path, monkeypatch):
    validation = Validation(plan_of(tiny_task(tmp_path), {Part.BUG}), Launcher(), jobs=2)
    kept: list[int] = []

    def keep():
        kept.append(len(validation.results))
        raise Failure("no space left")  # and so does the validation go on

    monkeypatch.setattr(validate, "EVERY", 2)
    assert not validate._run(validation, Bar(Console(quiet=True)), keep)
    assert len(validation.results) == validation.total
    assert kept == [n for n in range(1, validation.total + 1) if n % 2 == 0]


# --- margins, on values that are drawn here


def drawn(mean, deviation, limit, make=at_most, n=400, **options):
    values = np.random.default_rng(0).normal(mean, deviation, n)
    return [make(float(value), limit, "", **options) for value in values]


def test_a_margin_is_a_distance_in_standard_deviations():
    clean = margin_of(drawn(1, 0.1, 2), clean=True, of="")
    assert clean.margin == pytest.approx(10, rel=0.1)
    broken = margin_of(drawn(3, 0.1, 2), clean=False, of="")
    assert broken.margin == pytest.approx(10, rel=0.1)
    assert margin_of(drawn(3, 0.1, 2), clean=True, of="").margin < 0
    assert margin_of(drawn(3, 0.1, 2, at_least), clean=True, of="").margin > 9
    assert margin_of(drawn(3, 0.1, 2, at_least), clean=False, of="").margin < 0


def test_a_margin_of_errors_is_one_of_magnitudes():
    values = 10 ** np.random.default_rng(0).normal(-6, 0.2, 400)
    found = [at_most(float(value), 1e-4, "", log=True) for value in values]
    assert margin_of(found, clean=True, of="").margin == pytest.approx(10, rel=0.1)
    rounding = [at_most(value, 1e-4, "", log=True) for value in (0.0, 1e-9, 1e-7)]
    assert margin_of(rounding, clean=True, of="").margin == np.inf


@pytest.mark.parametrize(
    ("counts", "clean", "margin"),
    [
        ([0] * 20, True, np.inf),
        ([1] * 20, True, -np.inf),
        ([3] * 20, False, np.inf),
        ([0] * 20, False, -np.inf),
        ([4, 9, 16] * 7, False, (3 - 0.5**0.5) / np.std([2, 3, 4] * 7, ddof=1)),
    ],
)
def test_a_margin_of_counts_is_one_of_their_roots(counts, clean, margin):
    found = [none_of(count, "") for count in counts]
    assert margin_of(found, clean=clean, of="").margin == pytest.approx(margin)


def test_what_cannot_be_measured_fails_for_sure():
    nothing = [Measurement(None, False, "")] * 20
    assert margin_of(nothing, clean=False, of="").margin == np.inf
    assert margin_of(nothing, clean=True, of="").too_small
    undefined = [Measurement(1.0, True, "")] * 20
    assert margin_of(undefined, clean=True, of="").margin is None
    assert not margin_of(undefined, clean=True, of="").too_small


def test_what_cannot_be_measured_at_times_leaves_the_margin_of_the_rest():
    mixed = [*drawn(3, 0.1, 2, n=3), *[Measurement(None, False, "")] * 17]
    assert 0 < margin_of(mixed, clean=False, of="").margin < np.inf
    alone = [at_most(3.0, 2, ""), *[Measurement(None, False, "")] * 19]
    assert margin_of(alone, clean=False, of="").margin == np.inf


def results_with(task, part, values, limit, bug=None):
    """Results of cells in which the first check has these values, one a seed."""
    check = task.checks[0]
    for seed, value in enumerate(values):
        cell = pilot_of(plan_of(task, Part, seeds=range(seed, seed + 1)))
        cell = replace(cell, part=part, breaks=(bug,) if bug else (), name=bug.id if bug else "")
        reading = Reading(check, "fresh", at_most(float(value), limit, ""))
        yield CellResult(cell, Outcome.RIGHT, "", (reading,))


@pytest.mark.parametrize(("seeds", "decides"), [(19, False), (20, True)])
@pytest.mark.parametrize(("limit", "small"), [(1.2, "clean"), (2.8, "broken"), (2.0, None)])
def test_a_bound_that_stands_too_near_is_wrong_from_twenty_seeds_on(
    tmp_path, capsys, seeds, decides, limit, small
):
    task = tiny_task(tmp_path)
    spread = np.linspace(-0.15, 0.15, seeds)
    correct = results_with(task, Part.CORRECT, 1 + spread, limit)
    broken = results_with(task, Part.BUG, 3 + spread, limit, task.bug("centre"))
    (margin,) = margins(task, 0.5, [*correct, *broken])
    too_small = {name for name in ("clean", "broken") if getattr(margin, name).too_small}
    assert too_small == ({small} if small and decides else set())
    assert margin.too_small is bool(small and decides)
    tally = validate.tally_of(Validation(plan_of(task, []), Launcher(), 1), [margin])
    assert tally.holds is not margin.too_small
    print_margins(Console(quiet=True), [margin])
    print_tally(Console(width=200), tally)
    assert ("1 undecided" in capsys.readouterr().out) is not decides


async def test_wrong_cells_are_told_with_the_command_that_shows_them_again(tmp_path, capsys):
    results = await validated(tiny_task(tmp_path, centre_limit=1e9), [Part.BUG], ["centre"])
    bar = Bar(Console(width=200))
    for result in results:
        bar.ended(result)
    print_confusion(Console(width=200), results)
    told = capsys.readouterr().out
    assert "wrongly passed: bug, centre (seed 0, noise 0.5)" in told
    again = "--task tiny --part bug --only centre --seed 0 --seeds 1 --noise 0.5"
    assert f"python -m grader.validate {again}" in told


async def test_where_there_is_no_terminal_a_line_now_and_then_tells_of_progress(tmp_path, capsys):
    results = await validated(tiny_task(tmp_path, centre_limit=1e9), [Part.BUG], ["centre"])
    bar = Bar(Console(width=200))
    bar.start(250)
    for _ in range(249):
        bar.ended(results[-1])
    told = [line for line in capsys.readouterr().out.splitlines() if "of 250 cells" in line]
    assert told == ["100 of 250 cells, 100 wrong", "200 of 250 cells, 200 wrong"]


# --- exploits, and the command line


@pytest.mark.parametrize("name", sorted(TASKS))
def test_every_exploit_is_tried_here_or_elsewhere(name):
    tried = attacks(get_task(name))
    missing = {number for number, ids in tried.items() if not ids} - set(ELSEWHERE)
    assert {EXPLOITS[number] for number in missing} == set()
    root = Path(__file__).parents[2]
    assert all((root / path).is_file() for path in ELSEWHERE.values())


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["--task", "transit"], "did you mean 'transits'"),
        (["--part", "bugs"], "there is no 'bugs'"),
        (["--only", "nope"], "it has "),
        (["--seeds", "0"], "not in the range"),
        (["--json", "/no/such/folder/x.json"], "choose another --json"),
        (["--json", "/"], "is a directory"),
    ],
)
def test_wrong_use_ends_in_one_line(arguments, advice):
    assert advice in refused("grader.validate", *arguments)


@pytest.mark.parametrize("name", sorted(TASKS))
def test_false_reports_do_not_pass(name, tmp_path):
    out = tmp_path / "found.json"
    arguments = ["--task", name, "--part", "report", "--json", str(out)]
    result = CliRunner().invoke(validate.main, arguments, standalone_mode=False)
    assert result.return_value == 0, result.output
    found = json.loads(out.read_text())
    assert found["wrong"] == []
    assert found["confusion"]["report"]["right"] > 15


@pytest.mark.matrix
@pytest.mark.parametrize("name", ["tinylm"])
async def test_a_bug_and_its_near_misses_are_caught_on_a_real_task(name):
    task = get_task(name)
    assert wrong(await validated(task, BROKEN, [task.bugs[0].id])) == {}
