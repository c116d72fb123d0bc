"""The data of `transits`: what is written, what is hidden, and what the row bugs touch."""

import csv
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from task_spec.model import Draw, Evidence
from task_spec.rows import RowScore
from task_spec.transits import TASK, extraction_ceiling, sheet_ceiling
from task_spec.transits.bugs import BUGS
from task_spec.transits.bugs.extractions import SECOND_EXTRACTIONS
from task_spec.transits.checks.data import reference_input
from task_spec.transits.curves import (
    FILL,
    FILLED,
    FIRST_CADENCE,
    LEAST_BEND,
    LONGEST,
    NEWEST_FIRST,
    OTHER_UNIT,
    Curve,
    Timing,
    apart,
    bridge,
    hold,
    repeat,
)
from task_spec.transits.earlier import earlier_inputs
from task_spec.transits.remarks import (
    LARGE,
    NOTED,
    SAME_EXPOSURE,
    SAME_STAR,
    STRETCHES,
    SWALLOWED,
    UNCLOSED,
    with_remarks,
)
from task_spec.transits.sheet import WRONG_LABELS, WRONG_LABELS_OF_SMALL, draw_sheet
from task_spec.transits.survey import draw_survey, magnitudes, unit_vectors
from task_spec.transits.worlds import SMALL, published_survey

SURVEY = draw_survey(4, stars=150, noise=0.3)
SURVEYS = [SURVEY, draw_survey(6, stars=SMALL, noise=0.3), draw_survey(7, noise=0.95)]
ROW_BUGS = [bug for bug in BUGS if bug.rows is not None]


def _flux(survey, target_id):
    for row in survey.curves[survey.curves["target_id"] == target_id].itertuples():
        yield row, survey.flux[row.start : row.start + row.length]


def test_hidden_columns_and_labels_stay_out_of_the_files(tmp_path):
    SURVEY.write(tmp_path / "own")
    SURVEY.write(tmp_path / "hidden", labels=False)
    assert list(pd.read_csv(tmp_path / "own/targets.csv")) == ["target_id", "release", "ra", "dec"]
    wanted = ["curve_id", "target_id", "band", "unit", "t0", "start", "length", "remark"]
    assert list(pd.read_csv(tmp_path / "own/curves.csv")) == wanted
    assert list(pd.read_csv(tmp_path / "own/labels.csv")) == ["target_id", "mag", "label"]
    names = {path.name for path in (tmp_path / "hidden").iterdir()}
    assert names == {"targets.csv", "curves.csv", "flux.npy"}
    assert sum(path.stat().st_size for path in (tmp_path / "own").iterdir()) < 4_000_000


def test_a_draw_is_repeatable_and_noise_keeps_what_is_affected_alike():
    again = draw_survey(4, stars=150, noise=0.3)
    assert again.targets.equals(SURVEY.targets)
    assert np.array_equal(again.flux, SURVEY.flux, equal_nan=True)
    other = draw_survey(4, stars=150, noise=0.9)
    assert other.copies() == SURVEY.copies()


def _extracted_twice(survey):
    """(target, target whose exposure it is) of each second extraction."""
    copies = survey.targets[survey.targets["copy_of"] != ""]
    return list(zip(copies["target_id"], copies["copy_of"], strict=True))


def _correlation(survey, copy, original, timing, *, turned=None):
    """The highest correlation of flux with one of the original's curves of the same band, all of
    the time of which holds the copy's, if the copy is timed in that way; -1 if there is none.
    ``turned``: whether to turn the copy round; left out, it is turned if it is written that way."""
    ((mine, flux),) = _flux(survey, copy)
    flux = flux[::-1] if (mine.newest_first if turned is None else turned) else flux
    best = -1.0
    for row, other in _flux(survey, original):
        at = round(48 * (mine.t0 - row.t0)) - timing.ahead(mine.length)
        within = at >= 0 and at + mine.length <= row.length
        if within and row.true_band == mine.true_band:
            both = np.stack([flux, other[at : at + mine.length]])
            r = np.corrcoef(both[:, np.isfinite(both).all(axis=0)])[0, 1]
            r *= 1 if row.unit == mine.unit else -1  # a magnitude rises where flux falls
            best = max(best, float(r))
    return best


