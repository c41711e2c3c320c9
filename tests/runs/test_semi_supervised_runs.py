"""Runs whose D learns classes from few labels."""

import json
import os
import signal
from pathlib import Path

import pytest
from helpers.command import Gan, assert_same, rows, weights

import gan_cli
from gan_cli.data.digits import Digits
from gan_cli.game.semi_supervised import classes

SMALL = (
    "experiment=mnist_semi_supervised", "dataset=digits", "network.generator.widths=[32]",
    "network.discriminator.widths=[32,16]", "schedule.batch_size=50", "precision=fp32",
    "threads=1", "monitor.samples=50", "monitor.valid=50", "hydra.run.dir=run",
)  # fmt: skip


def test_d_learns_classes_from_few_labels(gan: Gan) -> None:
    """Far better than chance on validation, as the log and metrics.csv say."""
    output = gan("train", *SMALL, "schedule.epochs=10", "monitor.metric=error").output
    errors = [float(row["error_valid"]) for row in rows(Path("run")) if row["error_valid"]]
    error = errors[-1]
    assert error < 40
    valid = Digits([1, 8, 8]).load().valid
    d = gan_cli.load("run").discriminator
    wrong = classes(d, valid.x / 255).ne(valid.y).double().mean()
    assert error == pytest.approx(100 * wrong.item(), abs=1e-4)
    assert f"error {error:.2f} %" in output
    assert weights(Path("run"))["best"] == pytest.approx(min(errors))
    assert not Path("run/classes.json").exists()
    assert gan("sample", "run=run", "n=4").code == 0

    assert gan("evaluate", "run=run", "n=150", "hydra.run.dir=measured").code == 0
    test = Digits([1, 8, 8]).load().test
    class_logits, _ = d.classify(test.x / 255)
    p = class_logits.argmax(1).ne(test.y).double().mean().item()
    measured = json.loads(Path("measured/evaluation.json").read_text())["rows"]
    of_run, *references = measured.values()
    assert of_run["error"]["mean"] == pytest.approx(100 * p, abs=1e-4)
    standard_error = 100 * (p * (1 - p) / len(test.x)) ** 0.5
    assert of_run["error"]["standard_error"] == pytest.approx(standard_error, abs=1e-4)
    assert not any("error" in row for row in references)


def test_a_run_resumes_bit_for_bit(gan: Gan, at_step, tmp_path: Path) -> None:
    settings = (*SMALL, "schedule.steps=8", "schedule.k=2")
    assert gan("train", *settings, "hydra.run.dir=whole").code == 0
    at_step(5, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    assert gan("train", *settings).code == 128 + signal.SIGTERM
    assert gan("train", "resume=run").code == 0
    assert_same(weights(tmp_path / "run"), weights(tmp_path / "whole"))


def test_a_dry_run_shows_both_networks(gan: Gan) -> None:
    output = gan("train", *SMALL, "dry_run=true").output
    assert "GaussianNoise(std=0.3)" in output


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (["labels=9"], "labels is 9; it must be from 10"),
        (["labels=2000"], "labels is 2000"),
        (["labels=null"], "labels is null"),
        (["schedule=alternating"], "schedule.updates is alternating"),
        (["network=fc"], "network.discriminator is MaxoutDiscriminator"),
        (["condition=label"], "condition is label"),
        (["classes=9"], "classes is 9"),
        (["labels=null", "schedule=alternating", "network=fc", "monitor.metric=error"],
         "monitor.metric is error"),
    ],
)  # fmt: skip
def test_settings_that_go_together(settings: list[str], named: str, gan: Gan) -> None:
    small = [s for s in SMALL if "network=fc" not in settings or not s.startswith("network.")]
    assert named in gan("train", *small, *settings).refusal
    assert not Path("run").exists()


def test_data_without_labels(gan: Gan, monkeypatch: pytest.MonkeyPatch) -> None:
    load = Digits.load

    def unlabelled(self: Digits):
        return load(self)._replace(train=load(self).train._replace(y=None))

    monkeypatch.setattr(Digits, "load", unlabelled)
    refusal = gan("train", *SMALL).refusal
    assert refusal.startswith("labels is 100")
