"""What a tool call returns: text and images, and whose fault it was if it failed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class Text:
    """A piece of text for the model."""

    text: str


@dataclass(frozen=True)
class Image:
    """A picture for the model: encoded bytes and their media type (``image/png``)."""

    data: bytes
    media_type: str = "image/png"


class Fault(StrEnum):
    """Who caused a failed call: ``MODEL`` (wrong arguments) or ``TOOL`` (our machinery)."""

    MODEL = "model"
    TOOL = "tool"


@dataclass(frozen=True)
class ToolResult:
    """The frozen answer to one tool call. An error here never ends an episode."""

    content: tuple[Text | Image, ...]
    fault: Fault | None = None

    @property
    def is_error(self) -> bool:
        return self.fault is not None

    @property
    def text(self) -> str:
        """All text parts, joined by newlines; images are left out."""
        return "\n".join(part.text for part in self.content if isinstance(part, Text))
