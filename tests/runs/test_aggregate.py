"""Which runs a report puts together, by which settings it knows them, and what it remarks."""

from pathlib import Path

import pytest

from gan_cli.metrics.paired import compare
from gan_cli.metrics.summary import summarise
from gan_cli.runs.aggregate import best_first, by_seed, different, remarks
from gan_cli.runs.collect import Job
from gan_cli.runs.report import Table, tables


def job(given: str = "", seed: int = 0, **settings: object) -> Job:
    """Return a finished run with settings beside the default ones, `given` as a command line is."""
    resolved = {
        "seed": seed, "prior._target_": "Uniform", "prior.low": -1, "optimizer.lr": 0.001,
        "schedule.k": 1, "schedule.batch_size": 20, "schedule.updates": "alternating",
        "device": "cpu",
        **{name.replace("__", "."): value for name, value in settings.items()},
    }  # fmt: skip
    words = dict(word.split("=") for word in given.split())
    name = f"{given} seed={seed}"
    rows = [{"step": 1.0, "value": 2.0}]
    return Job(name, Path(name), "finished", None, resolved, words, None, rows, {})


def test_summary() -> None:
    summary = summarise([1.0, 2.0, 4.0, 9.0])
    assert summary[0] == 4
    assert summary[1:] == pytest.approx((4.0, (38 / 3) ** 0.5 / 2, 3.0, 1.0, 9.0))
    assert summarise([5.0])[2] != summarise([5.0])[2]  # NaN: one value has no spread


GAUSSIAN = {"prior___target_": "Gaussian", "prior__low": None}


@pytest.mark.parametrize(
    ("jobs", "keys"),
    [
        # The seed and the machine make no group.
        ([job(seed=0), job("device=cuda", 1, device="cuda")], [{}]),
        # A number is the same however it is written, and a default whether it is given or not.
        ([job("optimizer.lr=0.001"), job("optimizer.lr=1e-3", 1), job(seed=2)], [{}]),
        # Of a group's settings its option is enough.
        (
            [job("prior=uniform"), job("prior=gaussian", 1, **GAUSSIAN), job("schedule.k=1", 2)],
            [{"prior": "uniform"}, {"prior": "gaussian"}],
        ),
        # Without one, as many settings as it takes to tell the runs apart.
        ([job(), job(**GAUSSIAN)], [{"prior._target_": "Uniform"}, {"prior._target_": "Gaussian"}]),
        # Among those that were given there is none too many.
        (
            [job("schedule.k=2", schedule__k=2), job("optimizer.lr=1", optimizer__lr=1)],
            [
                {"schedule.k": "2", "optimizer.lr": "0.001"},
                {"schedule.k": "1", "optimizer.lr": "1"},
            ],
        ),
    ],
)
def test_which_runs_go_together(jobs: list[Job], keys: list[dict[str, str]]) -> None:
    groups = best_first(jobs, "value")
    assert [group.key for group in groups] == keys
    assert sum(len(group.jobs) for group in groups) == len(jobs)


def test_settings_that_differ() -> None:
    jobs = [job("prior=uniform"), job("schedule.k=2", 1, schedule__k=2)]
    assert different(jobs) == {
        "prior": ["uniform", "default"], "schedule.k": ["1", "2"], "seed": ["0", "1"],
    }  # fmt: skip


def test_remarks() -> None:
    pair = "schedule.batch_size=30 optimizer.lr=2"
    jobs = [job(), job(), job(pair, 0, schedule__batch_size=30, optimizer__lr=2)]
    first, second = remarks(jobs, [], best_first(jobs, "value"))
    assert first.startswith("schedule.batch_size=20, optimizer.lr=0.001 has seed 0 2 times;")
    assert second.startswith("optimizer.lr and schedule.batch_size are confounded")


def of_seeds(metric: str, values: dict[str, list[float]]) -> list[Job]:
    """Return a job for each value of a metric, by the learning rate and from seed 0 on."""
    return [
        job(f"optimizer.lr={lr}", seed, optimizer__lr=lr)._replace(rows=[{"step": 1.0, metric: x}])
        for lr, some in values.items()
        for seed, x in enumerate(some)
    ]