def test_a_second_extraction_is_of_the_same_star_at_another_place():
    targets = SURVEY.targets.set_index("target_id")
    assert len(SURVEY.copies()) == 18
    for copy, original in _extracted_twice(SURVEY):
        assert targets.loc[copy, "star"] == targets.loc[original, "star"]
        assert targets.loc[copy, "place"] != targets.loc[original, "place"]


def test_a_second_extraction_has_the_same_light_at_its_start_from_midnight_or_noon_or_its_middle():
    survey = draw_survey(4)
    pairs = _extracted_twice(survey)
    r = np.array([[_correlation(survey, *pair, timing) for timing in Timing] for pair in pairs])
    assert np.all(r.max(axis=1) > 0.8)
    share = np.bincount(r.argmax(axis=1), minlength=3) / len(pairs)
    assert np.all((share > 0.15) & (share < 0.55))


def test_a_quarter_of_the_second_extractions_and_no_other_curve_is_written_newest_first():
    for survey in SURVEYS:
        pairs, curves = _extracted_twice(survey), survey.curves
        turned = set(curves["target_id"][curves["newest_first"]])
        assert len(turned) == curves["newest_first"].sum() == round(NEWEST_FIRST * len(pairs))
        assert turned <= {copy for copy, _ in pairs}


def test_who_reads_a_curve_in_the_wrong_order_finds_no_exposure_at_any_timing():
    survey = draw_survey(4)
    written = survey.curves.set_index("target_id")["newest_first"]
    wrong = [
        max(_correlation(survey, *pair, t, turned=not written[pair[0]]) for t in Timing)
        for pair in _extracted_twice(survey)
    ]
    assert np.mean(np.array(wrong) > 0.8) < 0.1


def test_newest_first_is_the_same_curve_turned_round_at_the_same_time():
    flux, missing = np.linspace(0, 0.1, 5), np.array([False, True, False, False, False])
    curve = Curve("W", "e/s", 7, 100.0, flux, 0.1, missing, Timing.MIDDLE)
    turned = replace(curve, newest_first=True)
    assert np.array_equal(turned.values(""), curve.values("")[::-1], equal_nan=True)
    assert turned.t0() == curve.t0()


def _as_evidence(survey, inputs):
    """What a run tells of a hidden survey whose curves it prepared: inputs (2, T) by curve_id."""
    prepared = [[curve, 0, x.shape[1]] for curve, x in inputs.items()]
    arrays = {"prepared": np.concatenate(list(inputs.values()), axis=1)}
    return Evidence("fresh", SimpleNamespace(hidden=survey), {"prepared": prepared}, arrays)


@pytest.mark.parametrize(
    ("turns", "passes"), [("none", True), ("newest_first", True), ("oldest_first", False)]
)
def test_a_curve_may_enter_turned_round_only_if_it_is_written_newest_first(turns, passes):
    inputs = {}
    for row in SURVEY.curves.itertuples():
        flux = SURVEY.flux[row.start : row.start + row.length]
        x = np.stack([reference_input(flux, row.unit), np.isfinite(flux)])
        order = "newest_first" if row.newest_first else "oldest_first"
        inputs[row.curve_id] = x[:, ::-1] if turns == order else x
    evidence = _as_evidence(SURVEY, inputs)
    for check in ("P3.flux", "P3.observed"):
        (found,) = (c for c in TASK.checks if c.id == check)
        assert found.measure(evidence, {}).passed == passes


def test_the_second_release_lost_the_sign_of_minus_zero_degrees_and_the_truth_knows_it():
    targets = draw_survey(4).targets
    second = targets["release"] == "DR2"
    unsigned = second & targets["south"] & (targets["dec"] > 0)
    assert not (second & targets["dec"].between(-1, 0)).any()
    assert unsigned.sum() >= 10
    assert targets["dec"][unsigned].max() < 1
    assert ((targets["dec"] < 0) == targets["south"])[~unsigned].all()
    assert 0.1 < targets["dec"].where(~unsigned, -targets["dec"]).between(-1, 0).mean() < 0.2


