"""What the help shows: it fits a screen, it is true, and every example works as printed."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from helpers.command import GAN, SMALL, Gan
from helpers.idx import write_idx
from hydra import compose, initialize_config_module

from gan_cli.benchmark.interleaved import Runner, repeat
from gan_cli.benchmark.separate_process import Start
from gan_cli.config.differences import flatten
from gan_cli.help import COMMANDS, CONF, groups, help_of, usage
from gan_cli.runs import resolvers


def test_bare_and_help_list_the_commands(gan: Gan) -> None:
    for arguments in ([], ["--help"], ["-h"]):
        output = gan(*arguments).output
        for name, purpose in COMMANDS.items():
            assert f"  {name:<12} {purpose}\n" in output


def test_a_command_is_a_file_and_a_config() -> None:
    import gan_cli.commands

    (home,) = gan_cli.commands.__path__
    names = {path.stem.replace("_", "-") for path in Path(home).glob("[a-z]*.py")}
    assert names == {*COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(command: str, gan: Gan) -> None:
    result = gan(command, "--help")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"gan {command}")
    assert result.out.count(f"  gan {command}") >= 3
    lines = result.out.splitlines()
    assert len(lines) <= 45
    assert max(len(line) for line in lines if " in /" not in line) <= 100
    groups = re.findall(r"^  ([a-z]+): [a-z0-9_]+, .*$", result.out, flags=re.MULTILINE)
    assert groups == {
        "train": ["dataset", "network", "objective", "prior", "optimizer", "schedule", "sweep",
                  "experiment", "ablation"],
        "eval-parzen": ["dataset"], "evaluate": ["sweep", "dataset"], "features": ["dataset"],
        "theory": ["objective"], "report": ["sweep"], "table1": ["sweep"],
    }.get(command, [])  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_settings_of_the_help_are_those_that_there_are(command: str) -> None:
    resolvers.register()
    with initialize_config_module("gan_cli.conf", version_base="1.3"):
        settings = flatten(compose(command))
    text = help_of(command)
    section = re.search(r"matter first:\n((?:  .*\n)+)", text)[1]
    shown = re.findall(r"^  ([\w.]+)", section, flags=re.MULTILINE)
    assert 0 < len(shown) <= 10
    assert {*shown} <= {*settings, *groups(command)}
    # A line each: its meaning stands there, but for a list that fills the line.
    assert all(re.search(r"\S  +\S|\]$", line.strip()) for line in section.splitlines())
    others = re.search(r"^Others: ((?:.*\n)+?)\n", text, flags=re.MULTILINE)
    named = re.split(r",\s+", others[1].strip()) if others else []
    assert {name.removesuffix(".*") for name in named} <= {
        node for name in settings for node in (name, name.partition(".")[0])
    }


def examples() -> Iterator[str]:
    for text in (usage(), *map(help_of, COMMANDS)):
        # What it does stands in a second column.
        yield from re.findall(r"^  ((?:gan|eval) .*?)(?:  .*)?$", text, flags=re.MULTILINE)


# What makes each command short.
SHORT = {
    "train": [
        "schedule.steps=3", "network.generator.widths=[32,32]", "monitor.samples=20",
        "monitor.valid=20",
    ],
    "eval-parzen": ["n_samples=20", "valid_limit=20", "test_limit=20", "centroids=5"],
    "evaluate": ["n=200", "draws=1", "references=[half]"],
    "probe": ["labels=[20]", "draws=1"],
    "features": ["steps=3"],
    "table1": ["n_samples=150", "draws=1", "valid_limit=20", "test_limit=20", "centroids=5"],
    "theory": [
        "schedule.before=2", "schedule.inner=20", "schedule.g_steps=1", "schedule.after=2",
        "quadrature=500",
    ],
    "bench": [
        "recipes=[tutorial]", "precisions=[fp32]", "compile=false", "rounds=2", "seconds=0.001",
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def place(call: Callable[..., object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what the examples name: runs, a sweep, data, files of one's own."""
    place = tmp_path_factory.mktemp("place")
    sweep = ["-m", "sweep=seeds", "seed=0,1", "prior=gaussian", "prior.dim=5"]
    conditional = ["experiment=digits_conditional", "hydra.run.dir=conditional"]
    for settings in (sweep, conditional):
        few = [*SMALL, *SHORT["train"], "schedule.steps=2"]
        assert call("train", *settings, *few, cwd=place) == 0
    run = place / "outputs/sweep/seeds/seed=0"
    for copy in ("runs/a", "outputs/train/2026-01-31_12-00-00-000000"):
        shutil.copytree(run, place / copy)
    shutil.copytree(run.with_name("seed=1"), place / "runs/b")
    shutil.copytree(place / "outputs", place / "other/outputs")
    np.save(place / "ends.npy", np.zeros((2, 5), np.float32))
    theirs = np.random.default_rng(0).random((150, 1, 28, 28), np.float32)
    np.save(place / "theirs.npy", theirs)
    (place / "my_conf/network").mkdir(parents=True)
    shutil.copy(str(CONF / "network/mlp.yaml"), place / "my_conf/network/mine.yaml")
    raw = place / "data/MNIST/raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, n in (("train", 340), ("t10k", 20)):
        write_idx(raw / f"{part}-images-idx3-ubyte", rng.integers(0, 256, (n, 28, 28)))
        write_idx(raw / f"{part}-labels-idx1-ubyte", np.arange(n) % 10)
    return place


@contextmanager
def plain_loop_here(_recipe: str, start: Start) -> Iterator[Runner]:
    loop = start()
    yield repeat(lambda: next(loop))


@pytest.mark.parametrize("line", dict.fromkeys(examples()))
def test_an_example_works_as_printed(
    line: str, place: Path, gan: Gan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(place, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("GAN_DATA", "data")
    # In another process, which takes longer to begin than all the rest does.
    monkeypatch.setattr("gan_cli.benchmark.timings.in_own_process", plain_loop_here)
    if line.startswith("eval "):
        path = f"{Path(GAN).parent}:{os.environ['PATH']}"
        subprocess.run(["bash", "-ec", line], env={**os.environ, "PATH": path}, check=True)
        return
    _, command, *given = shlex.split(line)
    if "-m" in given:
        shutil.rmtree("outputs")  # where a sweep of the name is another one's
        given.append("seed=0")
    if "sweep=table1" in given and command == "table1":
        Path("outputs/sweep/seeds").rename("outputs/sweep/table1")
    if "label=" in line:
        given.append("run=conditional")
    if command in COMMANDS and given != ["--help"]:
        given += [*SHORT.get(command, []), "threads=1"]
        if re.search("=mnist|algorithm_1|=table1", line) and command in (
            "train",
            "eval-parzen",
            "evaluate",
            "features",
        ):
            given.append("++dataset.valid=20")
    result = gan(command, *given)
    assert result.code == 0, result.out + result.err