def compared(metric: str, values: dict[str, list[float]]) -> list[dict[str, str]]:
    """Return the rows of the table that compares the best learning rate with the others."""
    found = tables(best_first(of_seeds(metric, values), metric), metric)
    (table,) = [one for one in found if one.title == "The best against the others"]
    return [dict(zip(table.heads, row, strict=True)) for row in table.rows]


TWELVE = [2.0**i for i in range(12)]
SIX = TWELVE[:6]


@pytest.mark.parametrize(
    ("metric", "other", "conclusion"),
    [
        ("parzen_valid", [0.0] * 6, "better"),
        ("parzen_valid", [0.0] * 5, "too few seeds to say"),
        ("parzen_valid", [0.0] * 5 + [33.0], "no difference shown"),
        ("value", [x + 1 for x in SIX], "better"),
        # One seed alone may make a mean the better one.
        ("parzen_valid", [x + 1 for x in TWELVE[:11]] + [-9999.0], "worse"),
    ],
)
def test_the_best_is_compared_seed_by_seed(
    metric: str, other: list[float], conclusion: str
) -> None:
    best = TWELVE[: max(6, len(other))]
    (row,) = compared(metric, {"0.1": best, "0.2": other})
    found = compare([a - b for a, b in zip(best, other, strict=False)])
    assert row == {
        "optimizer.lr": "0.2",
        "n": str(min(len(best), len(other))),
        f"{metric}: difference": f"{found.difference:.4g}",
        "interval": f"[{found.low:.4g}, {found.high:.4g}]",
        "level": f"{100 * found.level:.3g} %",
        "p": f"{found.p:.2g}",
        "conclusion": conclusion,
    }


def test_equal_values_are_no_difference() -> None:
    """Though six of them differ, and all the same way."""
    values = {"0.1": [*SIX, *[0.0] * 20], "0.2": [0.0] * 26}
    (row,) = compared("parzen_valid", values)
    assert (row["interval"], row["p"]) == ("[0, 2]", "0.031")
    assert row["conclusion"] == "no difference shown"


def test_seeds_without_a_pair() -> None:
    jobs = of_seeds("parzen_valid", {"0.1": [5.0, 5.0], "0.2": [1.0, 2.0], "0.3": [0.0]})
    lonely = jobs[-1]._replace(settings={**jobs[-1].settings, "seed": 7})
    groups = best_first([*jobs[:-1], lonely], "parzen_valid")
    _, table = tables(groups, "parzen_valid")
    assert [row[1] for row in table.rows] == ["2", "0"]
    assert table.rows[1][-1] == "no seed in common"
    assert "nan" not in str(table.rows)


@pytest.mark.parametrize("values", [{"0.1": [1.0], "0.2": [2.0]}, {"0.1": [1.0, 2.0]}])
def test_where_there_are_no_pairs_there_is_no_table(values: dict[str, list[float]]) -> None:
    (table,) = tables(best_first(of_seeds("parzen_valid", values), "parzen_valid"), "parzen_valid")
    assert table.title == "Results"


def test_runs_of_one_seed_count_once() -> None:
    jobs = of_seeds("parzen_valid", {"0.1": [1.0, 2.0]})
    again = jobs[0]._replace(rows=[{"step": 1.0, "parzen_valid": 4.0}])
    (group,) = best_first([*jobs, again], "parzen_valid")
    assert by_seed(group, "parzen_valid") == {0: 2.5, 1: 2.0}


def test_what_no_run_has_is_no_column() -> None:
    def heads(jobs: list[Job]) -> list[str]:
        table: Table = tables(best_first(jobs, "value"), "value")[0]
        return table.heads

    summary = ["runs", "n", "value: mean +- SE", "median", "min", "max"]
    assert heads([job()]) == summary
    spread = job(seed=1)._replace(rows=[{"step": 1.0, "value": 1.0, "spread": 0.5}])
    assert heads([job(), spread]) == [*summary, "spread"]