def _vectors(targets, dec):
    return unit_vectors(targets["ra"].where(targets["release"] == "DR1", 15 * targets["ra"]), dec)


def test_a_lost_sign_can_be_told_no_place_is_near_another_ones_mirror_image():
    for survey in SURVEYS:
        targets = survey.targets.drop_duplicates("place")
        dec = targets["dec"].abs()
        near = targets[dec < 1.1]
        both = [_vectors(near, near["dec"]), _vectors(near, -near["dec"])]
        alike = np.maximum(both[0] @ both[0].T, both[0] @ both[1].T)
        np.fill_diagonal(alike, 0)
        # A second measurement is off by up to 3 arcsec.
        assert np.rad2deg(np.arccos(alike.max())) * 3600 > 54


def test_stars_of_both_releases_lie_at_places_of_opposite_sign():
    targets = draw_survey(4).targets
    pairs = targets.groupby("place").filter(lambda rows: len(rows) == 2)
    sign = np.sign(pairs["dec"]).groupby(pairs["place"]).sum()
    assert (sign == 0).sum() >= 3


def test_curves_timed_by_their_middle_lie_behind_by_lags_that_hardly_repeat():
    survey = draw_survey(4)
    length = survey.curves.set_index("target_id")["length"]
    middle = Timing.MIDDLE
    lags = [
        middle.ahead(length[copy])
        for copy, original in _extracted_twice(survey)
        if _correlation(survey, copy, original, middle) > 0.8
    ]
    assert len(set(lags)) > len(lags) / 2
    assert min(lags) > 48  # no scan of up to a day meets one


def test_the_middle_point_is_the_one_at_half_of_the_length():
    assert [Timing.MIDDLE.ahead(n) for n in (120, 121)] == [60, 60]


def test_releases_are_apart_in_true_time():
    assert FIRST_CADENCE["DR1"][1] + LONGEST <= FIRST_CADENCE["DR2"][0]


def test_ids_are_neighbours_that_a_32_bit_float_merges():
    ids = SURVEY.targets["target_id"].astype(int).to_numpy()
    assert len(np.unique(ids)) == len(ids)
    assert len(np.unique(ids.astype(np.float32))) < 0.9 * len(ids)


def _entry_rows(sheet):
    """(rows,) the row to which the entry in each row belongs."""
    return pd.Index(sheet["target_id"]).get_indexer(sheet["entry_of"])


def _stretches(sheet):
    """Of a slip, of two columns, and of either page the misplaced rows and the rows to which their
    entries belong: by way, in which they come in the sheet."""
    entry = _entry_rows(sheet)
    rows = np.flatnonzero(entry != np.arange(len(entry)))
    found = {}
    for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
        of = entry[run]
        away = set(of) != set(run)
        way = ("second" if "first" in found else "first") if away else None
        found[way or ("slip" if of[0] == run[-1] else "columns")] = (run, of)
    return found


def _read_across(rows):
    """Two columns, the first half of the rows and the second, line by line."""
    return np.reshape(rows, (2, -1)).T.ravel()


def _label_by_row(survey):
    return survey.targets.set_index("target_id")["label"].loc[survey.sheet["target_id"]].to_numpy()


@pytest.mark.parametrize("survey", SURVEYS, ids=lambda survey: str(len(survey.targets)))
def test_one_run_slipped_one_was_copied_across_columns_and_two_pages_changed_places(survey):
    found = _stretches(survey.sheet)
    assert set(found) == {"slip", "columns", "first", "second"}
    rows, entry = found["slip"]
    assert 30 <= len(rows) <= 40
    assert list(entry) == [rows[-1], *rows[:-1]]
    inner, moved = found["columns"]
    whole = np.arange(inner[0] - 1, inner[-1] + 2)  # its first row and its last are right
    assert 30 <= len(whole) <= 40
    assert list(moved) == list(_read_across(whole)[1:-1])
    (page, of), (other, of_other) = found["first"], found["second"]
    assert 24 <= len(page) <= 30
    assert list(of) == list(other)
    assert list(of_other) == list(page)
    ids = survey.sheet["target_id"].to_numpy()
    assert survey.misplaced() == {*ids[rows], *ids[inner], *ids[page], *ids[other]}


