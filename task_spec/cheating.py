"""Ways to put a cheat's code into a notebook."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from task_spec.model import Cheat

Change = Callable[[Sequence[str]], Sequence[str]]


def before_all(code: str) -> Change:
    """A cell in front of all others."""
    return lambda cells: (code, *cells)


def after_all(code: str) -> Change:
    """A cell behind all others."""
    return lambda cells: (*cells, code)


def after(opening: str, code: str) -> Change:
    """A cell behind the one with a line that begins with ``opening``. ValueError if none has."""

    def change(cells: Sequence[str]) -> Sequence[str]:
        for at, cell in enumerate(cells, 1):
            if any(line.startswith(opening) for line in cell.splitlines()):
                return (*cells[:at], code, *cells[at:])
        raise ValueError(f"no cell has a line that begins with {opening!r}")

    return change


def on_hidden(folder: str) -> Cheat:
    """Stops unless the hidden inputs are there while it trains: they must come later."""
    code = (
        f"if not Path({folder!r}).exists():\n"
        '    raise FileNotFoundError("nothing to train on yet")\n'
    )
    why = "trains on hidden inputs, if it sees them before it is asked"
    return Cheat("on_hidden", why, 27, after_all(code), repaired=True)


def instead_of_all(*cells: str) -> Change:
    """Other cells in place of the notebook's."""
    return lambda _: cells
