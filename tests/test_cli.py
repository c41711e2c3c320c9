"""The installed command, driven as a person would."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.command import GAN, SMALL, Gan, TrainOnce, only, rows, run_gan
from PIL import Image

import gan_cli

ROOT = Path(__file__).parents[1]


def test_a_pipe_that_breaks_in_a_command_is_not_standard_output(gan: Gan, tmp_path: Path) -> None:
    (tmp_path / "piped.py").write_text(
        "from gan_cli.data.digits import Digits\n"
        "class Piped(Digits):\n"
        "    def load(self):\n"
        "        raise BrokenPipeError('between processes')\n"
    )
    result = gan("train", *SMALL, "dataset._target_=piped.Piped")
    assert result.code == 1
    assert "BrokenPipeError: between processes" in result.err


@pytest.mark.parametrize(
    ("arguments", "unbuffered"), [(["--help"], "1"), (["train", "--cfg", "job"], "")]
)
def test_a_reader_that_has_gone_is_not_told_of(
    arguments: list[str], unbuffered: str, tmp_path: Path
) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [GAN, *arguments], stdout=write, stderr=subprocess.PIPE, cwd=tmp_path, check=False,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )  # fmt: skip
    os.close(write)
    assert (done.stderr, done.returncode) == (b"", 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk is always full here")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_under_standard_output_is_told(unbuffered: str, tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [GAN, "--help"], stdout=full, stderr=subprocess.PIPE, cwd=tmp_path, check=False,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    assert done.stderr == b"Cannot write to standard output: No space left on device.\n"
    assert done.returncode == 1


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
@pytest.mark.parametrize(("arguments", "code"), [("--help", 0), ("train --cfg job", 0), ("no", 1)])
def test_closed_outputs(closed: str, arguments: str, code: int, tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{GAN} {arguments} {closed}"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == code
    assert not (done.stdout if closed.startswith(">") else done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_unknown_command(gan: Gan) -> None:
    result = gan("nonsense")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("'nonsense' is not a command of gan; it is one of train, sample")
    assert "did you mean 'gan train'?" in gan("trian").err


def test_directories_by_any_name(gan: Gan, train_once: TrainOnce, tmp_path: Path) -> None:
    train_once()
    before = "a"
    for name in ("rü1", "r (copy)", "r's", "r[2]", "r#1", "a~b", "a=1,b=2", '"r"'):
        (tmp_path / before).rename(tmp_path / name)
        assert gan("sample", f"run={name}", "n=4").code == 0
        before = name


def test_without_a_terminal_to_tell_anyone(tmp_path: Path) -> None:
    """As a daemon's children are started."""
    train = shlex.join([GAN, "train", *SMALL, "schedule.steps=2", "hydra.run.dir=a"])
    subprocess.run(["sh", "-c", f"{train} <&- >&- 2>&-"], cwd=tmp_path, check=True)
    assert '"finished"' in (tmp_path / "a/status.json").read_text()


def test_what_was_there_before_stays(gan: Gan, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.log").write_text("precious")
    assert gan("sample", "run=nope", "hydra.run.dir=mine").code == 1
    assert (tmp_path / "mine/notes.log").read_text() == "precious"
    (tmp_path / "empty").mkdir()
    for place in ("outputs=empty", f"outputs=../{tmp_path.name}/empty"):
        assert gan("sample", "run=nope", place).code == 1
        assert not list((tmp_path / "empty").rglob("*"))
    assert gan("sample", "run=nope", "outputs=new/deep").code == 1
    assert not (tmp_path / "new/deep").exists()


def test_version(gan: Gan) -> None:
    assert gan("--version").out == f"gan {gan_cli.__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--cfg", "job"], ["train", "--help"]])
