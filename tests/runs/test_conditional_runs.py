"""Conditional runs: trained, resumed, sampled by class and evaluated."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.command import SMALL, Gan, TrainOnce, assert_same, weights
from PIL import Image

import gan_cli
from gan_cli.errors import UserError
from gan_cli.networks.conditional import ConditionalGenerator
from gan_cli.runs.directory import Run
from gan_cli.runs.load import load_weights

CONDITIONAL = (
    "experiment=digits_conditional", *SMALL, "schedule.steps=8",
    "monitor.samples=50", "monitor.valid=50",
)  # fmt: skip


@pytest.fixture
def run(train_once: TrainOnce) -> Path:
    return train_once(*CONDITIONAL, to="run")


def samples(gan: Gan, *settings: str) -> np.ndarray:
    assert gan("sample", "run=run", "save=samples", *settings).code == 0
    return np.load("samples.npy")


@pytest.mark.parametrize(
    "settings",
    [["fake_labels=uniform", "schedule.k=2"], ["schedule=simultaneous", "precision=bf16"]],
)
def test_a_run_resumes_bit_for_bit(settings: list[str], gan: Gan, at_step, tmp_path: Path) -> None:
    assert gan("train", *CONDITIONAL, *settings, "hydra.run.dir=whole").code == 0
    at_step(5, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    stopped = gan("train", *CONDITIONAL, *settings, "hydra.run.dir=run")
    assert stopped.code == 128 + signal.SIGTERM
    assert gan("train", "resume=run").code == 0
    assert_same(weights(tmp_path / "run"), weights(tmp_path / "whole"))


@pytest.mark.usefixtures("run")
def test_a_run_is_not_resumed_with_other_labels(gan: Gan, monkeypatch: pytest.MonkeyPatch) -> None:
    from gan_cli.data.digits import Digits

    load = Digits.load

    def relabelled(self: Digits):
        data = load(self)
        return data._replace(train=data.train._replace(y=9 - data.train.y))

    monkeypatch.setattr(Digits, "load", relabelled)
    refusal = gan("train", "resume=run", "schedule.steps=9").refusal
    assert "other data than this run was trained on" in refusal


@pytest.mark.usefixtures("run")
def test_samples_of_a_class(gan: Gan) -> None:
    """Of the same z they differ by the class; `all` has them in the order of the labels."""
    of_3, of_5 = (samples(gan, f"label={label}", "n=4", "seed=1") for label in (3, 5))
    assert not np.array_equal(of_3, of_5)
    everything = samples(gan, "label=all", "n=4", "seed=1")
    assert everything.shape == (40, 1, 8, 8)
    assert np.array_equal(everything[12:16], of_3)
    loaded = gan_cli.load("run")
    assert loaded.classes == list("0123456789")
    assert np.array_equal(loaded.sample(4, seed=1, label=3).numpy(), of_3)
    y = torch.full((4,), 3)
    by_hand = loaded.generator(loaded.z(4, seed=1), y)
    torch.testing.assert_close(by_hand.detach(), torch.from_numpy(of_3))
    assert loaded.discriminator(by_hand, y).shape == (4,)


@pytest.mark.usefixtures("run")
def test_labels_are_drawn_as_the_datas(gan: Gan) -> None:
    record = Path("run/classes.json")
    counts = json.loads(record.read_text())
    assert sum(counts.values()) == 1397
    drawn = samples(gan, "n=3")
    assert np.array_equal(samples(gan, "n=300")[:3], drawn)
    record.write_text(json.dumps({name: int(name == "7") for name in counts}))
    assert np.array_equal(samples(gan, "n=3"), samples(gan, "n=3", "label=7"))
    record.unlink()
    assert "classes.json" in gan("sample", "run=run").refusal


def test_folders_are_classes_by_their_names(
    gan: Gan, train_once: TrainOnce, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog", "10"):
        for i in range(20):
            path = tmp_path / f"own/{name}/{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(path)
    train_once(*CONDITIONAL, "dataset=folder", "dataset.path=own", to="run")
    loaded = gan_cli.load("run")
    assert loaded.classes == ["10", "cat", "dog"]
    dogs = loaded.sample(5, label="dog")
    assert torch.equal(dogs, loaded.sample(5, label=2))
    assert torch.equal(dogs, torch.from_numpy(samples(gan, "label=dog", "real=true", "n=5")))
    assert torch.equal(loaded.sample(5, label=10), loaded.sample(5, label=0))
    assert "10, cat, dog" in gan("sample", "run=run", "label=all").out
    refusal = gan("sample", "run=run", "label=mouse").refusal
    assert "label is mouse" in refusal
    assert "10, cat, dog" in refusal
    assert "n is 30" in gan("sample", "run=run", "label=dog", "real=true", "n=30").refusal


@pytest.mark.usefixtures("run")
def test_from_class_to_class(gan: Gan, monkeypatch: pytest.MonkeyPatch) -> None:
    """At fixed z, with samples of the classes at the ends; and paths in z are of one class."""
    seen = []
    save = "gan_cli.commands.interpolate.save_interpolation"
    monkeypatch.setattr(save, lambda _path, images, *_: seen.append(images))
    for label in ("label=[3,5,8]", "label=3", "seed=0"):
        assert gan("interpolate", "run=run", "rows=4", "steps=2", label).code == 0
    across, within, _ = seen
    assert across.shape == (5, 4, 1, 8, 8)
    for frame, label in ((0, 3), (2, 5), (4, 8)):
        expected = torch.from_numpy(samples(gan, "n=4", f"label={label}"))
        torch.testing.assert_close(across[frame], expected)
    assert not torch.equal(across[1], across[0])
    torch.testing.assert_close(within[0, 0], across[0, 0])
    for refused in (["label=[3]"], ["label=[3,5]", "path=slerp"], ["label=[3,12]"]):
        assert gan("interpolate", "run=run", *refused).refusal.startswith("label is ")
    # A G that takes labels alone.
    images = torch.zeros(10, 1, 8, 8)
    monkeypatch.setattr(ConditionalGenerator, "forward", lambda _self, _z, y: images[y])
    refusal = gan("interpolate", "run=run", "label=[3,5]").refusal
    assert "network.generator can't take what lies between classes" in refusal


def test_log_likelihood_is_of_as_many_samples_of_each_class(
    train_once: TrainOnce, gan: Gan
) -> None:
    """By hand, of a run whose training images are all of one class if one asks its record."""
    train_once(*CONDITIONAL, "network.generator.init.irange=[0.5]", to="run")
    record = Path("run/classes.json")
    names = json.loads(record.read_text())
    record.write_text(json.dumps({name: int(name == "7") for name in names}))
    loaded = gan_cli.load("run")
    images = loaded.generator(loaded.z(30), torch.arange(30) // 3).detach()
    np.save("samples.npy", images.numpy())
    found = []
    for asked in (["run=run"], ["samples=samples.npy", "dataset=digits"]):
        output = gan(
            "eval-parzen", *asked, "n_samples=30", "references=[]", "hydra.run.dir=out"
        ).output
        assert ("of 10 classes in equal numbers" in output) == (not found)
        found.append(json.loads(Path("out/parzen.json").read_text()))
    of_run, of_file = found
    assert of_run["log_likelihood"] == pytest.approx(of_file["log_likelihood"], rel=1e-5)
    assert of_run["labels"].startswith("in equal numbers")
    assert of_file["labels"] is None


def test_labels_come_along_with_samples(train_once: TrainOnce) -> None:
    """Each is the sample of its label."""
    train_once(*CONDITIONAL, "network.generator.init.irange=[0.5]", to="run")
    trained = load_weights(Run(Path("run")), ["raw"], torch.device("cpu"))["raw"]
    x, y = trained.labelled(20, seed=3)
    assert y is not None
    assert torch.equal(x, trained.samples(20, seed=3))
    for i, label in enumerate(y.tolist()):
        assert torch.equal(x[i], trained.samples(20, 3, label)[i])


@pytest.mark.usefixtures("run")
def test_evaluations_by_label_and_without(gan: Gan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gan_cli.metrics.accuracy.STEPS", 3)
    assert gan("train", *SMALL, "schedule.steps=8", "hydra.run.dir=other").code == 0
    for run, classified in (("run", True), ("run", False), ("other", True)):
        result = gan(
            "evaluate", f"run={run}", "n=200", "draws=2", "references=[half,kmeans]",
            "hydra.run.dir=out", f"accuracy_from_samples={str(classified).lower()}",
        )  # fmt: skip
        assert result.code == 0, result.err
        found = json.loads(Path("out/evaluation.json").read_text())
        row, half, centroids = found["rows"].values()
        labelled = run == "run"
        for one in (row, half):
            assert ("label_agreement" in one) == labelled
            assert ("accuracy_from_samples" in one) == (labelled and classified)
        assert "label_agreement" not in centroids
        assert bool(found["notes"]) == labelled
        if labelled:
            agreement = found["class_agreement"]["run, raw"]
            assert len(agreement) == 10
            assert half["label_agreement"]["mean"] > 0.99
            assert row["label_agreement"]["standard_error"] > 0
            (line,) = (x for x in result.out.splitlines() if x.startswith("| k-means centroids |"))
            assert line.count("| - ") == 1 + classified
            assert "class_frechet is left out where there are too few" in result.out
    # Both in one report, where the last one evaluated has no labels.
    assert gan("report", "runs=[run,other]", "hydra.run.dir=reported").code == 0
    table = [line.split("|") for line in Path("reported/report.md").read_text().splitlines()]
    (head,) = (line for line in table if " label_agreement " in " ".join(line))
    column = [cell.strip() for cell in head].index("label_agreement")
    cells = [line[column].strip() for line in table if len(line) == len(head)][2:]
    assert [bool(cell) for cell in cells] == [True, False, True, False]


@pytest.mark.usefixtures("run")
def test_other_evaluations(gan: Gan) -> None:
    for command in (
        ["table1", "runs=run", "n_samples=150", "valid_limit=20", "test_limit=20", "centroids=5"],
        ["sample", "neighbors=true", "n=5", "label=3"],
    ):
        run = [] if command[0] == "table1" else ["run=run"]
        assert gan(*command, *run, "threads=1").code == 0


def test_a_grid_shows_class_after_class(train_once: TrainOnce) -> None:
    """As many of each as can be."""
    grid = ["log.grid=20", "log.grid_every_steps=8", "network.generator.init.irange=[0.5]"]
    train_once(*CONDITIONAL, *grid, to="run")
    loaded = gan_cli.load("run")
    labels = torch.arange(20) // 2
    expected = loaded.generator(loaded.z(20), labels).detach()
    with Image.open("run/samples/step-000000008.png") as image:
        grid = np.asarray(image)
    scale, gap = (grid.shape[1] - 2) // 5 - 2, 2
    for i in (0, 1, 2, 19):
        top, left = (gap + place * (scale + gap) for place in divmod(i, 5))
        shown = grid[top : top + scale : scale // 8, left : left + scale : scale // 8, 0]
        np.testing.assert_allclose(shown, 255 * expected[i, 0].numpy(), atol=1)


def test_an_unconditional_run_has_no_classes(gan: Gan, train_once: TrainOnce) -> None:
    assert not (train_once() / "classes.json").exists()
    for command in ("sample", "interpolate"):
        for label in ("3", "all"):
            refusal = gan(command, "run=a", f"label={label}").refusal
            assert refusal.startswith(f"label is {label}")
    with pytest.raises(UserError, match="label is 3"):
        gan_cli.load("a").sample(2, label=3)


@pytest.mark.usefixtures("run")
def test_rows_of_all_classes_stand_alone(gan: Gan) -> None:
    for setting in ("columns=3", "real=true", "neighbors=true"):
        assert gan("sample", "run=run", "label=all", setting).refusal.startswith("label is all")


def test_a_dry_run_shows_both_networks(gan: Gan) -> None:
    output = gan("train", *CONDITIONAL, "dry_run=true").output
    assert "10 classes" in output
    assert "Linear(in=110, out=32" in output


def test_a_convolutional_pair_trains(gan: Gan) -> None:
    small = ["network.generator.width=4", "network.discriminator.width=4", *SMALL[2:]]
    pair = ["experiment=dcgan", "condition=label", "network=conditional_dcgan", "dataset=digits"]
    assert gan("train", *pair, *small, "schedule.steps=3", "hydra.run.dir=run").code == 0
    assert samples(gan, "label=all", "n=2").shape == (20, 1, 8, 8)
