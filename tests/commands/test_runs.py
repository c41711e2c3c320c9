"""`gan runs`, `gan diff` and `gan show`: what runs there are, and what they are."""

from pathlib import Path

import pytest
from helpers.command import SMALL, Gan, run_gan
from PIL import Image


@pytest.fixture
def two_runs(gan: Gan, tmp_path: Path) -> Path:
    for name, lr in (("first", 0.01), ("lr=0.02", 0.02)):
        run = f"hydra.run.dir=outputs/train/{name}"
        settings = ["schedule.steps=6", "log.every_steps=2", "log.grid_every_steps=2"]
        assert gan("train", *SMALL, *settings, run, f"optimizer.lr={lr}").code == 0
    return tmp_path / "outputs"


def test_runs(two_runs: Path, gan: Gan) -> None:
    broken = two_runs / "train/broken"
    broken.mkdir()
    (broken / "config.yaml").write_text("[1")
    heads, *rows = gan("runs").out.splitlines()
    assert heads.split()[:2] == ["run", "data"]
    by_name = {row.split()[0]: row for row in rows}
    assert by_name.keys() == {"train/first", "train/lr=0.02", "train/broken"}
    assert "unreadable" in by_name["train/broken"]
    assert "optimizer.lr=0.02" in by_name["train/lr=0.02"]
    assert "  6     finished" in by_name["train/first"]
    assert len(gan("runs", "n=1").out.splitlines()) == 2
    assert sorted(path.name for path in two_runs.iterdir()) == ["train"]

    empty = gan("runs", "outputs=nowhere")
    assert (empty.code, "outputs is nowhere" in empty.err) == (1, True)


def test_diff_by_names(two_runs: Path, gan: Gan) -> None:
    _, *rows = gan("diff", "first", "lr=0.02").out.splitlines()
    assert [row.split() for row in rows] == [
        ["optimizer.discriminator.lr", "0.01", "0.02"],
        ["optimizer.generator.lr", "0.01", "0.02"],
        ["optimizer.lr", "0.01", "0.02"],
    ]
    assert "have the same settings" in gan("diff", "a=first", f"b={two_runs}/train/first").out
    missing = gan("diff", "first", "third")
    assert (missing.code, "b is third" in missing.err) == (1, True)
    assert "gan diff A B" in gan("diff", "first").err


def test_show(two_runs: Path, gan: Gan) -> None:
    result = gan("show", "first")
    assert result.code == 0, result.err
    assert "outputs/train/first: finished at step 6" in result.out
    assert "gan sample run=outputs/train/first" in result.out
    (out,) = (two_runs / "show").iterdir()
    with Image.open(out / "samples.webp") as animation:
        assert animation.n_frames == 4  # of steps 0, 2, 4 and 6
    with Image.open(out / "curves.png") as curves:
        assert curves.text["run"] == "outputs/train/first"


def test_a_name_of_several_runs_is_refused(two_runs: Path, gan: Gan) -> None:
    for sweep, name in (("a", "first"), ("b", "lr=0.02")):
        (two_runs / "sweep" / sweep).mkdir(parents=True)
        (two_runs / "train" / name).rename(two_runs / "sweep" / sweep / "seed=0")
    result = gan("show", "seed=0")
    assert (result.code, "is the name of 2 runs" in result.err) == (1, True)


def test_one_run_is_a_list_of_one(two_runs: Path, gan: Gan) -> None:
    for runs in ("first", "latest", f"{two_runs}/train/lr=0.02", "[first]"):
        result = gan("report", f"runs={runs}", "by=value")
        assert result.code == 0, result.err
        assert "Results: outputs/report/" in result.out


def test_the_first_picture_of_all_is_drawn_without_a_line_about_fonts(
    two_runs: Path, tmp_path: Path
) -> None:
    result = run_gan("show", "first", cwd=two_runs.parent, MPLCONFIGDIR=str(tmp_path / "empty"))
    assert result.code == 0, result.err
    assert list((tmp_path / "empty").glob("fontlist*"))
    assert (result.out.startswith("outputs/train/first: finished"), result.err) == (True, "")