@pytest.mark.parametrize("survey", SURVEYS, ids=lambda survey: str(len(survey.targets)))
def test_no_run_is_close_to_another_and_a_few_rows_at_its_ends_are_near_it(survey):
    stretches = sorted(_stretches(survey.sheet).values(), key=lambda found: found[0][0])
    firsts = [rows[0] for rows, _ in stretches] + [len(survey.sheet)]
    lasts = [-1] + [rows[-1] for rows, _ in stretches]
    assert all(first - last - 1 >= 10 for first, last in zip(firsts, lasts, strict=True))
    near = survey.sheet["near_run"].to_numpy()
    for rows, _ in stretches:
        assert near[rows[0] - 3 : rows[-1] + 4].all()
        assert not near[[rows[0] - 6, rows[-1] + 6]].any()


@pytest.mark.parametrize("survey", SURVEYS, ids=lambda survey: str(len(survey.targets)))
def test_a_run_left_in_place_shows_and_so_do_two_columns_taken_for_a_slip(survey):
    label, found = _label_by_row(survey), _stretches(survey.sheet)
    wrong = {way: np.sum(label[rows] != label[of]) for way, (rows, of) in found.items()}
    least, most = WRONG_LABELS if len(label) > 400 else WRONG_LABELS_OF_SMALL
    left = [wrong["slip"], wrong["columns"], wrong["first"] + wrong["second"]]
    assert least <= min(left) and max(left) <= most
    rows, _ = found["columns"]
    whole = np.arange(rows[0] - 1, rows[-1] + 2)
    held = label[_read_across(whole)]
    # Of so many rows or of one less, which ends with a row that is right.
    up = [np.roll(held, -1) != label[whole], np.roll(held[:-1], -1) != label[whole[:-1]]]
    assert max(np.sum(wrong) for wrong in up) >= least


@pytest.mark.parametrize("survey", SURVEYS, ids=lambda survey: str(len(survey.targets)))
def test_magnitudes_tell_a_run_from_rows_that_look_misplaced_by_chance(survey):
    mag = magnitudes(survey.curves, survey.flux).loc[survey.sheet["target_id"]].to_numpy()
    found = _stretches(survey.sheet)
    pages = [
        np.concatenate(both) for both in zip(found.pop("first"), found.pop("second"), strict=True)
    ]
    for rows, of in [*found.values(), pages]:
        assert np.mean((mag[rows] - mag[of]) ** 2) >= 0.9 * 2 * np.var(mag)


def test_a_third_of_second_extractions_is_in_another_unit_than_the_exposure():
    survey = SURVEYS[-1]
    units = survey.curves.groupby("target_id")["unit"].agg(set)
    # An exposure may have others of its target beside it, which are in either unit.
    apart = np.mean([not units[a] & units[b] for a, b in survey.copies()])
    assert 0.1 <= apart <= OTHER_UNIT + 0.02


def _few(labels: int, targets: int = 190) -> pd.DataFrame:
    label = (np.arange(targets) < labels).astype(int)
    return pd.DataFrame({"target_id": np.arange(targets), "label": label, "mag": 12.0})


def test_runs_come_in_any_order():
    drawn = [draw_sheet(np.random.default_rng(seed), _few(60), 0.0) for seed in range(30)]
    orders = {tuple(_stretches(sheet)) for sheet in drawn}
    for way in ("slip", "columns"):
        assert {order.index(way) for order in orders} == {0, 1, 2, 3}
    assert any(abs(order.index("first") - order.index("second")) > 1 for order in orders)


def test_a_sheet_without_misplaced_entries():
    assert draw_survey(4, stars=40, misplaced=False).misplaced() == set()


