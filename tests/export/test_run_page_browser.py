"""The page of a run as a browser shows it, by mouse, by keyboard, and without any script."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urldefrag

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright
from sample_run import CONFIG, trial, write_killed, write_parts, write_run

from grader.export import html
from grader.export.load import load_trial, trial_numbers
from grader.export.run_page import write

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

Open = Callable[..., Page]

# Each piece of text with its colour and that of what is behind it; colours as RGB, 0 to 255.
TEXTS = """() => {
  const rgba = (text) => text.match(/[\\d.]+/g).map(Number);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const found = rgba(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found.slice(0, 3);
    }
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || element.closest("script, option, .unseen, :disabled")) continue;
    const style = getComputedStyle(element);
    const colour = element.closest("svg") ? style.fill : style.color;
    found.push([text, rgba(colour).slice(0, 3), behind(element)]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
            )
        except Error:
            pytest.skip("Chromium does not start here")
        yield started
        started.close()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run and those of its trials; trial 13 was never begun."""
    run = write_run(tmp_path_factory.mktemp("runs") / "pilot")
    write_parts(run, [0, 3])
    write_killed(run, 12)
    numbers, folder = trial_numbers(run), run / "export"
    folder.mkdir()
    path = write(run, numbers, folder)
    for number in numbers:
        html.write(load_trial(run, number), folder)
    return path


@pytest.fixture
def show(browser: Browser, index: Path) -> Iterator[Open]:
    """Opens the page, and holds it to that it asks for no other and that nothing goes wrong."""
    contexts, wrong, asked = [], [], []

    def opened(fragment: str = "", path: Path = index, **settings: object) -> Page:
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: asked.append(urldefrag(request.url).url))
        page.goto(path.as_uri() + fragment)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []
    assert {Path(url).suffix for url in asked} == {".html"}
    assert all(url.startswith("file:") for url in asked)


def numbers(page: Page) -> list[int]:
    """The trials that the table shows, from top to bottom."""
    shown = "#trials-table tbody tr:not([hidden]) th"
    return page.eval_on_selector_all(shown, "heads => heads.map(head => Number(head.innerText))")


def order(page: Page) -> tuple[str | None, str | None]:
    """The one column by which the table is sorted, and which way."""
    column = page.locator("#trials-table th[aria-sort]")
    expect(column).to_have_count(1)
    return column.get_attribute("data-key"), column.get_attribute("aria-sort")


def test_it_sorts_by_click(show: Open) -> None:
    page = show()
    assert numbers(page) == list(range(13))
    assert order(page) == ("trial", "ascending")
    page.get_by_role("button", name="Reward").click()
    assert order(page) == ("reward", "ascending")
    # What is undefined comes last, in either direction.
    assert numbers(page) == [5, 9, 0, 2, 8, 3, 6, 11, 1, 4, 10, 7, 12]
    page.get_by_role("button", name="Reward").click()
    assert order(page) == ("reward", "descending")
    assert numbers(page) == [1, 4, 10, 6, 11, 3, 2, 8, 0, 5, 9, 7, 12]
    page.get_by_role("button", name="Outcome").click()
    assert numbers(page) == [0, 2, 3, 5, 6, 8, 9, 11, 7, 1, 4, 10, 12]


def test_every_column_sorts(show: Open) -> None:
    page = show()
    heads = page.locator("#trials-table thead button")
    assert heads.count() == 12
    for head in heads.all():
        head.click()
        before = numbers(page)
        head.click()
        assert sorted(numbers(page)) == sorted(before) == list(range(13))
        assert numbers(page) != before


def test_it_sorts_by_keyboard(show: Open) -> None:
    page = show()
    button = page.get_by_role("button", name="Tokens")
    page.get_by_role("button", name="Tool errors").focus()
    page.keyboard.press("Tab")
    expect(button).to_be_focused()
    assert button.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert order(page) == ("tokens", "ascending")
    assert numbers(page)[:2] == [12, 0]
    page.keyboard.press("Space")
    assert order(page) == ("tokens", "descending")
    expect(button).to_be_focused()


def test_it_filters_counts_and_clears(show: Open) -> None:
    page = show()
    count = page.locator("#filter-count")
    expect(count).to_have_text("13 of 13 shown")
    page.get_by_label("Outcome").select_option("failed")
    expect(count).to_have_text("8 of 13 shown")
    page.locator("#filter-reason").select_option("missed_bug")
    assert numbers(page) == [0, 2, 8]
    page.get_by_label("Text").fill("THRESHOLD  ema")
    assert numbers(page) == [2]
    expect(count).to_have_text("1 of 13 shown")
    page.get_by_label("Text").fill("nothing of the kind")
    expect(page.get_by_text("No trial matches.")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(count).to_have_text("13 of 13 shown")
    expect(page.get_by_role("button", name="Clear")).to_be_disabled()
    assert "#" not in page.url


def test_a_link_keeps_filters_and_order(show: Open) -> None:
    first = show()
    first.get_by_label("Outcome").select_option("failed")
    first.get_by_label("Text").fill("é & = # not")
    first.get_by_label("Text").fill("not")
    first.get_by_role("button", name="Cost").click()
    first.get_by_role("button", name="Cost").click()
    left, url = numbers(first), first.url
    assert len(left) == 4
    again = show("#" + urldefrag(url).fragment)
    assert numbers(again) == left
    assert order(again) == ("cost", "descending")
    expect(again.get_by_label("Text")).to_have_value("not")
    again.reload()
    assert numbers(again) == left


def test_a_fragment_that_means_nothing_shows_all(show: Open, index: Path) -> None:
    page = show("#outcome=failed")
    for fragment in ("outcome=<img>&sort=nothing", "=", "reason=%E0%A4%A&sort=-", "trials", "%"):
        page.goto(f"{index.as_uri()}#{fragment}")
        page.reload()
        assert numbers(page) == list(range(13))
        assert order(page) == ("trial", "ascending")


def test_a_reason_leads_to_its_trials_and_back(show: Open) -> None:
    page = show()
    page.get_by_role("link", name="missed bug").click()
    assert numbers(page) == [0, 2, 8]
    expect(page.get_by_role("heading", name="Trials", exact=True)).to_be_in_viewport()
    page.go_back()
    assert numbers(page) == list(range(13))


def test_a_place_on_the_page_leaves_the_filter_alone(show: Open) -> None:
    page = show("#outcome=passed")
    page.get_by_role("link", name="Pass rate", exact=True).click()
    expect(page.get_by_role("heading", name="Pass rate")).to_be_in_viewport()
    assert numbers(page) == [1, 4, 10]


def test_links_lead_to_the_pages_of_trials_and_back(show: Open, index: Path) -> None:
    page = show()
    links = page.locator("main a[href$='.html']")
    targets = {link.get_attribute("href") for link in links.all()}
    assert targets == {f"trial-{number:03d}.html" for number in range(13)}
    assert all((index.parent / str(target)).is_file() for target in targets)
    page.locator("#trials-table a").nth(3).click()
    assert page.url.endswith("trial-003.html")
    page.get_by_role("link", name="pilot").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("3 of 11 trials passed")


def test_all_is_there_without_scripts(show: Open) -> None:
    page = show(java_script_enabled=False)
    expect(page.locator("#trials-table tbody tr")).to_have_count(13)
    expect(page.get_by_role("columnheader", name="Reward")).to_be_visible()
    expect(page.get_by_label("Text")).to_be_hidden()
    expect(page.locator(".map tbody tr")).to_have_count(8)


def test_only_tables_are_wider_than_a_narrow_screen(show: Open) -> None:
    page = show()
    boxes = page.locator(".box").all()
    assert len(boxes) == 3
    for width in (1366, 768, 390, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        for box in boxes:
            assert box.evaluate("element => element.getBoundingClientRect().right") <= width
    # What doesn't fit is reached by scrolling the box, also by keyboard.
    boxes[-1].focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("element => element.scrollLeft > 0", arg=boxes[-1].element_handle())


def test_a_long_run_fits_on_a_narrow_screen(show: Open, tmp_path: Path) -> None:
    long = "x" * 300
    trials = [trial(n, "missed_bug", "bfr-bfr-", detail=long) for n in range(200)]
    config = CONFIG.model_copy(update={"model": long, "variant": long, "bugs": (long, "b")})
    path = write(write_run(tmp_path / "long", trials, config), [], tmp_path)
    page = show(path=path, viewport={"width": 320, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    assert len(numbers(page)) == 200


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable(show: Open, scheme: str) -> None:
    page = show(color_scheme=scheme)
    texts = page.evaluate(TEXTS)
    assert len(texts) > 200
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (luminance([int(each) for each in paper[4:-1].split(",")]) < 0.05) == (scheme == "dark")
    faint = [text for text, colour, behind in texts if contrast(colour, behind) < 4.5]
    assert faint == []


def contrast(one: list[float], other: list[float]) -> float:
    """WCAG 2.2, contrast ratio, 1 to 21."""
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: list[float]) -> float:
    """WCAG 2.2, relative luminance of an sRGB colour from 0 to 255."""
    shares = [part / 255 for part in colour]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return sum(w * part for w, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
