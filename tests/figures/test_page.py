from gan_cli.figures.page import Chart, Grid, Page, Rerun, Row, Table, render, within


def row(name: str, *sizes: int) -> Row:
    return Row(name, [Grid(seed, 5, bytes(size)) for seed, size in enumerate(sizes)])


def seeds(rows: list[Row]) -> list[list[int]]:
    return [[grid.seed for grid in row.grids] for row in rows]


def test_every_group_s_first_seed_comes_before_any_second() -> None:
    rows = [row("a", 3, 3, 3), row("b", 3), row("c", 3, 3)]
    for size, kept, left_out in (
        (0, [[], [], []], 6),
        (8, [[0], [0], []], 4),
        (9, [[0], [0], [0]], 3),
        (14, [[0, 1], [0], [0]], 2),
        (15, [[0, 1], [0], [0, 1]], 1),
        (18, [[0, 1, 2], [0], [0, 1]], 0),
    ):
        some, others = within(size, rows)
        assert (seeds(some), others) == (kept, left_out)
        assert [r.name for r in some] == ["a", "b", "c"]


def test_no_grid_is_shown_for_being_small() -> None:
    some, left_out = within(5, [row("a", 4, 1), row("b", 4, 1)])
    assert (seeds(some), left_out) == ([[0], []], 3)


def test_all_text_is_escaped() -> None:
    wild = "<b>&\"'</b>"
    page = Page(
        title=wild,
        facts=[(wild, wild)],
        ordered_by=wild,
        first=wild,
        table=Table([wild, wild], [[wild, wild]], 1),
        remarks=[wild],
        charts=[Chart(wild, b"")],
        drawn=[wild],
        groups=1,
        samples=[Row(wild, [Grid(0, 5, b"")])],
        left_out=0,
        settings=Table([wild], [[wild]], 1),
        reruns=[Rerun(wild, wild, wild)],
    )
    text = render(page)
    assert wild not in text
    assert "<b>" not in text
    # Twice: title, fact, samples; tables 6, rerun 3; and order, first, remark, chart, legend.
    assert text.count("&lt;b&gt;&amp;&#34;&#39;&lt;/b&gt;") == 20
