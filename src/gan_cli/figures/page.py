"""A report as one page of HTML that needs nothing beside it: pictures are in the page itself."""

import base64
from collections.abc import Sequence
from importlib import resources
from itertools import zip_longest
from typing import NamedTuple

from jinja2 import Environment, StrictUndefined

from gan_cli.figures.curves import STYLES, WIDTH


class Table(NamedTuple):
    """Column heads, and as many cells in each row; the first `labels` columns are no numbers."""

    heads: list[str]
    rows: list[list[str]]
    labels: int


class Chart(NamedTuple):
    """A drawn chart: its title, for those who can't see it, and a PNG."""

    title: str
    png: bytes


class Grid(NamedTuple):
    """A grid of samples of the run with that seed at that step, as a PNG."""

    seed: int
    step: int
    png: bytes


class Row(NamedTuple):
    """A group's name, and its grids of samples, by seed."""

    name: str
    grids: list[Grid]


class Rerun(NamedTuple):
    """A run's name, its status, and the command that starts it anew, or None."""

    name: str
    status: str
    command: str | None


class Page(NamedTuple):
    """All that a report says, best group first.

    `facts` are what was reported, when and by what, as (name, text); `ordered_by` is the metric
    that orders the table, `first` most or least; `remarks` are on runs that are not in it, or
    differ. The groups `drawn` are in the charts, in the order of STYLES, out of `groups`
    in all. `left_out` is how many grids there are beside those in `samples`.
    """

    title: str
    facts: list[tuple[str, str]]
    ordered_by: str
    first: str
    table: Table
    remarks: list[str]
    charts: list[Chart]
    drawn: list[str]
    groups: int
    samples: list[Row]
    left_out: int
    settings: Table
    reruns: list[Rerun]


def render(page: Page) -> str:
    """Return the page as HTML, in which all text is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["uri"] = _uri
    template = resources.files("gan_cli.figures").joinpath("report.html").read_text("utf-8")
    return environment.from_string(template).render(page=page, styles=STYLES, width=WIDTH)


def within(size: int, rows: Sequence[Row]) -> tuple[list[Row], int]:
    """Return rows with as many of their grids as `size` bytes hold, and how many are left out.

    The first seed of every row comes before any second one, so that rows can be compared.
    """
    turns = zip_longest(*([(i, grid) for grid in row.grids] for i, row in enumerate(rows)))
    order = [taken for turn in turns for taken in turn if taken is not None]
    kept = [Row(row.name, []) for row in rows]
    for n, (i, grid) in enumerate(order):
        size -= len(grid.png)
        # Not the next one that would fit: which is seen must not depend on how it looks.
        if size < 0:
            return kept, len(order) - n
        kept[i].grids.append(grid)
    return kept, 0


def _uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