def test_an_order_without_room_for_the_runs_is_shuffled_again():
    # With 40 planets most orders have fewer than 12 wrong labels in a run or in both pages.
    sheets = [draw_sheet(np.random.default_rng(seed), _few(40), 0.0) for seed in range(20)]
    assert all(sheet["near_run"].any() for sheet in sheets)


@pytest.mark.parametrize("targets", [_few(8), _few(40, 140)], ids=["planets", "rows"])
def test_a_survey_in_which_no_runs_fit_is_refused(targets):
    with pytest.raises(ValueError, match="draw a larger survey"):
        draw_sheet(np.random.default_rng(0), targets, 0.0)


def test_in_a_small_survey_targets_are_left_whose_labels_may_be_changed():
    for seed in range(5):
        sheet = draw_survey(seed, stars=SMALL, noise=0.3).sheet
        assert np.sum(~sheet["near_run"]) >= 30


def test_changed_labels_move_with_their_entries():
    chosen = sorted(SURVEY.misplaced())[:3]
    label = SURVEY.targets.set_index("target_id")["label"]
    flipped = SURVEY.with_labels({t: 1 - int(label[t]) for t in chosen})
    moved = SURVEY.labels()["label"] != flipped.labels()["label"]
    assert set(SURVEY.sheet["entry_of"][moved]) == set(chosen)


def test_earlier_inputs_are_wrong_for_magnitudes_alone():
    inputs = earlier_inputs(SURVEY.curves, SURVEY.flux)
    pieces = np.split(inputs, SURVEY.curves["length"].cumsum()[:-1])  # in the order of the file
    for row, piece in zip(SURVEY.curves.itertuples(), pieces, strict=True):
        right = reference_input(SURVEY.flux[row.start : row.start + row.length], row.unit)
        error = np.max(np.abs(np.nan_to_num(piece.astype(float)) - right))
        assert (error > 1) == (row.unit == "mag")


def test_another_order_holds_the_same_rows():
    other = SURVEY.in_another_order(1)
    assert not other.targets.equals(SURVEY.targets)
    assert not other.curves.equals(SURVEY.curves)
    one, two = (s.curves.sort_values("curve_id", ignore_index=True) for s in (SURVEY, other))
    assert one.equals(two)


def _read(survey, folder, **options):
    """`curves.csv` as pandas reads it with some options."""
    survey.write(folder, labels=False)
    return pd.read_csv(folder / "curves.csv", keep_default_na=False, **options)


READ = [
    ("full", SURVEYS[2]),
    ("large hidden", draw_survey(8, stars=280, noise=0.95, reobserved=0.5, misplaced=False)),
    *((f"small {seed}", draw_survey(seed, stars=SMALL, noise=0.3)) for seed in range(6)),
    *(
        (f"small hidden {seed}", draw_survey(seed, stars=60, reobserved=0.5, misplaced=False))
        for seed in range(6)
    ),
]


@pytest.mark.parametrize("survey", [s for _, s in READ], ids=[name for name, _ in READ])
def test_who_takes_marks_for_quoting_loses_rows_in_silence_but_no_target(survey, tmp_path):
    targets = set(survey.targets["target_id"].astype(int))
    for order in (survey, survey.in_another_order(1)):
        curves = order.curves
        found = _read(order, tmp_path)
        left = curves[~curves["swallowed"]]
        for name in ("curve_id", "band", "unit", "length"):
            assert list(found[name]) == list(left[name])
        assert set(found["target_id"]) == targets
    large = len(survey.curves) >= LARGE
    low, high = SWALLOWED[large]
    lost = survey.curves["swallowed"].sum()
    assert (2 * low if large else low) <= lost <= 2 * high


@pytest.mark.parametrize("survey", [s for _, s in READ], ids=[name for name, _ in READ])
def test_without_quoting_every_row_is_read_as_it_is_written(survey, tmp_path):
    for order in (survey, survey.in_another_order(1)):
        found = _read(order, tmp_path, quoting=csv.QUOTE_NONE)
        for name in ("curve_id", "band", "unit", "length", "remark"):
            assert list(found[name]) == list(order.curves[name])


