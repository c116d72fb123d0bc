"""What a run may spend: no request is sent that could take it beyond its limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from grader.agents.base import AgentError


class OutOfMoneyError(AgentError):
    """The next request could cost more than is left."""

    def __init__(self, purse: Purse, most: float) -> None:
        super().__init__(
            f"stopped before a request that could cost ${most:.2f}: ${purse.spent:.2f} of the "
            f"${purse.limit:.2f} of --max-cost are spent",
            lasting=True,
        )


@dataclass(eq=False)  # two requests may cost the same
class Charge:
    """A request that is under way: ``most`` USD are kept for it, ``cost`` is what it came to."""

    most: float
    cost: float | None = None


@dataclass
class Purse:
    """The money of a run, shared by its trials: ``limit`` and what is ``spent``, in USD."""

    limit: float
    spent: float = 0.0
    _kept: list[Charge] = field(default_factory=list)
    _settled: asyncio.Condition = field(default_factory=asyncio.Condition)

    @asynccontextmanager
    async def charge(self, most: float) -> AsyncIterator[Charge]:
        """Keep ``most`` for one request, which sets what it came to; unset, ``most`` is spent.

        Waits while requests of other trials may leave enough. Raises OutOfMoneyError.
        """
        charge = Charge(most)
        async with self._settled:
            await self._settled.wait_for(lambda: not self._kept or self._fits(most))
            if not self._fits(most):
                raise OutOfMoneyError(self, most)
            self._kept.append(charge)
        try:
            yield charge
        finally:
            # Not under the lock: nothing may come between a request and its bill.
            self._kept.remove(charge)
            self.spent += charge.most if charge.cost is None else charge.cost
            async with self._settled:
                self._settled.notify_all()

    def _fits(self, most: float) -> bool:
        return self.spent + sum(charge.most for charge in self._kept) + most <= self.limit
