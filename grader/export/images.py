"""The images of a transcript. They come out of a model's kernel, so nothing they claim counts."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path

from grader.transcript import ImagePart

# What a browser and the Messages API both show. SVG is missing on purpose: it holds scripts.
_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


@dataclass(frozen=True)
class Picture:
    """Decoded image bytes and their real media type."""

    data: bytes
    media_type: str

    @property
    def base64(self) -> str:
        return base64.b64encode(self.data).decode()

    @property
    def uri(self) -> str:
        return f"data:{self.media_type};base64,{self.base64}"

    @property
    def suffix(self) -> str:
        return "." + self.media_type.removeprefix("image/")


def picture(part: ImagePart) -> Picture | None:
    """The image of a transcript; None if it isn't one that can be shown."""
    try:
        data = base64.b64decode(part.data, validate=True)
    except (binascii.Error, ValueError):
        return None
    media_type = _media_type(data)
    return Picture(data, media_type) if media_type else None


def unshown(part: ImagePart) -> str:
    """What stands in the place of an image that can't be shown."""
    return f"[An image that can't be shown; it says it is {part.media_type}.]"


def _media_type(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _SIGNATURES.items() if data.startswith(start)), None)


class ImageFiles:
    """The images of a document as files in a folder beside it."""

    def __init__(self, name: str) -> None:
        self._folder = f"{name}_images"
        self._files: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self._files)

    def add(self, shown: Picture) -> str:
        """Takes a further image; returns its path as the document names it."""
        path = f"{self._folder}/{len(self) + 1:03d}{shown.suffix}"
        self._files[path] = shown.data
        return path

    def write(self, folder: Path) -> None:
        """Writes all of them beside a document that is in ``folder``."""
        for path, data in self._files.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_bytes(data)
