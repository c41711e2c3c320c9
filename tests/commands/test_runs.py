"""`gan runs`, `gan diff` and `gan show`: what runs there are, and what they are."""

import logging
from pathlib import Path

import pytest
from helpers.command import Gan, TrainOnce
from PIL import Image


@pytest.fixture
def two_runs(train_once: TrainOnce, tmp_path: Path) -> Path:
    settings = ["schedule.steps=6", "log.every_steps=2", "log.grid_every_steps=2"]
    for name, lr in (("first", 0.01), ("lr=0.02", 0.02)):
        train_once(*settings, f"optimizer.lr={lr}", to=f"outputs/train/{name}")
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

    assert "outputs is nowhere" in gan("runs", "outputs=nowhere").refusal


def test_diff_by_names(two_runs: Path, gan: Gan) -> None:
    _, *rows = gan("diff", "first", "lr=0.02").out.splitlines()
    assert [row.split() for row in rows] == [
        ["optimizer.discriminator.lr", "0.01", "0.02"],
        ["optimizer.generator.lr", "0.01", "0.02"],
        ["optimizer.lr", "0.01", "0.02"],
    ]
    assert "have the same settings" in gan("diff", "a=first", f"b={two_runs}/train/first").out
    assert "b is third" in gan("diff", "first", "third").refusal


def test_show(two_runs: Path, gan: Gan) -> None:
    output = gan("show", "first").output
    assert "outputs/train/first: finished at step 6" in output
    assert "gan sample run=outputs/train/first" in output
    (out,) = (two_runs / "show").iterdir()
    with Image.open(out / "samples.webp") as animation:
        assert animation.n_frames == 4  # of steps 0, 2, 4 and 6
    with Image.open(out / "curves.png") as curves:
        assert curves.text["run"] == "outputs/train/first"


def test_a_name_of_several_runs_is_refused(two_runs: Path, gan: Gan) -> None:
    for sweep, name in (("a", "first"), ("b", "lr=0.02")):
        (two_runs / "sweep" / sweep).mkdir(parents=True)
        (two_runs / "train" / name).rename(two_runs / "sweep" / sweep / "seed=0")
    assert "is the name of 2 runs" in gan("show", "seed=0").refusal


def test_one_run_is_a_list_of_one(two_runs: Path, gan: Gan) -> None:
    for runs in ("latest", f"{two_runs}/train/lr=0.02", "[first]"):
        assert "Results: outputs/report/" in gan("report", f"runs={runs}", "by=value").output


@pytest.mark.usefixtures("two_runs")
def test_matplotlib_s_lines_about_its_fonts_are_not_shown(
    gan: Gan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(*_: object) -> dict[str, Path]:
        logging.getLogger("matplotlib.font_manager").warning("building the cache")
        return {}

    monkeypatch.setattr("gan_cli.commands.show.draw", draw)
    assert "building the cache" not in gan("show", "first").output
