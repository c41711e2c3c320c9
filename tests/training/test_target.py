"""A run that ends where its monitor's estimate is good enough."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.command import SMALL, Gan, rows
from omegaconf import OmegaConf

from gan_cli.data.digits import Digits
from gan_cli.game.schedules import iterations
from gan_cli.metrics.features import feature_space
from gan_cli.metrics.frechet import frechet
from gan_cli.metrics.parzen import log_likelihood
from gan_cli.training import checkpoints

RUN = (
    "train", *SMALL, "optimizer=adam", "optimizer.lr=0.001", "ema_decay=0.9",
    "schedule.batch_size=100", "monitor.every_epochs=0.5",  # 6 steps
    "monitor.samples=200", "monitor.valid=40", "checkpoint.share=null", "hydra.run.dir=run",
)  # fmt: skip


def estimates(run: Path, metric: str = "parzen") -> list[float]:
    return [float(row[f"{metric}_valid"]) for row in rows(run) if row[f"{metric}_valid"]]


@pytest.mark.parametrize(("metric", "best"), [("parzen", max), ("frechet", min)])
def test_a_run_ends_at_its_target(
    metric: str, best: Callable[..., float], gan: Gan, tmp_path: Path
) -> None:
    by = f"monitor.metric={metric}"
    assert gan(*RUN, "schedule.steps=60", by).code == 0
    whole, run = estimates(tmp_path / "run", metric), tmp_path / "run"
    run.rename(tmp_path / "whole")
    first = next(i for i in range(1, len(whole) - 1) if best(whole[: i + 1]) == whole[i])
    target = (whole[first] + best(whole[:first])) / 2
    assert gan(*RUN, "schedule.steps=60", by, f"monitor.target={target}").code == 0
    assert estimates(run, metric) == whole[: first + 1]
    step = int(rows(run)[-1]["step"])
    assert step < 60
    for name in ("best.ckpt", f"step-{step:09d}.ckpt"):
        assert checkpoints.load(run / "checkpoints" / name)["step"] == step
    assert (run / f"samples/step-{step:09d}.png").is_file()

    assert "monitor.target" in gan("train", "resume=run").refusal
    # Killed before it could say that it is finished: there is nothing left to do but that.
    (run / "status.json").unlink()
    assert "Finished" in gan("train", "resume=run").out
    # Without the target it is the run that never had one.
    assert gan("train", "resume=run", "monitor.target=null").code == 0
    assert estimates(run, metric) == whole
    step = checkpoints.load(run / "checkpoints/best.ckpt")["step"]
    (at,) = (row for row in rows(run) if int(row["step"]) == step)
    assert float(at[f"{metric}_valid"]) == best(whole)


def test_a_sweep_resumes_what_has_not_reached_its_target(gan: Gan, tmp_path: Path) -> None:
    """A run that has stays finished, also where the sweep is made longer."""
    sweep = ["train", "-m", *RUN[1:-1], "sweep=study", "seed=range(1)"]
    job = tmp_path / "outputs/sweep/study/seed=0"
    for steps, target, last in ((20, "-1e6", 6), (40, "-1e6", 6), (20, "null", 20)):
        result = gan(*sweep, f"schedule.steps={steps}", f"monitor.target={target}")
        assert (result.code, int(rows(job)[-1]["step"])) == (0, last)


def test_a_run_that_is_good_enough_now_says_so(gan: Gan, tmp_path: Path) -> None:
    assert gan(*RUN, "schedule.steps=18").code == 0
    (tmp_path / "run/status.json").unlink()
    reached = max(estimates(tmp_path / "run")) - 1
    assert "Finished" in gan("train", "resume=run", f"monitor.target={reached}").out
    assert OmegaConf.load(tmp_path / "run/config.yaml").monitor.target == reached
    # What was measured of G is no estimate of its average.
    more = ["schedule.steps=24", "monitor.weights=ema", "monitor.every_epochs=0.1"]
    assert gan("train", "resume=run", f"monitor.target={reached}", *more).code == 0
    assert len(rows(tmp_path / "run")) > 3
    best = checkpoints.load_newest(tmp_path / "run/checkpoints")["best"]
    assert best == pytest.approx(max(estimates(tmp_path / "run")[3:]), rel=1e-6)


def test_a_missed_target_has_no_time(gan: Gan, tmp_path: Path) -> None:
    for name, target in (("fast", "-1e6"), ("never", "1e6")):
        more = ["schedule.steps=14", f"monitor.target={target}", f"hydra.run.dir={name}"]
        assert gan(*RUN[:-1], *more, f"seed={len(name)}").code == 0
    result = gan("report", "runs=[fast,never]", "by=seconds")
    (page,) = tmp_path.glob("outputs/report/*/report.html")
    for text in (result.out, page.read_text()):
        assert "never has no epoch and seconds to its target: monitor.target is 1e+06, and" in text
        assert "fast, as to" not in text
    assert "the least first" in page.read_text()
    (table,) = tmp_path.glob("outputs/report/*/report.csv")
    lines = [line for line in table.read_text().splitlines() if "seconds" in line]
    assert [line.split(",")[1:3] for line in lines] == [["seconds", "1"]]


def test_a_target_out_of_reach_is_reported(gan: Gan, tmp_path: Path) -> None:
    output = gan(*RUN, "schedule.steps=14", "monitor.target=1e6").output
    assert f"the best estimate was Parzen {max(estimates(tmp_path / 'run')):.1f}" in output
    refusal = gan(*RUN[:-1], "monitor.target=3", "monitor.every_epochs=null").refusal
    assert "monitor.every_epochs" in refusal


@pytest.mark.parametrize("weights", ["raw", "ema"])
def test_the_monitor_measures_g_or_its_average(weights: str, gan: Gan, tmp_path: Path) -> None:
    assert gan(*RUN, "schedule.steps=14", f"monitor.weights={weights}").code == 0
    assert gan("sample", "run=run", "n=200", f"weights={weights}", "save=s.npy").code == 0
    samples = torch.from_numpy(np.load(tmp_path / "s.npy")).flatten(1)
    points = Digits((1, 8, 8)).load().valid.x[:40].flatten(1) / 255
    by_sigma = log_likelihood(points, samples, list(np.logspace(-1, 0, 10))).mean(1)
    assert estimates(tmp_path / "run")[-1] == pytest.approx(by_sigma.max().item(), rel=1e-6)


@pytest.mark.parametrize(
    ("epochs", "per_epoch", "steps"),
    [(0.07, 100, 7), (0.001, 100, 1), (1e-9, 100, 1), (0.071, 100, 8), (2, 12.5, 25), (1, 0.4, 1)],
)
def test_epochs_in_steps(epochs: float, per_epoch: float, steps: int) -> None:
    assert iterations(None, epochs, per_epoch) == steps
    assert iterations(3, epochs, per_epoch) == 3


def test_the_monitor_compares_features_of_the_whole_validation_set(
    gan: Gan, tmp_path: Path
) -> None:
    assert gan(*RUN, "schedule.steps=14", "monitor.metric=frechet").code == 0
    assert gan("sample", "run=run", "n=200", "save=s.npy").code == 0
    source = Digits((1, 8, 8))
    data = source.load()
    space = feature_space(source, data, tmp_path)
    pixels = (255 * np.load(tmp_path / "s.npy")).round().astype(np.uint8)
    samples, valid = space(torch.from_numpy(pixels)), space(data.valid.x)
    assert samples.classes is not None
    assert valid.classes is not None
    last = rows(tmp_path / "run")[-1]
    distance = frechet(samples.features, valid.features)
    assert float(last["frechet_valid"]) == pytest.approx(distance, rel=1e-6)
    shares = [
        torch.bincount(c.most_probable, minlength=10) / len(c.most_probable)
        for c in (samples.classes, valid.classes)
    ]
    variation = (shares[0] - shares[1]).abs().sum().item() / 2
    assert float(last["class_variation_valid"]) == pytest.approx(variation, rel=1e-6)


def test_too_few_samples_for_a_frechet_distance(gan: Gan, tmp_path: Path) -> None:
    refusal = gan(
        *RUN, "schedule.steps=14", "monitor.metric=frechet", "monitor.samples=128"
    ).refusal
    assert "monitor.samples is 128" in refusal
    assert not (tmp_path / "run").exists()
