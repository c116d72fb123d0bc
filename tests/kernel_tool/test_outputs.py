"""Outputs as a model sees them."""

from __future__ import annotations

import base64
import io
import random

import pytest
from PIL import Image as Pillow

from kernel_tool.execution import Collector, Execution, OutputCaps
from kernel_tool.outputs import RenderCaps, Section, error_text, output_text, render
from kernel_tool.results import Image, Text
from kernel_tool.text import clip, fair_limit, plain


def stream(text: str, name: str = "stdout") -> dict:
    return {"output_type": "stream", "name": name, "text": text}


def display(**data: str) -> dict:
    kinds = {kind.replace("_", "/"): value for kind, value in data.items()}
    return {"output_type": "display_data", "data": kinds, "metadata": {}}


def drawing(width: int, height: int, kind: str = "PNG", mode: str = "RGB", noise=False) -> str:
    made = Pillow.new(mode, (width, height))
    if noise:
        made = Pillow.frombytes(
            "RGB", (width, height), random.Random(0).randbytes(3 * width * height)
        )
    held = io.BytesIO()
    made.save(held, kind)
    return base64.b64encode(held.getvalue()).decode()


def section(*outputs: dict, heading: str = "--- cell a", **more) -> Section:
    return Section(heading, Execution(list(outputs), "ok", 1, 0.1, **more))


def shown(*sections: Section, **caps) -> list[Text | Image]:
    return render(sections, RenderCaps(**caps), lambda text: f"[whole: {len(text)}]")


def size(image: Text | Image) -> tuple[int, int]:
    assert isinstance(image, Image)
    return Pillow.open(io.BytesIO(image.data)).size


@pytest.mark.parametrize(
    ("raw", "visible"),
    [
        ("\x1b[1;31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07", "red link"),
        ("10%\r 50%\r100%\ndone", "100%\ndone"),
        ("long line\rshort", "shortline"),
        ("dos\r\nline\r\n", "dos\nline\n"),
        ("bell\x07, nul\x00, tab\t.", "bell, nul, tab\t."),
    ],
)
def test_control_codes_are_resolved_as_a_terminal_does(raw, visible):
    assert plain(raw) == visible


def test_clipping_keeps_head_and_tail_and_says_what_is_missing():
    text = "\n".join(f"line {i}" for i in range(10_000))
    clipped = clip(text, 1_000)
    assert len(clipped) < 1_100
    assert clipped.startswith("line 0\nline 1\n") and clipped.endswith("line 9998\nline 9999")
    assert "characters (" in clipped and "lines) left out" in clipped
    assert clip("short", 1_000) == "short"


def test_short_texts_leave_their_share_to_long_ones():
    assert fair_limit([10, 10, 5_000], 1_000) == 980
    assert fair_limit([5_000, 5_000], 1_000) == 500
    assert fair_limit([1, 2], 1_000) == 1_000 and fair_limit([], 7) == 7


def test_text_of_several_cells_is_capped_together_and_the_whole_is_kept():
    parts = shown(section(stream("a" * 50_000)), section(stream("short")), text_chars=4_000)
    assert len(parts[0].text) < 4_200
    assert parts[1].text == "--- cell a\nshort"
    assert parts[2].text.startswith("[whole: 5")


def test_nothing_is_saved_if_nothing_is_left_out():
    assert shown(section(stream("all of it"))) == [Text("--- cell a\nall of it")]


def test_streams_displays_and_what_was_dropped_are_told_apart():
    execution = section(
        stream("out\n"),
        stream("err\n", "stderr"),
        display(text_plain="table", text_html="<table>"),
        display(text_html="<b>only</b> <script>no()</script>html"),
        display(application_pdf="..."),
        dropped_bytes=1_234,
        note="why",
    ).text(whole=False)
    lines = [" ".join(line.split()) for line in execution.splitlines()]
    assert lines[1:6] == ["out", "[stderr]", "err", "table", "only html"]
    assert lines[6:] == [
        "[cannot be shown as text: application/pdf]",
        "[1,234 bytes of output were not kept]",
        "[why]",
    ]


