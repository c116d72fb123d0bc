"""What a turn costs."""

from __future__ import annotations

import pytest

from grader.agents.base import Usage
from grader.agents.pricing import DEFAULT_MODEL, PRICES, cost

MILLION = 1_000_000


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        (Usage(input=MILLION), 4.0),
        (Usage(output=MILLION), 20.0),
        (Usage(cache_read=MILLION), 0.20),
        (Usage(cache_write=MILLION), 5.0),
        (Usage(100, 200, 300, 400), 0.00646),
        (Usage(), 0.0),
    ],
)
def test_every_kind_of_token_has_its_price(usage: Usage, dollars: float) -> None:
    assert cost("claude-opus-5-5", usage) == pytest.approx(dollars)


def test_a_dated_model_costs_what_its_alias_costs() -> None:
    usage = Usage(input=MILLION)
    assert cost("claude-haiku-4-5-20251001", usage) == cost("claude-haiku-4-5", usage) == 1.0


@pytest.mark.parametrize("model", [None, "", "claude-haiku-5-5", "a-local-model", "claude-opus-5-"])
def test_an_unknown_price_is_none_and_not_0(model: str | None) -> None:
    assert cost(model, Usage(input=MILLION)) is None


def test_the_default_model_has_a_price() -> None:
    assert DEFAULT_MODEL in PRICES


def test_reading_the_cache_is_cheaper_than_input_and_writing_it_dearer() -> None:
    for price in PRICES.values():
        assert 0 < price.cache_read < price.input < price.cache_write < price.output