def test_a_mark_is_usual_in_remarks_and_few_of_them_lose_rows():
    remarks = SURVEYS[2].curves["remark"]
    assert 0.05 < (remarks != "").mean() < 0.3
    opening = remarks.isin(UNCLOSED)
    assert opening.sum() == STRETCHES
    assert remarks.str.contains('"').sum() > 8 * STRETCHES


def _noted(survey, text):
    """Targets with a remark of that kind, and those that it names."""
    before = text.format("")
    noted = survey.curves[survey.curves["remark"].str.startswith(before)]
    targets = survey.targets.set_index("target_id", drop=False)
    named = noted["remark"].str.removeprefix(before)
    here = targets.loc[noted["target_id"]].assign(newest_first=noted["newest_first"].to_numpy())
    return here.reset_index(drop=True), targets.loc[named].reset_index(drop=True)


def _as_many(marked, kind, other):
    """Whether as many of those marked, and of the others, are noted as may be."""
    for group, name in ((marked, kind), (~marked, other)):
        least, most = NOTED[name]
        assert least <= group.sum() <= most


@pytest.mark.parametrize("seed", range(4))
def test_a_few_remarks_name_the_same_star_and_some_of_them_where_a_sign_was_lost(seed):
    here, there = _noted(draw_survey(seed, noise=0.95), SAME_STAR)
    assert (here["star"] == there["star"]).all()
    assert (here["release"] == "DR2").all() and (there["release"] == "DR1").all()
    lost = (here["dec"] * there["dec"] < 0) & (here["south"] == there["south"])
    _as_many(lost, "mirrored", "alike")


@pytest.mark.parametrize("seed", range(4))
def test_a_few_remarks_name_the_same_exposure_and_some_of_them_are_newest_first(seed):
    here, there = _noted(draw_survey(seed, noise=0.95), SAME_EXPOSURE)
    assert (here["copy_of"] == there["target_id"]).all()
    turned = here["newest_first"]
    _as_many(turned, "newest first", "oldest first")


def test_no_row_of_an_exposure_that_was_extracted_twice_is_lost():
    for survey in SURVEYS:
        lost = set(survey.curves["target_id"][survey.curves["swallowed"]])
        assert not lost & {target for pair in survey.copies() for target in pair}


def test_in_too_few_curves_no_stretch_finds_room():
    curves = SURVEY.curves.drop(columns=["remark", "swallowed"]).head(8)
    with pytest.raises(ValueError, match="draw more"):
        with_remarks(np.random.default_rng(0), curves, set())


@pytest.mark.parametrize("bug", ROW_BUGS, ids=lambda bug: bug.id)
def test_rows_are_those_of_the_published_draw(bug):
    draw = Draw(seed=2, noise=0.3)
    rows = bug.rows.of(draw)
    known = set(published_survey(draw).targets["target_id"])
    assert rows
    assert all(len(row) == bug.rows.size and set(row) <= known for row in rows)
    assert all(list(row) == sorted(row) for row in rows)


def test_score_of_a_list():
    got = RowScore.of({("a",), ("b",)}, {("b",), ("c",), ("d",), ("e",)})
    assert (got.precision, got.recall) == (0.5, 0.25)
    assert RowScore.of(set(), {("a",)}).precision == 0


def test_only_who_knows_timings_and_orders_finds_second_extractions_at_the_hardest_level():
    draw = Draw(9, TASK.level("extreme").noise)
    assert extraction_ceiling.score(draw).reaches(SECOND_EXTRACTIONS.rows)
    for detector in set(extraction_ceiling.DETECTORS) - {"reference"}:
        got = extraction_ceiling.score(draw, detector)
        assert not got.reaches(SECOND_EXTRACTIONS.rows), detector


@pytest.mark.parametrize(
    ("detector", "share"),
    [("times as written", 1 / 3), ("two clocks", 2 / 3), ("as they stand", 1 - NEWEST_FIRST)],
)
def test_a_detector_finds_the_second_extractions_that_it_knows_of(detector, share):
    got = extraction_ceiling.score(Draw(9, 0.0), detector)
    assert got.precision > 0.9
    assert got.recall == pytest.approx(share, abs=0.17)


