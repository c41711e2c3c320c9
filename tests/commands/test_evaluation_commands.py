"""`gan eval-parzen`, `gan interpolate` and `gan sample neighbors=true`, as a person uses them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.command import Gan, TrainOnce, only, rows
from omegaconf import OmegaConf
from PIL import Image

from gan_cli.data.digits import Digits
from gan_cli.errors import UserError
from gan_cli.figures.grid import YELLOW
from gan_cli.game.priors import Gaussian
from gan_cli.metrics.parzen import log_likelihood
from gan_cli.runs.explain_errors import explain_out_of_memory
from gan_cli.sampling.arrays import read_samples
from gan_cli.sampling.samples import draw_z
from gan_cli.training import checkpoints


@pytest.fixture
def trained(train_once: TrainOnce) -> Path:
    settings = ["schedule.steps=60", "monitor.every_epochs=0.5", "prior=gaussian"]
    return train_once(*settings, to="outputs/train/mine")


@pytest.mark.usefixtures("trained")
def test_a_refused_sample_leaves_the_file_that_is_there(gan: Gan, tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_text("precious")
    for arguments, words in (
        (("n=5000", "real=true", "save=x.npy"), "n is 5000"),
        (("save=",), "save is ''"),
        (("save=x/",), "save is 'x/'"),
    ):
        assert words in gan("sample", *arguments).refusal
    assert (tmp_path / "x.npy").read_text() == "precious"
    assert not (tmp_path / "outputs/sample").exists()


def test_eval_parzen_of_a_run(gan: Gan, trained: Path, tmp_path: Path) -> None:
    output = gan("eval-parzen", "n_samples=300", "draws=3", "centroids=20", "refine=true").output
    content = json.loads(only("outputs/eval-parzen/*/parzen.json", tmp_path).read_text())
    assert content["n_samples"] == 300
    assert content["weights"] == "raw"
    assert content["seed"] == 0
    assert content["settings"]["valid_limit"] == 1000
    assert set(content["references"]) == {"300 training images", "20 k-means centroids"}

    # The very number, from the samples themselves.
    assert gan("sample", "n=300", "save=samples.npy").code == 0
    samples, data = torch.from_numpy(np.load(tmp_path / "samples.npy")), Digits((1, 8, 8)).load()
    sigmas = np.logspace(-1, 0, 10).tolist()
    curve = log_likelihood(data.valid.x / 255, samples, sigmas).mean(1)
    best = sigmas[int(curve.argmax())]
    test = log_likelihood(data.test.x / 255, samples, [best])[0]
    assert content["sigma"] == pytest.approx(best)
    assert content["log_likelihood"] == pytest.approx(test.mean().item(), abs=1e-4)
    assert content["standard_error"] == pytest.approx(test.std().item() / 200**0.5, abs=1e-4)
    np.testing.assert_allclose(content["validation"], curve, atol=1e-4)

    # Draws differ, and have their mean and spread beside them, as the grid has the refined sigma.
    draws = [draw["log_likelihood"] for draw in content["draws"]]
    assert len(set(draws)) == 3
    assert f"mean {np.mean(draws):.2f}, standard deviation {np.std(draws, ddof=1):.2f}" in output
    assert content["refined"]["sigma"] != content["sigma"]
    assert "with sigma refined" in output
    with Image.open(only("outputs/eval-parzen/*/parzen.png", tmp_path)) as png:
        assert png.text["run"] == str(trained.relative_to(tmp_path))
        assert png.text["seed"] == "0"
        assert "eval-parzen n_samples=300" in png.text["command"]


def test_eval_parzen_of_a_file_equals_that_of_the_run(
    gan: Gan, trained: Path, tmp_path: Path
) -> None:
    of_run = (f"run={trained}", "n_samples=200", "references=[]", "outputs=a")
    assert gan("eval-parzen", *of_run).code == 0
    assert gan("sample", "n=200", "save=samples.npy").code == 0
    flat = np.load(tmp_path / "samples.npy").reshape(200, 64).astype(np.float64)
    np.save(tmp_path / "flat.npy", flat)
    of_file = ("dataset=digits", "references=[]", "outputs=b", "samples=flat.npy")
    assert gan("eval-parzen", *of_file).code == 0
    a = json.loads(only("a/eval-parzen/*/parzen.json", tmp_path).read_text())
    b = json.loads(only("b/eval-parzen/*/parzen.json", tmp_path).read_text())
    assert a["log_likelihood"] == pytest.approx(b["log_likelihood"], abs=1e-6)
    assert b["weights"] is None


@pytest.mark.usefixtures("trained")
def test_centroids_are_cached_and_beat_training_images(gan: Gan, tmp_path: Path) -> None:
    for _ in range(2):
        assert gan("eval-parzen", "n_samples=100", "centroids=100").code == 0
    only("outputs/cache/kmeans-*", tmp_path)
    first, second = sorted(tmp_path.glob("outputs/eval-parzen/*/parzen.json"))
    content = json.loads(first.read_text())["references"]
    assert json.loads(second.read_text())["references"] == content
    means = {name: value["log_likelihood"] for name, value in content.items()}
    assert means["100 k-means centroids"] > means["100 training images"]


@pytest.mark.usefixtures("trained")
def test_a_sigma_at_the_edge_is_a_warning(gan: Gan) -> None:
    output = gan("eval-parzen", "n_samples=50", "sigmas=[0.01,0.02]", "references=[train]").output
    assert output.count("at the edge of the grid") == 2


def test_the_order_of_sigmas_does_not_matter(gan: Gan, trained: Path) -> None:
    """Nor between which of them to refine."""
    asked = ("eval-parzen", f"run={trained}", "n_samples=50", "references=[]", "refine=true")
    scores = []
    for sigmas in ("[0.1,0.2,0.4,0.8]", "[0.4,0.1,0.8,0.2]"):
        output = gan(*asked, f"sigmas={sigmas}").output
        scores.append(next(x for x in output.splitlines() if x.startswith("generator")))
    assert scores[0] == scores[1]


def test_folds_are_scored_together(gan: Gan, tmp_path: Path) -> None:
    (tmp_path / "folded.py").write_text(
        "from gan_cli.data.digits import Digits\n"
        "from gan_cli.data.source import Data, Split\n"
        "class Folded(Digits):\n"
        "    def folds(self):\n"
        "        train, valid, test = self.load()\n"
        "        cut = lambda s, i: Split(s.x[i::4], None)\n"
        "        return [Data(train, cut(valid, i), cut(test, i)) for i in range(4)]\n"
    )
    (tmp_path / "conf/dataset").mkdir(parents=True)
    (tmp_path / "conf/dataset/folded.yaml").write_text(
        "_target_: folded.Folded\nshape: [1, 8, 8]\nrange: unit\n"
    )
    np.save(tmp_path / "s.npy", np.random.default_rng(0).random((50, 64)))
    output = gan("eval-parzen", "--config-dir", "conf", "dataset=folded", "samples=s.npy").output
    assert "200 in 4" in output


def test_the_monitor_finds_the_best_checkpoint(gan: Gan, trained: Path, tmp_path: Path) -> None:
    watched = {
        int(row["step"]): float(row["parzen_valid"]) for row in rows(trained) if row["parzen_valid"]
    }
    assert list(watched) == [34, 60]  # 34.5 steps are half an epoch; the end is watched too
    best = max(watched, key=lambda step: watched[step])
    saved = checkpoints.load(trained / "checkpoints/best.ckpt")
    assert saved["step"] == best
    assert saved["best"] == pytest.approx(watched[best], rel=1e-5)
    result = gan("sample", "n=4", "checkpoint=best")
    assert f"step {best}" in result.out
    for path in (trained / "checkpoints").glob("best*"):
        path.unlink()
    assert "monitor.every_epochs" in gan("sample", "n=4", "checkpoint=best").refusal
    assert len(list(tmp_path.glob("outputs/sample/*"))) == 1


def test_figure_2(gan: Gan, trained: Path, tmp_path: Path) -> None:
    asked = ("neighbors=true", "n=6", "columns=3", "seed=5", "scale=7", "save=kept.npy")
    assert gan("sample", *asked).code == 0
    with Image.open(only("outputs/sample/*/figure2.png", tmp_path)) as png:
        assert png.text["run"] == str(trained.relative_to(tmp_path))
        figure = np.asarray(png)
    # Two rows of three samples, a gap, and a column of neighbours, below titles.
    figure = figure[-(2 * 58 + 2) :]
    assert gan("sample", "n=6", "seed=5", "save=s.npy").code == 0
    samples = np.load(tmp_path / "s.npy").reshape(6, 64)
    np.testing.assert_array_equal(np.load(tmp_path / "kept.npy").reshape(6, 64), samples)
    train = (Digits((1, 8, 8)).load().train.x.flatten(1) / 255).numpy()
    frames = np.flatnonzero((figure == YELLOW).all(2).all(0))
    assert np.diff(frames).tolist() == [1, 57, 1, frames[4] - frames[3], 1, 57, 1]
    assert frames[0] == 2 * 58
    for row in range(2):
        distance = ((train - samples[3 * row + 2]) ** 2).sum(1)
        expected = np.rint(train[distance.argmin()] * 255).reshape(8, 8)
        shown = figure[row * 58 + 2 + 3 : row * 58 + 58 : 7, frames[4] + 2 + 3 : frames[6] : 7, 0]
        np.testing.assert_array_equal(shown[:8, :8], expected)
    content = json.loads(only("outputs/sample/*/neighbors.json", tmp_path).read_text())
    assert list(content["samples"]) == ["5%", "25%", "50%", "75%", "95%"]
    assert 0 < content["test images"]["5%"] < content["test images"]["95%"]


def test_real_images_stand_beside_samples(gan: Gan, trained: Path, tmp_path: Path) -> None:
    assert gan("sample", "real=true", "n=9", "scale=7", f"run={trained}").code == 0
    with Image.open(only("outputs/sample/*/samples.png", tmp_path)) as png:
        figure = np.asarray(png)[..., 0]
    # Below their titles, on white, two grids of 3 x 3.
    side = 3 * 58 + 2
    titles, figure = figure[:-side], figure[-side:]
    assert (titles[:, side : side + 24] == 255).all()
    for half in (titles[:, :side], titles[:, -side:]):
        assert (half < 128).any()
    assert (figure[:, side:-side] == 255).all()
    train = np.rint(Digits((1, 8, 8)).load().train.x.flatten(1).numpy())
    # Of 56 x 56 pixels each, 7 x 7 for one of the 8 x 8 in the data.
    shown = figure[2:, 2 - side :].reshape(3, 58, 3, 58)[:, 3:56:7, :, 3:56:7]
    shown = shown.transpose(0, 2, 1, 3).reshape(9, 64)
    assert (train[:, None] == shown).all(2).sum(0).tolist() == [1] * 9
    assert len(np.unique(shown, axis=0)) == 9

    refusal = gan("sample", "real=true", "neighbors=true", f"run={trained}", "outputs=c").refusal
    assert "one of" in refusal
    assert not list(tmp_path.glob("c/**/*.png"))


def test_figure_3(gan: Gan, trained: Path, tmp_path: Path) -> None:
    assert gan("interpolate", "rows=2", "steps=4", "seed=1", "scale=7").code == 0
    with Image.open(only("outputs/interpolate/*/interpolation.png", tmp_path)) as png:
        assert png.text["run"] == str(trained.relative_to(tmp_path))
        assert png.size == (5 * 58 + 2, 2 * 58 + 2)
        # The ends of the paths are framed.
        framed = (np.asarray(png) == YELLOW).all(2)
    assert np.flatnonzero(framed.all(0)).tolist() == [0, 1, 58, 59, 4 * 58, 4 * 58 + 1, 290, 291]
    assert not framed[:, 60 : 4 * 58].any()

    gif = ("path=slerp", "points=3", "loop=true", "steps=4", "format=gif", "rows=7", "outputs=b")
    assert gan("interpolate", f"run={trained}", *gif, "scale=7").code == 0
    with Image.open(only("b/interpolate/*/interpolation.gif", tmp_path)) as image:
        assert image.n_frames == 12
        assert f"run: {trained.relative_to(tmp_path)}" in image.info["comment"].decode()
        # Seven paths fill a row; each frame in which they are at one of their points is framed.
        assert image.size == (7 * 58 + 2, 58 + 2)
        durations, framed = [], []
        for i in range(12):
            image.seek(i)
            durations.append(image.info["duration"])
            framed.append(np.asarray(image.convert("RGB"))[0, 0, 0] > 200)
    assert framed == [i % 4 == 0 for i in range(12)]
    assert all((t > 200) == at for t, at in zip(durations, framed, strict=True))


@pytest.mark.usefixtures("trained")
def test_paths_through_points_of_a_file(gan: Gan, tmp_path: Path) -> None:
    """The ends of a path are the samples of its end points."""
    np.save(tmp_path / "z.npy", draw_z(Gaussian(100), 2, seed=0).numpy())
    assert gan("interpolate", "z=z.npy", "steps=3", "scale=7").code == 0
    assert gan("sample", "n=2", "seed=0", "columns=2", "scale=7").code == 0
    path = np.asarray(Image.open(only("outputs/interpolate/*/*.png", tmp_path)))
    ends = np.asarray(Image.open(only("outputs/sample/*/*.png", tmp_path)))
    np.testing.assert_array_equal(path[2:58, 2:58], ends[2:58, 2:58])
    np.testing.assert_array_equal(path[2:58, -58:-2], ends[2:58, -58:-2])


@pytest.mark.usefixtures("trained")
def test_a_scale_that_makes_a_picture_too_large_is_refused_first(gan: Gan, tmp_path: Path) -> None:
    for command in ("sample save=s", "sample neighbors=true save=s", "interpolate"):
        assert "scale is 3000" in gan(*command.split(), "scale=3000").refusal
    assert not list(tmp_path.glob("*.npy"))
    assert gan("sample", "scale=0").code == 1


def write_bad_files(cwd: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(cwd / "good.npy", rng.random((20, 64)))
    np.save(cwd / "narrow.npy", rng.random((20, 63)))
    np.save(cwd / "wide.npy", rng.random((20, 4, 16)))
    np.save(cwd / "grey.npy", 255 * rng.random((20, 64)))
    np.save(cwd / "nan.npy", np.full((20, 64), np.nan))
    huge = rng.random((20, 64))
    huge[3, 5] = 1e300  # more than float32 has
    np.save(cwd / "huge.npy", huge)
    np.save(cwd / "one.npy", rng.random((1, 64)))
    np.save(cwd / "line.npy", rng.random(64))
    np.save(cwd / "words.npy", np.array([["a", "b"]]))
    (cwd / "text.npy").write_text("not an array")
    (cwd / "cut.npy").write_bytes((cwd / "good.npy").read_bytes()[:500])
    np.savez(cwd / "several.npz", a=rng.random((20, 64)))


def test_files_that_hold_no_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_bad_files(tmp_path)
    for name, words in (
        ("narrow.npy", "of shape (20, 63); those of this data set are (n, 1, 8, 8), or (n, 64)"),
        ("wide.npy", "of shape (20, 4, 16); "),
        ("grey.npy", "this data set's are from 0 to 1; dataset.range=signed is for"),
        ("nan.npy", "NaN or infinite"),
        ("huge.npy", "NaN or infinite values, the first at [3, 5]"),
        ("one.npy", "at least 2"),
        ("line.npy", "of shape (64,); it must be (n, ...)"),
        ("words.npy", "of real numbers"),
        ("text.npy", "can't be read as a .npy array of numbers (the magic string is not correct"),
        ("cut.npy", "can't be read as a .npy array"),
        ("several.npz", "one .npy array"),
    ):
        with pytest.raises(UserError, match=f"^samples is {name}.*{re.escape(words)}"):
            read_samples(Path(name), Digits((1, 8, 8)))


def test_bad_samples(gan: Gan, tmp_path: Path) -> None:
    write_bad_files(tmp_path)
    for arguments, words in (
        ("samples=missing.npy", "samples is missing.npy, which can't be read"),
        ("samples=good.npy sigmas=[]", "sigmas is []"),
        ("samples=good.npy references=[gsn]", "references is ['gsn']"),
        ("samples=good.npy draws=2", "draws must be 1"),
        ("samples=good.npy run=a", "run is a and samples is good.npy"),
    ):
        assert words in gan("eval-parzen", "dataset=digits", *arguments.split()).refusal
    assert list(tmp_path.glob("outputs/*/*")) == []


def test_colours_come_first(gan: Gan, tmp_path: Path) -> None:
    """And in whatever order of memory; scrambled pixels would get a number all the same."""
    (tmp_path / "own").mkdir()
    x = np.random.default_rng(0).random((40, 3, 8, 8)).astype(np.float32)
    for i, image in enumerate(x):
        pixels = (255 * image.transpose(1, 2, 0)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"own/{i}.png")
    np.save(tmp_path / "first.npy", x)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(x))
    np.save(tmp_path / "last.npy", x.transpose(0, 2, 3, 1))
    ask = ["eval-parzen", "dataset=folder", "dataset.path=own", "references=[]"]
    results = [gan(*ask, f"samples={name}.npy") for name in ("first", "fortran", "last")]
    assert [result.code for result in results] == [0, 0, 1], results
    first, fortran = (result.out.splitlines()[3].split()[1:] for result in results[:2])
    assert first == fortran
    assert "(40, 8, 8, 3)" in results[2].err
    assert "fewer than 2 test images" in gan(*ask, "samples=first.npy", "dataset.test=0.01").refusal


@pytest.mark.usefixtures("trained")
def test_a_run_has_its_own_data_and_a_file_needs_some(gan: Gan) -> None:
    for setting, words in (
        ("run=nowhere", "run is nowhere"),
        ("dataset=ring", "dataset is given and samples is null"),
        ("samples=good.npy", "dataset=... must name"),
    ):
        assert words in gan("eval-parzen", setting).refusal


def test_a_run_without_a_checkpoint(gan: Gan, trained: Path) -> None:
    for path in (trained / "checkpoints").iterdir():
        path.unlink()
    for command in ("eval-parzen", "interpolate", "sample"):
        assert "no whole checkpoint" in gan(command).refusal


@pytest.mark.usefixtures("trained")
def test_bad_paths(gan: Gan, tmp_path: Path) -> None:
    write_bad_files(tmp_path)
    np.save(tmp_path / "origin.npy", np.zeros((2, 100)))
    for arguments, words in (
        ("z=narrow.npy", "of shape (20, 63); it must be (points, 100)"),
        ("z=missing.npy", "z is missing.npy"),
        ("z=origin.npy path=slerp", "a point is 0, which has no direction for slerp"),
        ("format=avi", "format is avi"),
    ):
        assert words in gan("interpolate", *arguments.split()).refusal
    assert list(tmp_path.glob("outputs/interpolate/*")) == []


def test_slerp_is_not_for_a_cube(gan: Gan, train_once: TrainOnce) -> None:
    train_once()
    assert "prior is uniform" in gan("interpolate", "run=a", "path=slerp").refusal


def test_many_samples_are_saved_in_parts_and_shown_in_part(
    gan: Gan, train_once: TrainOnce, tmp_path: Path
) -> None:
    train_once()
    output = gan("sample", "run=a", "n=1100", "save=many").output
    assert "Picture of the first 1024 of 1100 samples" in output
    assert gan("sample", "run=a", "n=5", "save=few").code == 0
    many, few = (np.load(tmp_path / f"{name}.npy") for name in ("many", "few"))
    assert (many.shape, many.dtype) == ((1100, 1, 8, 8), np.float32)
    assert len(np.unique(many.reshape(1100, -1), axis=0)) == 1100
    np.testing.assert_array_equal(many[:5], few)

    # Figure 2 shows all that it draws.
    assert "n is 1100" in gan("sample", "run=a", "n=1100", "neighbors=true").refusal


def test_a_full_gpu_is_reported_without_using_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.empty", full)
    cfg = OmegaConf.create({"device": "auto", "n": 7})
    words = r"Out of memory on cuda, .* 2.00 GiB, with n=7"
    with pytest.raises(UserError, match=words), explain_out_of_memory(cfg):
        full()


def test_memory_that_runs_out_is_reported_before_anything_is_written(
    gan: Gan, train_once: TrainOnce, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise MemoryError("Unable to allocate 9.99 TiB for an array")

    train_once()
    monkeypatch.setattr("gan_cli.runs.pictures.picture", no_room)
    assert "9.99 TiB, with n=30" in gan("sample", "run=a", "n=30", "save=s").refusal
    assert not (tmp_path / "s.npy").exists()
