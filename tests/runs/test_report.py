"""`gan report`: the numbers are those of the runs' own files."""

import csv
import shutil
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.command import SMALL, Result, rows

from gan_cli.errors import UserError
from gan_cli.metrics.summary import summarise
from gan_cli.runs.directory import Run
from gan_cli.training.trainer import Trainer

Gan = Callable[..., Result]
SWEEP = [
    *SMALL, "schedule.steps=6", "log.every_steps=2", "monitor.samples=50", "monitor.valid=20",
    "sweep=study",
]  # fmt: skip


def only(pattern: str, cwd: Path) -> Path:
    (path,) = cwd.glob(pattern)
    return path


def test_summary() -> None:
    summary = summarise([1.0, 2.0, 4.0, 9.0])
    assert summary[0] == 4
    assert summary[1:] == pytest.approx((4.0, (38 / 3) ** 0.5 / 2, 3.0, 1.0, 9.0))
    assert summarise([5.0])[2] != summarise([5.0])[2]  # NaN: one value has no spread


def test_groups_over_seeds(gan: Gan, tmp_path: Path) -> None:
    grid = ["optimizer.lr=0.05,0.2,-1", "prior=uniform,gaussian", "seed=range(2)"]
    assert gan("train", "-m", *SWEEP, *grid).code == 1
    result = gan("report", "sweep=study")
    assert result.code == 0, result.err

    text = only("outputs/report/*/report.csv", tmp_path).read_text()
    table = list(csv.DictReader(text.splitlines()))
    assert list(table[0]) == [
        "optimizer.lr", "prior", "metric", "n", "mean", "standard_error", "median", "least", "most",
    ]  # fmt: skip
    assert len(table) == 4 * 9
    for row in table:
        lr, prior, metric = row["optimizer.lr"], row["prior"], row["metric"]
        found = [
            rows(tmp_path / f"outputs/sweep/study/optimizer.lr={lr},prior={prior},seed={seed}")
            for seed in range(2)
        ]
        values = [
            statistics.median(float(r[metric]) for r in run)
            if metric == "images_per_second"
            # Rows of two steps of 20 images each.
            else sum(2 * 20 / float(r["images_per_second"]) for r in run)
            if metric == "seconds"
            else float(run[-1][metric])
            for run in found
        ]
        assert int(row["n"]) == 2
        assert float(row["mean"]) == pytest.approx(sum(values) / 2)
        assert float(row["standard_error"]) == pytest.approx(abs(values[0] - values[1]) / 2)
        assert (float(row["least"]), float(row["most"])) == (min(values), max(values))

    means = [float(row["mean"]) for row in table if row["metric"] == "parzen_valid"]
    assert means == sorted(means, reverse=True)
    markdown = only("outputs/report/*/report.md", tmp_path).read_text()
    assert markdown.startswith("| optimizer.lr | prior")
    assert f"{means[0]:.4g} +- " in markdown.splitlines()[2]
    told = "optimizer.lr is -1.0; it must be a number greater than 0."
    assert markdown.count(f"failed: {told}") == 4
    assert told in result.out
    times = sorted(float(row["mean"]) for row in table if row["metric"] == "seconds")
    lines = gan("report", "sweep=study", "by=seconds").out.splitlines()[2:6]
    assert [line.split("|")[4].split()[0] for line in lines] == [f"{time:.4g}" for time in times]


def test_what_is_interrupted_or_not_begun_is_listed(
    gan: Gan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, steps = Trainer.train_step, []

    def play(self: Trainer) -> None:
        step(self)
        steps.append(self.state.step)
        if len(steps) == 9:
            raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "train_step", play)
    assert gan("train", "-m", *SWEEP, "seed=range(4)").code == 130
    result = gan("report", f"sweep={tmp_path}/outputs/sweep/study")
    assert result.code == 0, result.err
    assert "seed=2: not begun" in result.out
    assert "seed=3: not begun" in result.out
    assert "seed=1: " in result.out
    (speed,) = gan("report", "sweep=study", "by=images_per_second").out.splitlines()[2:3]
    assert speed.startswith("| all  | 1 | ")
    assert "nan" not in speed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", "sweep is None and runs is []; one of them must say what to report"),
        ("sweep=none", "sweep is none, but neither outputs/sweep/none nor none holds"),
        ("runs=[nowhere]", "runs is nowhere, which is not a run"),
        ("sweep=a runs=[b]", "one of them must say what to report"),
        ("sweep=a by=nonsense", "by is nonsense; it must be one of parzen_valid"),
    ],
)
def test_nothing_to_report(arguments: str, words: str, gan: Gan, tmp_path: Path) -> None:
    result = gan("report", *arguments.split())
    assert result.code == 1
    assert words in result.err
    assert list(tmp_path.iterdir()) == []