@pytest.mark.matrix
@pytest.mark.parametrize("stated", SECOND_EXTRACTIONS.rows.ceiling[4:], ids=lambda c: c.noise)
def test_the_reference_for_second_extractions_reaches_what_the_card_says(stated):
    (found,) = extraction_ceiling.ceiling([Draw(seed, stated.noise) for seed in range(1000, 1008)])
    assert found.precision == pytest.approx(stated.precision, abs=0.02)
    assert found.recall == pytest.approx(stated.recall, abs=0.03)
    assert found.reached >= 8 * stated.reached / stated.seeds - 2


def test_misplaced_entries_are_seen_by_who_knows_all_ways_and_by_nobody_else():
    rows = TASK.bug("misplaced_labels").rows
    for draw in (Draw(1000, 0.95), Draw(1001, 0.0)):
        assert sheet_ceiling.score(draw).reaches(rows)
        for detector in set(sheet_ceiling.DETECTORS) - {"reference"}:
            assert not sheet_ceiling.score(draw, detector).reaches(rows), detector


def test_without_the_pages_a_good_part_of_the_misplaced_entries_is_missed_even_without_noise():
    got = sheet_ceiling.score(Draw(1000, 0.0), "without pages")
    assert got.precision > 0.9
    assert 0.4 < got.recall < 0.75


@pytest.mark.matrix
def test_the_reference_for_misplaced_entries_reaches_what_the_card_says():
    rows = TASK.bug("misplaced_labels").rows
    for stated in rows.ceiling[3:5]:
        (found,) = sheet_ceiling.ceiling([Draw(seed, stated.noise) for seed in range(1000, 1008)])
        assert found.precision == pytest.approx(stated.precision, abs=0.02)
        assert found.recall == pytest.approx(stated.recall, abs=0.02)
        assert found.reached == 8


def _bend(values):
    """(T,) the second difference at each point, without its sign."""
    return np.abs(np.diff(values.astype(float), 2, prepend=np.nan, append=np.nan))


def _as_published(survey):
    """(how gaps are filled, true flux, published flux) of each curve."""
    published = survey.published_flux()
    for row in survey.curves.itertuples():
        piece = slice(row.start, row.start + row.length)
        yield row.filled, survey.flux[piece], published[piece]


def test_curves_of_the_second_release_are_filled_in_every_way_and_unit():
    curves = SURVEYS[2].curves.assign(release=SURVEYS[2].releases())
    assert set(curves["filled"][curves["release"] == "DR1"]) == {""}
    second = curves[curves["release"] == "DR2"]
    share = second["filled"].value_counts(normalize=True)
    for way, wanted in FILLED.items():
        assert share[way] == pytest.approx(wanted, abs=0.08)
    assert set(second[second["filled"] != ""].groupby(["filled", "unit"]).groups) == {
        (filled, unit) for filled in FILLED for unit in ("e/s", "mag")
    }


@pytest.mark.parametrize("survey", SURVEYS, ids=lambda survey: str(len(survey.targets)))
def test_what_is_missing_is_filled_but_for_the_ends(survey):
    for filled, flux, shown in _as_published(survey):
        seen = np.isfinite(flux)
        before, after = np.maximum.accumulate(seen), np.maximum.accumulate(seen[::-1])[::-1]
        there = {"": seen, "bridged": before & after}.get(filled, before)
        assert np.array_equal(np.isfinite(shown), there)
        assert np.array_equal(shown[seen], flux[seen])


