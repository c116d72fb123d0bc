"""The matcher of bug reports: by clause and place, one to one."""

import dataclasses

import jsonschema
import pytest

from grader.agents.scripted import oracle
from grader.grading import judge
from grader.report import match, problems
from grader.submission import ReportError, parse_report
from grader.verdict import FailureReason, ReportEntry
from task_spec.model import ReportRules, Rows
from task_spec.prompt import render_prompt
from task_spec.registry import get_task
from task_spec.submit_tool import report_schema
from task_spec.variant import Variant
from tests.grader.playing import EIGHT, TASK

VARIANT = EIGHT
EVERYTHING = Variant(TASK, TASK.bugs)


def entry(clause, cell, quote):
    return ReportEntry(clause=clause, cell=cell, quote=quote, explanation="")


def entries_of(variant):
    return [ReportEntry(**fields) for fields in oracle(variant, 0).report]


@pytest.mark.parametrize("variant", [VARIANT, EVERYTHING], ids=["default", "all bugs"])
def test_a_full_report_matches_every_bug_to_its_own_entry(variant):
    entries = entries_of(variant)
    assert not problems(entries, variant)
    matched = match(entries, variant)
    assert matched.entry_of == {bug.id: i for i, bug in enumerate(variant.bugs)}
    assert matched.false_alarms == ()


@pytest.mark.parametrize("bug", TASK.bugs, ids=lambda bug: bug.id)
def test_another_bugs_entry_does_not_report_this_one_too(bug):
    """Where two bugs break one clause in the same lines, it is either's."""
    others = [e for e, b in zip(entries_of(EVERYTHING), TASK.bugs, strict=True) if b is not bug]
    (missed,) = {b.id for b in TASK.bugs} - match(others, EVERYTHING).entry_of.keys()
    assert missed == bug.id or {missed, bug.id} == {"band_na", "lost_rows"}


@pytest.mark.parametrize("reported", ["schedule_count", "first_group"])
@pytest.mark.parametrize("turn", [1, -1])
def test_of_two_bugs_that_an_entry_fits_it_reports_the_one_whose_lines_it_quotes(reported, turn):
    task = get_task("tinylm")
    bugs = (task.bug("schedule_count"), task.bug("first_group"))[::turn]
    entries = [ReportEntry(**fields) for fields in oracle(Variant(task, bugs), 0).report]
    chosen = next(e for e, bug in zip(entries, bugs, strict=True) if bug.id == reported)
    for variant in (Variant(task, bugs), Variant(task, (task.bug(reported),))):
        assert match([chosen], variant).entry_of == {reported: 0}


def test_as_many_bugs_as_can_be_are_reported_whatever_their_entries_quote():
    task = get_task("tinylm")
    both = Variant(task, (task.bug("schedule_count"), task.bug("first_group")))
    (own,) = oracle(Variant(task, both.bugs[1:]), 0).report
    entries = [ReportEntry(**own)] * 2  # of the line that one has changed, in a place for both
    assert match(entries, both).entry_of.keys() == {bug.id for bug in both.bugs}


def test_right_place_under_the_wrong_clause_is_a_false_alarm():
    (first, *_) = entries_of(VARIANT)
    matched = match([first.model_copy(update={"clause": "P16"})], VARIANT)
    assert matched.entry_of == {}
    assert matched.false_alarms == (0,)


def test_right_clause_in_the_wrong_function_is_a_false_alarm():
    matched = match([entry("P8", "model", "class TransitNet(nn.Module):")], VARIANT)
    assert matched.false_alarms == (0,)


def test_the_clause_of_a_bug_that_was_not_planted_is_a_false_alarm():
    variant = Variant(TASK, (TASK.bug("mask_cut"),))
    matched = match([entry("P3", "prepare", "def relative_flux(flux, unit):")], variant)
    assert matched.false_alarms == (0,)


def test_a_second_entry_for_one_bug_is_neither_match_nor_false_alarm():
    (first, *_) = entries_of(VARIANT)
    matched = match([first, first], VARIANT)
    assert len(matched.entry_of) == 1
    assert matched.false_alarms == ()


def test_any_line_of_the_function_will_do_and_white_space_does_not_matter():
    quotes = [
        "def train_step(model, optimizer, batches):",
        "optimizer.zero_grad( )",
        "loss.backward()",
    ]
    for quote in quotes:
        assert match([entry("P8", "step", quote)], VARIANT).entry_of == {"mean_of_means": 0}


