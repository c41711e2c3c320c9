"""Which runs a report puts together, by which settings it knows them, and what it remarks."""

from pathlib import Path

import pytest

from gan_cli.metrics.summary import summarise
from gan_cli.runs.aggregate import best_first, different, remarks
from gan_cli.runs.collect import Job


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
    return Job(name, Path(name), "finished", None, resolved, words, None, [{"step": 1, "value": 2}])


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