def test_the_same_number_written_otherwise(gan: Gan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEED", "3")
    for name, more in (("a", "optimizer.lr=0.01"), ("b", "optimizer.lr=1e-2")):
        seed = "seed=${oc.env:SEED}" if name == "a" else "seed=4"
        assert gan("train", *SWEEP[:-1], more, seed, f"hydra.run.dir={name}").code == 0
    result = gan("report", "runs=[a,b]")
    assert result.code == 0, result.err
    assert "| all  | 2 |" in result.out


def test_single_runs(gan: Gan) -> None:
    for name, widths in (("a", "[8,8]"), ("b", "[9,9]")):
        more = [f"network.generator.widths={widths}", f"hydra.run.dir={name}"]
        assert gan("train", *SWEEP[:-1], *more).code == 0
    result = gan("report", "runs=[a,b]")
    assert result.code == 0, result.err
    assert "| network.generator.widths | n |" in result.out
    assert "nan" not in result.out


def test_commands_that_were_refused_are_not_reported(gan: Gan, tmp_path: Path) -> None:
    """What a run was trained with is in its own record of each session."""
    for name, seed in (("a", 0), ("b", 1)):
        assert gan("train", *SWEEP[:-1], f"seed={seed}", f"hydra.run.dir={name}").code == 0
    assert gan("train", "resume=a", "optimizer.lr=0.5").code == 1
    assert gan("train", "resume=a", "schedule.steps=50", "dry_run=true").code == 0
    assert gan("train", *SWEEP[:-1], "optimizer.lr=0.5", "hydra.run.dir=a").code == 1
    assert gan("train", "resume=a", "schedule.steps=8", "log.every_steps=1").code == 0
    result = gan("report", "runs=[a,b]")
    assert result.code == 0, result.err
    assert result.out.startswith("| schedule.steps | n |")
    page = only("outputs/report/*/report.html", tmp_path).read_text()
    assert "optimizer.lr=0.5" not in page
    assert "dry_run" not in page
    assert "schedule.steps=8 log.every_steps=1" in page


def test_a_default_that_was_told_is_no_difference(gan: Gan) -> None:
    told = {"a": "prior=uniform", "b": "schedule.k=1", "c": "prior=gaussian"}
    for i, (name, more) in enumerate(told.items()):
        assert gan("train", *SWEEP[:-1], more, f"seed={i}", f"hydra.run.dir={name}").code == 0
    result = gan("report", "runs=[a,b]")
    assert "| all  | 2 |" in result.out
    result = gan("report", "runs=[a,b,c]")
    assert sorted(line.split("|")[2].strip() for line in result.out.splitlines()[2:4]) == ["1", "2"]


def test_the_least_value_is_the_best(gan: Gan) -> None:
    for name, lr in (("a", 0.0001), ("b", 0.02)):
        more = [f"optimizer.lr={lr}", "schedule.steps=40", f"hydra.run.dir={name}"]
        assert gan("train", *SWEEP[:-1], *more).code == 0
    lines = gan("report", "runs=[b,a]", "by=value").out.splitlines()[2:4]
    values = [float(line.split("|")[3].split()[0]) for line in lines]
    assert values == sorted(values)
    assert values[0] != values[1]


def test_what_is_no_two_runs(gan: Gan, tmp_path: Path) -> None:
    assert gan("train", *SWEEP[:-1], "hydra.run.dir=a").code == 0
    (tmp_path / "b").symlink_to("a")
    result = gan("report", "runs=[a,b]")
    assert result.code == 1
    assert "has a run more than once" in result.err
    for name, seed in (("c", 0), ("d", 1)):
        more = ["schedule.k=1", f"seed={seed}", f"hydra.run.dir={name}"]
        assert gan("train", *SWEEP[:-1], *more).code == 0
    result = gan("report", "runs=[a,d,c]")
    assert "| all  | 3 |" in result.out
    assert "\nall has seed 0 2 times; standard errors" in result.out


def test_damaged_records_of_a_sweep(gan: Gan, tmp_path: Path) -> None:
    assert gan("train", "-m", *SWEEP, "seed=range(2)").code == 0
    sweep = tmp_path / "outputs/sweep/study"
    metrics = sweep / "seed=1/metrics.csv"
    metrics.write_text(metrics.read_text()[:-30] + "\n")
    for damage in ("", "cut: [", "hydra:\n  runtime: null\n"):
        for record in ("multirun.yaml", "seed=0/.hydra/hydra.yaml", "seed=1/.hydra/overrides.yaml"):
            (sweep / record).write_text(damage)
        result = gan("report", "sweep=study")
        assert result.code == 0, result.err
    metrics.write_bytes(b"\xff\xfe")
    result = gan("report", "sweep=study")
    assert result.code == 1
    assert "seed=1/metrics.csv is damaged" in result.err


def test_what_else_lies_in_a_run(gan: Gan, tmp_path: Path) -> None:
    assert gan("train", *SWEEP[:-1], "log.grid_every_steps=2", "hydra.run.dir=a").code == 0
    run = Run(tmp_path / "a")
    assert run.last_grid() == (6, run.grid_path(6))
    shutil.copy(run.grid_path(6), run.samples / "step-000000006_big.png")
    assert run.last_grid() == (6, run.grid_path(6))
    text, found = run.metrics_path.read_text(), run.rows()
    run.metrics_path.write_text(f"\ufeff{text}")  # as spreadsheets save it
    assert run.rows() == found
    run.metrics_path.write_text(text.partition("\n")[2])
    with pytest.raises(UserError, match=r"metrics\.csv is damaged: it has rows without a step"):
        run.rows()


def test_settings_that_differ_together_are_all_shown_as_confounded(
    gan: Gan, tmp_path: Path
) -> None:
    for lr, size, seed in ((0.1, 20, 0), (0.1, 20, 1), (0.2, 30, 0)):
        pair = [f"optimizer.lr={lr}", f"schedule.batch_size={size}", f"seed={seed}"]
        directory = f"hydra.run.dir={lr}-{seed}"
        assert gan("train", *SMALL, *pair, "schedule.steps=2", directory).code == 0
    result = gan("report", "runs=[0.1-0,0.1-1,0.2-0]")
    assert result.code == 0, result.err
    assert "optimizer.lr and schedule.batch_size are confounded" in result.out
    table = csv.DictReader(only("outputs/report/*/report.csv", tmp_path).read_text().splitlines())
    shown = {(row["optimizer.lr"], row["schedule.batch_size"]) for row in table}
    assert shown == {("0.1", "20"), ("0.2", "30")}