@pytest.mark.parametrize("survey", SURVEYS, ids=lambda survey: str(len(survey.targets)))
def test_a_filled_point_repeats_or_is_on_a_line_and_an_observed_one_is_far_from_that(survey):
    for filled, flux, shown in _as_published(survey):
        seen = np.isfinite(flux)
        added = np.isfinite(shown) & ~seen
        repeats = pd.Series(shown).duplicated().to_numpy()
        bend = _bend(shown)
        typical = np.nanmedian(bend)
        assert not repeats[seen].any()
        assert not np.any(bend[seen] < 0.8 * LEAST_BEND * typical)
        assert filled != "bridged" or np.all(np.diff(shown) != 0)
        if filled in ("held", "repeated"):
            assert repeats[added].all()
        else:
            assert np.all(bend[added] < 0.05 * LEAST_BEND * typical)
            assert np.all(bend[added] <= 2 * np.spacing(np.nanmax(shown)))


@pytest.mark.parametrize("seed", range(4))
def test_each_survey_shows_a_gap_longer_than_what_was_seen_before_it_behind_a_missing_point(seed):
    shown = 0
    for filled, flux, _ in _as_published(draw_survey(seed, noise=0.95)):
        edges = np.flatnonzero(np.diff(np.isnan(flux), prepend=False, append=False))
        gaps = edges.reshape(-1, 2)
        if filled == "repeated" and np.isnan(flux[0]):
            before = [int(np.isfinite(flux[:first]).sum()) for first, _ in gaps[1:]]
            shown += any(end - first > n for (first, end), n in zip(gaps[1:], before, strict=True))
    assert shown >= 1


def test_gaps_that_are_held_bridged_and_repeated():
    nan = np.nan
    values = np.array([nan, 1, nan, 2, 5, nan, nan, 2, nan], dtype=np.float32)
    held, bridged = hold(values), bridge(values)
    assert np.array_equal(repeat(values), [nan, 1, 1, 2, 5, 2, 5, 2, 2], equal_nan=True)
    few = np.array([nan, 1, 2, nan, nan, nan, nan, nan, 3], dtype=np.float32)
    assert np.array_equal(repeat(few), [nan, 1, 2, 1, 2, 1, 2, 1, 3], equal_nan=True)
    assert repeat(few).dtype == np.float32
    assert np.array_equal(held, [nan, 1, 1, 2, 5, 5, 5, 2, 2], equal_nan=True)
    assert np.array_equal(bridged, [nan, 1, 1.5, 2, 5, 4, 3, 2, nan], equal_nan=True)
    assert held.dtype == bridged.dtype == np.float32


@pytest.mark.parametrize("filled", FILL)
def test_observed_points_that_could_be_taken_for_filled_ones_are_moved_a_little(filled):
    values = np.random.default_rng(0).normal(1000, 1, 60).astype(np.float32)
    values[[7, 20, 21, 22, 50, 59]] = np.nan
    values[11] = values[10]  # a value that repeats, and one across a gap
    values[23] = values[19]
    values[45] = values[5]  # and one much later
    values[31] = (values[30] + values[32]) / 2  # two points on a line
    values[40] = 2 * values[39] - values[38]
    moved, seen = apart(values, FILL[filled]), np.isfinite(values)
    assert np.array_equal(np.isfinite(moved), seen)
    assert np.mean(moved[seen] != values[seen]) < 0.3
    assert np.max(np.abs(moved - values)[seen]) < 1
    least = 0.99 * LEAST_BEND * np.median(_bend(values[seen])[1:-1])
    for shown in (FILL[filled](moved)[seen], moved[seen]):
        assert np.all(np.diff(shown) != 0)
    assert len(set(moved[seen])) == seen.sum()
    assert not np.any(_bend(moved[seen]) < 0.9 * least)
    assert not np.any(_bend(FILL[filled](moved))[seen] < 0.9 * least)


def test_starts_of_the_second_release_count_from_one(tmp_path):
    SURVEY.write(tmp_path)
    written = pd.read_csv(tmp_path / "curves.csv", quoting=csv.QUOTE_NONE)
    second = SURVEY.releases().to_numpy() == "DR2"
    assert np.array_equal(written["start"] - SURVEY.curves["start"], second)
    ends = SURVEY.curves["start"] + SURVEY.curves["length"]
    flux = np.load(tmp_path / "flux.npy")
    assert ends.max() == len(flux) - 1
    assert np.isnan(flux[ends]).all()
