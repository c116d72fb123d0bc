"""Plots on their way to a model: decoded, made smaller, encoded again."""

from __future__ import annotations

import base64
import io

from PIL import Image as Pillow

from kernel_tool.results import Image

# Model APIs refuse pictures of some megabytes; a noisy plot as PNG can reach that.
_LARGEST_PNG = 1_500_000
_MOST_PIXELS = 40_000_000


def picture(encoded: str, side: int) -> Image | None:
    """A base64 PNG or JPEG at no more than ``side`` pixels a side, or None if it is not one.

    Always encoded anew: what the kernel sends is not trusted to be a valid picture, and an
    invalid one would make the model's API refuse the whole conversation.
    """
    try:
        with Pillow.open(io.BytesIO(base64.b64decode(encoded)), formats=["PNG", "JPEG"]) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                return None
            return _encoded(_on_white(opened), side)
    except Exception:  # Pillow raises anything from SyntaxError to DecompressionBombError
        return None


def _on_white(opened: Pillow.Image) -> Pillow.Image:
    """Transparency shows as white, as in a notebook, not as black."""
    layer = opened.convert("RGBA")
    ground = Pillow.new("RGBA", layer.size, "white")
    ground.alpha_composite(layer)
    return ground.convert("RGB")


def _encoded(shown: Pillow.Image, side: int) -> Image:
    shown.thumbnail((side, side), Pillow.Resampling.LANCZOS)
    png = io.BytesIO()
    shown.save(png, "PNG")
    if png.tell() <= _LARGEST_PNG:
        return Image(png.getvalue())
    jpeg = io.BytesIO()
    shown.save(jpeg, "JPEG", quality=85)
    return Image(jpeg.getvalue(), "image/jpeg")
