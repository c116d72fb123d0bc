"""What a turn costs. Prices are looked up by hand, so each is dated and none is guessed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from grader.agents.base import Usage

DEFAULT_MODEL = "claude-opus-5-5"
LOOKED_UP = "2026-11-24"
SOURCE = "https://platform.claude.com/docs/en/about-claude/pricing"


@dataclass(frozen=True)
class Price:
    """USD per million tokens; ``cache_write`` is the price of an entry that lives five minutes."""

    input: float
    output: float
    cache_read: float
    cache_write: float

    def of(self, usage: Usage) -> float:
        """USD for ``usage``."""
        dollars = (
            usage.input * self.input
            + usage.output * self.output
            + usage.cache_read * self.cache_read
            + usage.cache_write * self.cache_write
        )
        return dollars / 1_000_000

    def most(self, prompt: int, output: int) -> float:
        """USD for a request of so many tokens, whatever of them the cache has or takes."""
        return (prompt * max(self.input, self.cache_write) + output * self.output) / 1_000_000


_OPUS_5 = Price(5, 25, 0.50, 6.25)
_SONNET_4 = Price(3, 15, 0.30, 3.75)

# Claude Haiku 5.5 is left out: its price depends on the length of each single prompt, which the
# usage of a whole turn doesn't tell.
PRICES: dict[str, Price] = {
    "claude-fable-5-2": Price(8, 40, 0.20, 10),
    "claude-fable-5-1": Price(10, 50, 0.25, 12.50),
    "claude-fable-5": Price(10, 50, 1, 12.50),
    "claude-opus-5-5": Price(4, 20, 0.20, 5),
    "claude-opus-5": _OPUS_5,
    "claude-opus-4-8": _OPUS_5,
    "claude-opus-4-7": _OPUS_5,
    "claude-opus-4-6": _OPUS_5,
    "claude-opus-4-5": _OPUS_5,
    "claude-sonnet-5-5": Price(2, 10, 0.10, 2.50),
    "claude-sonnet-5": Price(2, 10, 0.20, 2.50),
    "claude-sonnet-4-6": _SONNET_4,
    "claude-sonnet-4-5": _SONNET_4,
    "claude-haiku-4-5": Price(1, 5, 0.10, 1.25),
}


def price_of(model: str | None) -> Price | None:
    """The list price of a model; a dated snapshot (claude-haiku-4-5-20251001) costs what its alias
    costs."""
    return PRICES.get(re.sub(r"-\d{8}$", "", model or ""))


def cost(model: str | None, usage: Usage) -> float | None:
    """USD for ``usage`` at list price; ``None``, never 0, where the price isn't known."""
    price = price_of(model)
    return None if price is None else price.of(usage)
