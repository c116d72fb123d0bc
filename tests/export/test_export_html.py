"""The page that a reviewer opens: complete, standalone, and safe whatever a model wrote."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from html_page import Page, assert_standalone, page
from sample_notebook import BROKEN
from sample_trial import notebook

from grader.export.html import render, write
from grader.export.load import load_trial


def test_the_page_is_standalone(run: Path) -> None:
    text = render(load_trial(run, 0))
    assert_standalone(Page(text))
    assert not re.search(r"url\(|@import", text)
    assert "default-src 'none'" in text


def test_the_header_tells_the_outcome_at_a_glance(run: Path) -> None:
    text = " ".join(page(run).text.split())
    assert "Failed: missed bug" in text
    for fact in ["Reward 0.4375", "Time 6 min 17 s", "Tool calls 7 1 tool fault", "67,512"]:
        assert fact in text
    for fact in ["Confinement confined bubblewrap", "Model claude-x", "Seed 7", "Cost $0.32"]:
        assert fact in text


def test_all_sections_are_there_and_every_link_within_the_page_leads_somewhere(run: Path) -> None:
    shown = page(run)
    ids = [attributes["id"] for _, attributes in shown.tags if "id" in attributes]
    assert {"verdict", "bugs", "notebook", "transcript", "turn-6"} <= set(ids)
    assert len(ids) == len(set(ids))
    targets = [link["href"] or "" for link in shown.all("a")]
    assert {target[1:] for target in targets if target.startswith("#")} <= set(ids)


def test_headings_skip_no_level(run: Path) -> None:
    levels = [int(tag[1]) for tag, _ in page(run).tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))


def test_failed_checks_come_first(run: Path) -> None:
    text = page(run).text
    order = ["ema-buffers", "hidden-accuracy", "split-by-star", "schedule-steps"]
    places = [text.index(check) for check in order]
    assert places == sorted(places)


def test_planted_bugs_stand_beside_the_report(run: Path) -> None:
    text = " ".join(page(run).text.split())
    bugs = text[text.index("Moving average without buffers") : text.index("1 false alarm")]
    missed, found = bugs.split("Schedule counted in micro-batches")
    assert "not repaired not reported" in missed
    assert "No entry matches this bug" in missed
    assert "mine.copy_(theirs)" in missed
    assert "Entry 1 P3 in schedule total = EPOCHS * len(loader)" in found
    assert "rows listed: precision 0.50, recall 1.00" in found
    assert "Affected rows step7 Seen" in found
    assert "Rows listed step7, step9" in found
    assert "Rows" not in missed
    alarm = text[text.index("1 false alarm") :]
    assert "Entry 2 P2 in data" in alarm


def test_the_diff_shows_what_changed(run: Path) -> None:
    text = render(load_trial(run, 0))
    shown = text[text.index('id="notebook"') : text.index('id="transcript"')]
    rows = re.findall(r'<tr class="(delete|insert)">(.*?)</tr>', shown)
    lines = [(kind, Page(row).text.strip()) for kind, row in rows]
    assert ("delete", "-    total = EPOCHS * len(loader)") in lines
    assert ("insert", "+    total = EPOCHS * math.ceil(len(loader) / ACCUM)") in lines
    assert '<span class="n"><mark>math</mark></span>' in shown
    for cell, kind in [("check", "inserted"), ("train", "deleted"), ("imports", "unchanged")]:
        assert re.search(rf"<code>{cell}</code>(</h3>)? (<[^>]+>)?{kind}", shown)


def test_an_unchanged_cell_is_listed_only(run: Path, trial: Path) -> None:
    (trial / "submission.ipynb").write_text(notebook(BROKEN))
    text = page(run).text
    assert "The submitted notebook is the one that was delivered." in text


def test_a_moved_cell_is_no_deletion(run: Path, trial: Path) -> None:
    moved = {key: BROKEN[key] for key in ["protocol", "data", "imports", *list(BROKEN)[3:]]}
    (trial / "submission.ipynb").write_text(notebook(moved))
    text = " ".join(page(run).text.split())
    assert "1 cell of 6" in text
    assert "moved Its source is as delivered." in text


def test_plots_are_inline(run: Path) -> None:
    images = page(run).all("img")
    assert len(images) == 2
    assert all((image["src"] or "").startswith("data:image/png;base64,") for image in images)
    assert all(image["alt"] for image in images)


def test_code_is_highlighted_and_faults_are_marked(run: Path) -> None:
    text = render(load_trial(run, 0))
    assert '<span class="kn">import</span>' in text
    assert '<span class="nn">numpy</span>' in text
    assert 'class="call fault-tool"' in text
    assert 'class="call fault-model"' in text
    assert "\x1b" not in text


def test_long_values_of_other_arguments_are_shown_whole(run: Path) -> None:
    assert '"explanation": "The curves aren\'t normalised."' in page(run).text


def test_a_file_is_written(run: Path, tmp_path: Path) -> None:
    path = write(load_trial(run, 0), tmp_path)
    assert path == tmp_path / "trial-000.html"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


CHROMIUM = shutil.which("chromium")


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_shows_it(run: Path, tmp_path: Path) -> None:
    """A browser builds the same page from it: the last turn is where it belongs."""
    path = write(load_trial(run, 0), tmp_path)
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    options += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = [str(CHROMIUM), *options, profile, "--dump-dom", path.as_uri()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("Chromium does not start here")
    if done.returncode:
        pytest.skip("Chromium does not run here")
    shown = Page(done.stdout)
    assert [tag for tag, _ in shown.tags].count("article") == render(load_trial(run, 0)).count(
        "<article"
    )
    assert_standalone(shown)