def test_no_torch_before_it_is_needed(arguments: list[str], tmp_path: Path) -> None:
    code = (
        f"import sys; sys.argv = ['gan', *{arguments}]\n"
        "from gan_cli.cli import main\n"
        "try: main()\n"
        "finally: print('torch' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr == "False\n"
    assert list(tmp_path.iterdir()) == []


def test_train_then_sample(gan: Gan, tmp_path: Path) -> None:
    settings = ["schedule.steps=25", "log.every_steps=10", "log.grid_every_steps=20", "seed=3"]
    assert gan("train", *SMALL, *settings).code == 0
    run = only("outputs/train/*", tmp_path)
    names = {path.name for path in run.iterdir()}
    assert names >= {
        ".hydra", "config.yaml", "environment.json", "train.log", "metrics.csv", "tensorboard",
        "samples", "checkpoints", "status.json",
    }  # fmt: skip
    status = json.loads((run / "status.json").read_text())
    assert (status["status"], status["step"]) == ("finished", 25)
    (environment,) = json.loads((run / "environment.json").read_text())
    assert environment["versions"]["torch"] == torch.__version__
    assert len(environment["data_sha256"]) == 64

    table = rows(run)
    assert [int(row["step"]) for row in table] == [10, 20, 25]
    assert list(table[0])[:8] == [
        "step", "epoch", "d_loss", "g_loss", "value", "d_real", "d_fake", "d_accuracy_real",
    ]  # fmt: skip
    assert float(table[2]["epoch"]) == pytest.approx(25 / (1397 // 20), rel=1e-6)
    assert 0 < float(table[0]["d_real"]) < 1
    # At the start and early on, when due, and at the end.
    grids = sorted((run / "samples").iterdir())
    assert [int(p.stem.removeprefix("step-")) for p in grids] == [0, 10, 20, 25]

    output = gan("sample", "n=300", "seed=1", "save=few").output
    assert f"Run {run.relative_to(tmp_path)}, finished, step 25, raw weights." in output
    picture = only("outputs/sample/*/samples.png", tmp_path)
    assert str(picture.relative_to(tmp_path)) in output
    with Image.open(picture) as png:
        assert png.text["run"] == str(run.relative_to(tmp_path))
        assert png.text["seed"] == "1"
        assert png.text["command"] == "gan sample n=300 seed=1 save=few"
    few = np.load(tmp_path / "few.npy")
    assert few.shape == (300, 1, 8, 8)
    assert few.dtype == np.float32
    assert 0 <= few.min() < few.max() <= 1

    assert gan("sample", "n=7", "seed=1", "save=fewer.npy", f"run={run}").code == 0
    assert (np.load(tmp_path / "fewer.npy") == few[:7]).all()
    assert gan("sample", "n=7", "seed=1", "save=average.npy", "weights=ema").code == 0
    assert gan("sample", "n=7", "save=lr0.1").code == 0
    assert (tmp_path / "lr0.1.npy").is_file()
    assert (np.load(tmp_path / "average.npy") != few[:7]).any()


def test_tensorboard_has_scalars_and_grids(gan: Gan, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    settings = ["schedule.steps=20", "log.every_steps=10", "log.grid_every_steps=10"]
    assert gan("train", *SMALL, *settings).code == 0
    events = EventAccumulator(str(only("outputs/train/*/tensorboard", tmp_path))).Reload()
    scalars = {
        name.rpartition("/")[2]: [e.value for e in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }
    last = rows(only("outputs/train/*", tmp_path))[-1]
    measured = {name for name, value in last.items() if value} - {"step", "epoch"}
    assert set(scalars) == {*measured, "value_at_equilibrium"}
    assert scalars["value_at_equilibrium"] == pytest.approx([-np.log(4)] * 2)
    assert [image.step for image in events.Images("samples")] == [0, 10, 20]

    # The table of hyperparameters.
    (content,) = events.PluginTagToContent("hparams").values()
    recorded = HParamsPluginData.FromString(content).session_start_info.hparams
    assert recorded["seed"].number_value == 0
    assert recorded["schedule.batch_size"].number_value == 20
    assert recorded["network.generator.widths"].string_value == "[32,32]"
    assert recorded["precision"].string_value == "fp32"


@pytest.mark.parametrize("recipe", ["mnist", "tutorial", "ring"])
def test_experiments_are_whole(recipe: str, gan: Gan, tmp_path: Path, mnist_dir: Path) -> None:
    output = gan("train", f"experiment={recipe}", "dry_run=true", f"data_dir={mnist_dir}").output
    expected = {
        "mnist": ["Generator: 2,503,984", "Discriminator: 1,231,441", "12500 steps, simultaneous"],
        "tutorial": ["Generator: 1,510,032", "Discriminator: 533,505", "19525 steps, simultaneous"],
        "ring": ["Generator: 19,458", "Discriminator: 17,025", "5850 steps, alternating"],
    }[recipe]
    for words in expected:
        assert words in output
    assert list(tmp_path.glob("outputs/train/*")) == []


def maxout(inputs: int, *units: int) -> list[int]:
    """Parameters of maxout layers with 5 pieces, and of the logit."""
    sizes = [inputs, *units]
    return [5 * n * (m + 1) for m, n in pairwise(sizes)] + [sizes[-1] + 1]


FACES = [100 * 8000 + 8000, 8000 * 8000 + 8000, 8000 * 2304 + 2304]


# From the table of recipes: shapes that the plan must name, and parameters layer by layer.
@pytest.mark.parametrize(
    ("recipe", "shapes", "parameters"),
    [
        (
            "mnist", ["784"],
            [100 * 1200 + 1200, 1200 * 1200 + 1200, 1200 * 784 + 784, *maxout(784, 240, 240)],
        ),
        ("tfd_pretrain", ["2304"], [*FACES, *maxout(2304, 1200, 1200)]),
        (
            "tfd", ["100", "2304"],
            [100 * 8000 + 8000, 8000 * 100 + 100, *FACES, *maxout(2304, 1200, 1200)],
        ),
        (
            "cifar10_fc", ["3072"],
            [100 * 8000 + 8000, 8000 * 8000 + 8000, 8000 * 3072 + 3072,
             *maxout(3072, 1600, 1600)],
        ),
        (
            "cifar10_conv",
            ["64 x 33 x 33", "32 x 16 x 16", "64 x 15 x 15", "32 x 7 x 7", "384 x 9 x 9",
             "192 x 5 x 5", "4800", "80 x 10 x 10", "3 x 32 x 32"],
            [100 * 8000 + 8000, 8000 * 8000 + 8000, 80 * 5 * 5 * 3, 3 * 32 * 32,
             2 * 32 * (3 * 8 * 8 + 1), 2 * 32 * (32 * 8 * 8 + 1), 2 * 192 * (32 * 5 * 5 + 1),
             *maxout(4800, 500)],
        ),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("no_network")
def test_dry_run_shows_the_papers_shapes_without_data(
    recipe: str, shapes: list[str], parameters: list[int], gan: Gan
) -> None:
    output = gan("train", f"experiment={recipe}", "dry_run=true", "data_dir=nowhere").output
    assert "without data" in output
    rows = re.findall(r"-> (\S+(?: x \d+)*) +([\d,]+)$", output, re.MULTILINE)
    assert {*shapes} <= {shape for shape, _ in rows}
    counts = [int(count.replace(",", "")) for _, count in rows]
    assert [count for count in counts if count] == parameters
    totals = re.findall(r"or: ([\d,]+) parameters", output)
    assert sum(int(total.replace(",", "")) for total in totals) == sum(parameters)
    # How long it is depends on the data, and what memory it takes hardly does.
    assert "steps" not in output
    (size,) = re.findall(r"Estimated memory: (\d+) MB", output)
    assert 4 * sum(parameters) * 3 < float(size) * 1e6 < 4 * sum(parameters) * 6


def test_a_command_gives_its_threads_back(gan: Gan) -> None:
    """To the next job of its sweep."""
    before = torch.get_num_threads()
    assert gan("train", "dry_run=true", f"threads={before + 1}").code == 0
    assert torch.get_num_threads() == before


def test_a_dry_run_takes_no_memory_for_what_it_foretells(gan: Gan) -> None:
    widths = "network.generator.widths=[1000000,1000000]"  # 4 TB of weights
    output = gan("train", "dry_run=true", widths).output
    assert "1,000,001,000,000" in output
    (size,) = re.findall(r"Estimated memory: (\d+) MB", output)
    assert int(size) > 16e6


def test_mnist_alone_plays_algorithm_1(gan: Gan, mnist_dir: Path) -> None:
    result = gan("train", "dataset=mnist", "dry_run=true", f"data_dir={mnist_dir}")
    assert "train  (50000, 1, 28, 28) torch.uint8, 10 classes" in result.out
    assert "12500 steps, alternating, with 1 x 100 training images each: 25 epochs" in result.out


@pytest.mark.parametrize("experiment", ["experiment=mnist", "experiment=tutorial"])
def test_training_on_real_mnist(experiment: str, gan: Gan, tmp_path: Path, mnist_dir: Path) -> None:
    settings = ["schedule.steps=8", "log.every_steps=4", f"data_dir={mnist_dir}"]
    assert gan("train", experiment, *settings).code == 0
    assert len(rows(only("outputs/train/*", tmp_path))) == 2


def test_a_users_own_network(gan: Gan, tmp_path: Path) -> None:
    """One class and one YAML file, in a directory of their own."""
    own = tmp_path / "my_conf"
    (own / "network").mkdir(parents=True)
    (own / "my_networks.py").write_text(
        "from torch import nn\n"
        "class G(nn.Module):\n"
        "    def __init__(self, z_dim, width):\n"
        "        super().__init__()\n"
        "        self.layers = nn.Sequential(nn.Linear(z_dim, width), nn.Dropout(0.1),\n"
        "                                    nn.Linear(width, 64), nn.Sigmoid())\n"
        "    def forward(self, z):\n"
        "        return self.layers(z).view(-1, 1, 8, 8)\n"
    )
    (own / "network/mine.yaml").write_text(
        "generator:\n  _target_: my_networks.G\n  z_dim: ${prior.dim}\n  width: 20\n"
        "discriminator:\n  _target_: gan_cli.networks.mlp.Discriminator\n"
        "  shape: ${dataset.shape}\n  widths: [20]\n"
    )
    own_pair = ("--config-dir", str(own), "network=mine")
    assert gan("train", *own_pair, "schedule.steps=5", "threads=1").code == 0
    result = gan("train", "network.generator._target_=no.such.G", "dry_run=true")
    assert "_target_ is no.such.G" in result.err
    assert "my_networks.G" in gan("train", *own_pair, "+network.generator.depth=3").refusal
    # What a class of one's own is, and gives, is reported as well.
    (own / "bare.py").write_text(
        "from gan_cli.training.optimizers import Adam\n"
        "class Bare(Adam):\n    set_from_tensor = property()\n"
    )
    bare = ("optimizer.discriminator._target_=bare.Bare", "compile=true")
    assert "optimizer.discriminator is Bare" in gan("train", *own_pair, *bare).refusal
    (own / "broken.py").write_text("import no_such_module\n")
    (own / "silent.py").write_text("assert False\n")
    (own / "odd.py").write_text(
        "from my_networks import G\n"
        "class Pair(G):\n"
        "    def forward(self, z):\n"
        "        return super().forward(z), z\n"
    )
    for target, words in (
        ("broken.G", "can't be imported (ModuleNotFoundError: No module named 'no_such_module')"),
        ("silent.G", "silent.G, which can't be imported (AssertionError)"),
        ("odd.Pair", "network.generator gives tuple; it must give a tensor of images"),
    ):
        assert words in gan("train", *own_pair, f"network.generator._target_={target}").refusal


def test_multirun(gan: Gan, tmp_path: Path) -> None:
    assert gan("train", "-m", *SMALL, "schedule.steps=5", "seed=range(2)").code == 0
    runs = sorted(tmp_path.glob("outputs/sweep/*/*/metrics.csv"))
    assert [path.parent.name for path in runs] == ["seed=0", "seed=1"]
    assert rows(runs[0].parent) != rows(runs[1].parent)
    assert "sweep" in gan("sample", "n=2").out


def test_the_wheel_has_every_file_and_works_anywhere(tmp_path: Path) -> None:
    # From a copy, as setuptools leaves what it built beside the sources.
    root, site = tmp_path / "source", tmp_path / "site"
    root.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, root)
    files = {}
    for name, inside in (("src", "."), ("conf", "gan_cli/conf")):
        shutil.copytree(ROOT / name, root / name)
        for suffix in ("py", "yaml", "html", "safetensors"):
            for path in (root / name).rglob(f"*.{suffix}"):
                files[site / inside / path.relative_to(root / name)] = path.read_bytes()
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(tmp_path)]
    subprocess.run([*build, str(root)], check=True, capture_output=True)
    with zipfile.ZipFile(only("*.whl", tmp_path)) as archive:
        archive.extractall(site)
    assert len(files) > 200
    assert all(path.read_bytes() == content for path, content in files.items())

    # -S -s would hide the dependencies; the path's order alone decides which gan_cli it is.
    code = (
        "import sys, gan_cli, gan_cli.cli as c; print(gan_cli.__file__); "
        "sys.argv = ['gan', 'train', '--cfg', 'job']; c.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith(f"{site}/gan_cli/__init__.py\n")
    assert "\nschedule:\n" in done.stdout


def test_directories_that_are_no_utf_8(
    gan: Gan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands work in them, and on runs in them."""
    latin = os.fsdecode(b"caf\xe9")
    here = tmp_path / latin
    here.mkdir()
    monkeypatch.chdir(here)
    train = ["train", *SMALL, "schedule.steps=2"]
    assert gan(*train, "hydra.run.dir=a").code == 0
    assert "UTF-8" in gan(*train, f"hydra.run.dir={latin}").refusal
    (here / "a").rename(here / latin)
    # In a process whose standard output takes nothing but UTF-8.
    assert "caf" in run_gan("sample", f"run={latin}", "n=4", cwd=here).output
    with Image.open(only("outputs/sample/*/samples.png", here)) as image:
        assert image.text["run"] == "caf\\xe9"
