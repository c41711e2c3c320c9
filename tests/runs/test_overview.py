"""What a run shows of itself at its end."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from helpers.command import SMALL, Gan, TrainOnce
from PIL import Image

from gan_cli.figures.grid import save_png
from gan_cli.runs import overview
from gan_cli.runs.directory import Run

SHORT = [*SMALL, "schedule.steps=4", "log.every_steps=2", "log.grid_every_steps=2"]


@pytest.fixture
def gan(gan: Gan, monkeypatch: pytest.MonkeyPatch) -> Gan:
    """With what a finished run shows, which other tests do without."""
    monkeypatch.setattr("gan_cli.commands.train.show_finished", overview.show_finished)
    return gan


@pytest.fixture
def train(gan: Gan) -> Gan:
    return lambda *arguments: gan("train", *arguments, *SHORT)


def lines_after_the_end(out: str) -> list[str]:
    return out[out.index("Finished at step") :].splitlines()


def test_a_run_ends_with_pictures_and_commands_to_paste(
    train: Gan, gan: Gan, tmp_path: Path
) -> None:
    name = "outputs/train/lr = 0.02"
    result = train(f"hydra.run.dir={name}", "optimizer.lr=0.02")
    assert result.code == 0, result.err
    finished, pictures, settings, *commands = lines_after_the_end(result.out)
    assert finished == f"Finished at step 4: {name}"
    assert pictures == "Pictures in it: curves.png, samples.webp, samples/step-000000004.png"
    for picture in pictures.partition(": ")[2].split(", "):
        with Image.open(tmp_path / name / picture) as image:
            assert getattr(image, "n_frames", 1) == (3 if picture.endswith("webp") else 1)
    with Image.open(tmp_path / name / "curves.png") as image:
        assert image.text == {"run": name, "step": "4"}
    assert settings.startswith(
        "Settings given (all others are the defaults): optimizer.lr=0.02 network."
    )
    assert [line.split()[:2] for line in commands] == [
        ["gan", "train"], ["gan", "sample"], ["gan", "eval-parzen"],
    ]  # fmt: skip
    for line in commands:
        _, command, *arguments = shlex.split(line)
        few = {"eval-parzen": ["n_samples=50", "sigmas=[0.2]"]}.get(command, [])
        assert gan(command, *arguments, *few).code == 0
    assert f"{name}: finished at step 8" in gan("show", name).out


def test_a_run_that_reached_its_target_can_be_made_longer(gan: Gan) -> None:
    length = ("schedule.steps=null", "schedule.epochs=0.05")
    result = gan("train", *SMALL, "monitor.target=-1e9", *length)
    line = next(line for line in result.out.splitlines() if "resume=" in line)
    assert line.endswith("schedule.epochs=0.1 monitor.target=null")
    assert gan(*shlex.split(line)[1:]).code == 0


def test_what_can_t_be_drawn_is_a_sentence(train: Gan, tmp_path: Path) -> None:
    (tmp_path / "a/curves.png").mkdir(parents=True)
    result = train("hydra.run.dir=a")
    assert (result.code, Run(tmp_path / "a").status()) == (0, "finished"), result.err
    assert f"{tmp_path}/a/curves.png" in result.out
    assert "  gan sample run=a\n" in result.out


def test_a_single_row_makes_no_curve_and_a_single_grid_no_animation(
    gan: Gan, train_once: TrainOnce
) -> None:
    (train_once() / "samples/step-000000000.png").unlink()
    output = gan("show", "run=a").output
    assert "The last grid: a/samples/step-000000003.png\n" in output
    assert not {"Curves", "Samples"} & set(re.findall(r"^\w+", output, re.MULTILINE))


def test_a_sweep_s_jobs_leave_it_to_its_report(train: Gan, tmp_path: Path) -> None:
    output = train("-m", "sweep=s", "seed=0,1").output
    assert len(list(tmp_path.glob("outputs/sweep/s/*/metrics.csv"))) == 2
    assert not list(tmp_path.glob("outputs/sweep/s/*/curves.png"))
    assert "gan sample" not in output


@pytest.mark.parametrize(
    ("side", "frames"), [(20, overview.FRAMES), (2000, overview.PIXELS // 2000**2)]
)
def test_a_long_run_has_an_animation_of_its_whole_length(
    side: int, frames: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.yaml").touch()
    run = Run(tmp_path)
    run.samples.mkdir()
    grey = np.full((side, side, 3), 128, dtype=np.uint8)
    save_png(run.grid_path(1), grey, {})
    for step in range(2, 81):
        run.grid_path(step).hardlink_to(run.grid_path(1))
    drawn: list[np.ndarray] = []
    monkeypatch.setattr(overview, "save_animation", lambda _, grids: drawn.extend(grids))
    shown = overview.draw(run, tmp_path)
    assert shown["The last grid"] == run.grid_path(80)
    assert len(drawn) == frames
    # Each has its step above it.
    assert len({frame.tobytes() for frame in drawn}) == frames
    assert all((frame[-side:, :side] == 128).all() for frame in drawn)
