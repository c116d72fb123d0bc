"""Outputs of a notebook made readable for a model: text within limits, plots as images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kernel_tool.execution import Execution, Output
from kernel_tool.pictures import picture
from kernel_tool.results import Image, Text
from kernel_tool.text import clip, fair_limit, plain, untagged

_PICTURES = ("image/png", "image/jpeg")
_LONG_TRACEBACK = 3_000


@dataclass(frozen=True)
class RenderCaps:
    """How much of a call's outputs a model is shown.

    text_chars: characters of all text. images: plots. image_side: pixels on the long side.
    """

    text_chars: int = 20_000
    images: int = 6
    image_side: int = 1_000


@dataclass(frozen=True)
class Section:
    """The outputs of one execution under a heading."""

    heading: str
    execution: Execution

    def text(self, whole: bool) -> str:
        """Heading, outputs and notes. ``whole``: long tracebacks are not shortened."""
        parts = [self.heading, output_text(self.execution.outputs, whole)]
        if self.execution.dropped_bytes:
            parts.append(f"[{self.execution.dropped_bytes:,} bytes of output were not kept]")
        if self.execution.note:
            parts.append(f"[{self.execution.note}]")
        return "\n".join(part for part in parts if part)


def render(
    sections: Sequence[Section], caps: RenderCaps, save: Callable[[str], str]
) -> list[Text | Image]:
    """Texts and plots of ``sections``, within the caps for all of them together.

    save: writes the whole text to where the model can read it, and says where that is;
        called only if something of the text is left out.
    """
    texts = [section.text(whole=False) for section in sections]
    limit = fair_limit([len(text) for text in texts], caps.text_chars)
    parts: list[Text | Image] = []
    plots_left = caps.images
    for section, text in zip(sections, texts, strict=True):
        images, notes = _images(section.execution.outputs, caps, plots_left)
        plots_left -= len(images)
        parts += [Text("\n".join([clip(text, limit), *notes])), *images]
    whole = [section.text(whole=True) for section in sections]
    if whole != [clip(text, limit) for text in texts]:
        parts.append(Text(save("\n\n".join(whole))))
    return parts


def _images(outputs: list[Output], caps: RenderCaps, most: int) -> tuple[list[Image], list[str]]:
    encoded = list(_encoded_pictures(outputs))
    images = [picture(data, caps.image_side) for data in encoded[:most]]
    notes = []
    if broken := images.count(None):
        notes.append(f"[{broken} of the plots could not be decoded]")
    if left_out := len(encoded) - len(images):
        notes.append(
            f"[{left_out} more plots left out: a call shows at most {caps.images}. To see them, "
            "run the cell alone or draw fewer at once.]"
        )
    return [image for image in images if image is not None], notes


def _encoded_pictures(outputs: Iterable[Output]) -> Iterable[str]:
    for output in outputs:
        data = output.get("data", {})
        kind = next((kind for kind in _PICTURES if kind in data), None)
        if kind is not None:
            yield data[kind]


def output_text(outputs: Iterable[Output], whole: bool = False) -> str:
    """The text of outputs in order, free of colours; a plot is a line ``[plot]``."""
    return "\n".join(text for output in outputs if (text := _one(output, whole).rstrip()))


def error_text(outputs: Iterable[Output]) -> str:
    """``name: message`` of the last error among outputs, or an empty string."""
    errors = [output for output in outputs if output["output_type"] == "error"]
    return plain(f"{errors[-1]['ename']}: {errors[-1]['evalue']}") if errors else ""


def _one(output: Output, whole: bool) -> str:
    if output["output_type"] == "stream":
        mark = "[stderr]\n" if output["name"] == "stderr" else ""
        return mark + plain(_joined(output["text"]))
    if output["output_type"] == "error":
        return _traceback(output, whole)
    return _display(output.get("data", {}))


def _display(data: dict[str, Any]) -> str:
    shown = next((data[kind] for kind in ("text/plain", "text/markdown") if kind in data), None)
    if any(kind in data for kind in _PICTURES):
        return f"[plot] {plain(_joined(shown or ''))}"
    if shown is None and "text/html" in data:
        shown = untagged(_joined(data["text/html"]))
    if shown is None and data:
        return f"[cannot be shown as text: {', '.join(data)}]"
    return plain(_joined(shown or ""))


def _traceback(output: Output, whole: bool) -> str:
    entries = [plain(entry) for entry in output["traceback"]]
    if not entries:
        return error_text([output])
    if whole or sum(map(len, entries)) <= _LONG_TRACEBACK:
        return "\n".join(entries)
    library = [at for at, entry in enumerate(entries) if entry.startswith("File ")]
    left_out = set(library[:-1])
    kept = [entry for at, entry in enumerate(entries) if at not in left_out]
    gap = [f"[{len(left_out)} frames of library code left out]"] if left_out else []
    return "\n".join([*gap, *kept])


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)