def test_plots_come_as_images_made_smaller():
    parts = shown(
        section(display(image_png=drawing(3_000, 1_500), text_plain="<Figure>")),
        section(display(image_jpeg=drawing(400, 300, "JPEG"))),
        section(display(image_png=drawing(50, 50, mode="RGBA"))),
    )
    assert parts[0].text == "--- cell a\n[plot] <Figure>"
    assert [size(parts[i]) for i in (1, 3, 5)] == [(1_000, 500), (400, 300), (50, 50)]
    transparent = Pillow.open(io.BytesIO(parts[5].data)).getpixel((0, 0))
    assert transparent == (255, 255, 255)


def test_a_heavy_picture_becomes_a_jpeg():
    parts = shown(section(display(image_png=drawing(1_000, 1_000, noise=True))))
    assert parts[1].media_type == "image/jpeg"
    assert len(parts[1].data) < 1_500_000


def test_plots_are_capped_for_the_whole_call():
    plots = [display(image_png=drawing(10, 10)) for _ in range(5)]
    parts = shown(section(*plots), section(*plots), images=6)
    assert sum(isinstance(part, Image) for part in parts) == 6
    assert "4 more plots left out" in parts[6].text and "run the cell alone" in parts[6].text


@pytest.mark.parametrize("data", ["", "not base64!", base64.b64encode(b"GIF89a" * 9).decode()])
def test_a_broken_picture_is_told_and_not_sent(data):
    parts = shown(section(display(image_png=data)))
    assert len(parts) == 1 and "could not be decoded" in parts[0].text


def test_a_long_traceback_loses_its_library_frames():
    frames = [f"File /site-packages/m{i}.py:1\n" + "code\n" * 60 for i in range(30)]
    entries = [
        "-----",
        "KeyError Traceback",
        "Cell In[1], line 1\nmine()",
        *frames,
        "KeyError: 'k'",
    ]
    error = {"output_type": "error", "ename": "KeyError", "evalue": "'k'", "traceback": entries}
    concise = output_text([error])
    assert "29 frames of library code left out" in concise
    assert "mine()" in concise and "m29.py" in concise and concise.endswith("KeyError: 'k'")
    assert output_text([error], whole=True).count("File /") == 30
    assert error_text([stream("x"), error]) == "KeyError: 'k'" and error_text([]) == ""


def collected(*messages: tuple[str, dict], **caps) -> Collector:
    collector = Collector(OutputCaps(**caps))
    for kind, content in messages:
        collector.add(kind, content, 100)
    return collector


def test_what_is_beyond_the_caps_is_counted():
    bundle = {"data": {"image/png": "x" * 900, "text/plain": "<Figure>"}}
    collector = collected(("display_data", bundle), ("display_data", bundle), kept_bytes=1_000)
    assert [set(output["data"]) for output in collector.outputs] == [
        {"image/png", "text/plain"},
        {"text/plain"},
    ]
    assert collector.dropped == 900
    many = collected(*[("display_data", {"data": {"text/plain": "1"}})] * 9, pieces=4)
    assert len(many.outputs) == 4


def test_the_error_is_kept_when_there_is_no_room():
    error = ("error", {"ename": "E", "evalue": "v", "traceback": ["t"]})
    collector = collected(*[("display_data", {"data": {"text/plain": "1"}})] * 9, error, pieces=4)
    assert collector.outputs[-1]["ename"] == "E"


@pytest.mark.parametrize("kind", ["stream", "display_data", "execute_result", "error", "status"])
@pytest.mark.parametrize("value", [None, 7, [[]], {"a": {}}, "\ud800"])
def test_messages_of_any_content_are_survived(kind, value):
    keys = ("name", "text", "data", "ename", "evalue", "traceback", "transient", "wait")
    outputs = collected((kind, dict.fromkeys(keys, value)), ("clear_output", {})).outputs
    output_text(outputs).encode()