def test_several_adjacent_lines_can_be_quoted():
    quote = "optimizer.zero_grad()\n    total = 0.0\n\n    trained = "
    assert match([entry("P8", "step", quote)], VARIANT).entry_of == {"mean_of_means": 0}


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        (entry("P99", "step", "optimizer.zero_grad()"), "there is no clause"),
        (entry("P8", "nowhere", "optimizer.zero_grad()"), "there is no cell"),
        (entry("P8", "step", "optimizer.zero_gradient()"), "does not stand in cell"),
        (entry("P8", "step", "for"), "at least 6 characters"),
        (entry("P8", "step", "\n".join(["x = 1"] * 13)), "at most 12 lines"),
    ],
)
def test_an_entry_that_points_nowhere_is_named_with_its_problem(wrong, advice):
    (problem,) = problems([wrong], VARIANT)
    assert problem.startswith("entry 0:")
    assert advice in problem


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ("{", "no valid JSON"),
        ("{}", "must be a list"),
        ({"bug_report": []}, "must be a list"),
        ([1], "entry 0"),
        ([{"clause": "P1"}], "fields: clause, cell, quote"),
        ([{"clause": "P1", "cell": "a", "quote": "b", "extra": 1}], "entry 0.extra"),
        ([{"clause": 1, "cell": "a", "quote": "b"}], "entry 0.clause"),
        ([{"clause": "P1", "cell": "a", "quote": "b"}] * 41, "at most 40"),
        ([{"clause": "P1", "cell": "a", "quote": "b", "rows": "T1"}], "entry 0.rows"),
        ([{"clause": "P1", "cell": "a", "quote": "b", "rows": [1.5]}], "entry 0.rows"),
        ([{"clause": "P1", "cell": "a", "quote": "b", "rows": [[["T1"]]]}], "entry 0.rows"),
        ("[" * 100_000, "no valid JSON"),
        ("x" * 300_000, "more than 200 kB"),
        (None, "must be a list"),
    ],
)
def test_a_malformed_report_is_refused_in_words(value, advice):
    with pytest.raises(ReportError, match=advice):
        parse_report(value, ReportRules())


def test_a_report_of_nothing_is_well_formed_and_misses_everything():
    assert parse_report("[]", ReportRules()) == ()
    assert match((), VARIANT).entry_of == {}


AFFECTED = frozenset((str(100 + i), str(200 + i)) for i in range(10))
BUG = dataclasses.replace(
    TASK.bug("mask_cut"),
    rows=Rows("pairs", size=2, min_precision=0.9, min_recall=0.8, of=lambda _: AFFECTED),
)
WITH_ROWS = Variant(dataclasses.replace(TASK, bugs=(BUG, TASK.bug("band_na"))), (BUG,))


def rows_entry(rows):
    (first,) = entries_of(WITH_ROWS)
    return first.model_copy(update={"rows": rows})


def pairs(right, wrong=0):
    found = [[str(200 + i), str(100 + i)] for i in range(right)]
    return found + [[str(100 + i), f"wrong{i}"] for i in range(wrong)]


@pytest.mark.parametrize(
    ("rows", "reported"),
    [
        (pairs(10), True),
        (pairs(8), True),
        (pairs(7), False),
        (pairs(9, wrong=1), True),
        (pairs(9, wrong=2), False),
        (pairs(8) * 2, True),
        ([[100 + i, 200 + i] for i in range(10)], True),
    ],
)
def test_rows_report_a_bug_by_precision_and_recall(rows, reported):
    matched = match([rows_entry(rows)], WITH_ROWS)
    assert (BUG.id in matched.entry_of) is reported
    assert matched.false_alarms == ()


def test_rows_of_several_entries_count_together_so_that_guessing_costs():
    halves = [rows_entry(pairs(10)[:5]), rows_entry(pairs(10)[5:])]
    assert BUG.id in match(halves, WITH_ROWS).entry_of
    guesses = [rows_entry(pairs(10)), rows_entry(pairs(0, wrong=9))]
    matched = match(guesses, WITH_ROWS)
    assert matched.entry_of == {}
    assert matched.rows[BUG.id].precision == pytest.approx(10 / 19)


def test_a_bug_with_wrong_rows_fails_for_that_reason_and_says_how_wrong():
    verdict = judge(WITH_ROWS, [], match([rows_entry(pairs(5))], WITH_ROWS))
    assert verdict.failure_reason == FailureReason.WRONG_ROWS
    assert "precision 1.00, recall 0.50" in verdict.detail
    (bug,) = verdict.bugs
    assert (bug.reported, bug.precision, bug.recall) == (False, 1, 0.5)


@pytest.mark.parametrize(
    ("rows", "advice"),
    [
        ([], "lists pairs in the field `rows`"),
        (["a1"], "a list of 2 different ids"),
        ([["a1", "a1"]], "a list of 2 different ids"),
        ([["a1", "b1", "c1"]], "a list of 2 different ids"),
    ],
)
def test_rows_of_another_shape_are_named(rows, advice):
    (problem,) = problems([rows_entry(rows)], WITH_ROWS)
    assert advice in problem
    assert problem.startswith("entry 0:")


def test_rows_under_another_clause_do_not_matter():
    (first, *_) = entries_of(VARIANT)
    assert problems([first.model_copy(update={"rows": ["T1"]})], VARIANT) == []


def test_prompt_and_schema_say_what_rows_are_wanted():
    prompt = render_prompt(WITH_ROWS.task)
    assert "An entry for P4, if there is one, also has the field `rows`: a list of pairs" in prompt
    assert "at least 90% are right" in prompt
    assert "at least 80% of the right ones" in prompt
    schema = report_schema(WITH_ROWS.task.report)["properties"]["bug_report"]
    jsonschema.validate([rows_entry(pairs(2)).model_dump()], schema)
