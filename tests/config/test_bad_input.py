"""Bad input: one sentence with the setting, the value and what would be right; exit status 1."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from helpers.command import SMALL, Gan, TrainOnce, only, run_gan


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("dataset=nonsense", ["There is no dataset=nonsense", "mnist"]),
        ("nonsense=1", ["nonsense"]),
        ("dataset", ["'dataset': a setting is given as setting=value, as in dataset=VALUE."]),
        ("~seed", ["seed is missing", "~seed has removed it"]),
        ("~log", ["log is missing"]),
        ("network=null", ["Got NoneType", "takes the name of one of its options"]),
        ("dataset=folder", ["dataset.path has no value yet"]),
        ("--config-name=sample", ["--config-name is sample", "it must be train, or a config of"]),
        ("schedule.nonsense=1", ["nonsense", "schedule"]),
        ("schedule.k=abc", ["schedule.k is abc", "a valid integer"]),
        ("schedule.k=0", ["schedule.k is 0", "greater than or equal to 1"]),
        (
            "schedule.batch_size=5000",
            ["schedule.batch_size is 5000", "1397 at most", "as in schedule.batch_size=1397."],
        ),
        ("schedule.epochs=null", ["schedule.epochs and schedule.steps are both null"]),
        ("precision=fp8", ["precision is fp8", "'auto', 'fp32', 'tf32' or 'bf16'"]),
        ("precision=tf32", ["precision is tf32, which only GPUs have", "fp32, bf16 or auto"]),
        ("device=gpu", ["device is 'gpu'", "cuda"]),
        ("device=cuda:99", ["device is 'cuda:99'"]),
        ("schedule=simultaneous schedule.k=2", ["schedule.k is 2", "must be 1"]),
        ("dataset.range=signed", ["network.generator.output is sigmoid", "(-1, 1)", "tanh"]),
        ("dataset=ring", ["network.generator.output is sigmoid", "(-inf, inf)", "linear"]),
        ("network.generator.shape=[1,9,9]", ["(1, 9, 9)", "dataset.shape is (1, 8, 8)"]),
        (
            "network.generator.output=tanh",
            ["network.generator: init.marginal_bias is true with output tanh"],
        ),
        (
            "network.generator.activations=[relu,relu,relu]",
            ["network.generator: activations has 3 entries", "or 2"],
        ),
        ("resume=nowhere", ["resume is nowhere, which is not a run"]),
        ("resume=latest", ["resume is latest, but", "holds no finished or interrupted run"]),
        ("network.generator._target_=no.such.Class", ["no.such.Class"]),
        ("network.generator._target_=builtins.dict", ["gives a dict", "nn.Module"]),
        ("network.generator.z_dim=50", ["network.generator can't take z of prior.dim=100", "50"]),
        (
            "network.discriminator.shape=[1,4,4]",
            ["network.discriminator can't score images (8, 1, 8, 8)", "16"],
        ),
        (
            "network.discriminator._target_=torch.nn.Flatten",
            ["network.discriminator does not fit torch.nn.Flatten"],
        ),
        ("network=conv network.discriminator.shape=[64]", ["network.discriminator does not fit"]),
        (
            "network.generator.batch_norm=[true] schedule.batch_size=1",
            ["network.generator can't be trained with schedule.batch_size=1"],
        ),
        ("dataset.shape=[1,4,16]", ["dataset.shape is (1, 4, 16); it must be (1, 8, 8)"]),
        (
            "dataset=ring dataset.shape=[3,1,1] network.generator.output=linear "
            "network.generator.init.marginal_bias=false",
            ["dataset.shape is (3, 1, 1); it must be (2, 1, 1)"],
        ),
        ("dataset=folder dataset.path=", ["path is empty"]),
        ("optimizer.lr=1e-8 optimizer=momentum", ["lr is 1e-08 and lr_min is 1e-06"]),
        (
            "optimizer.lr=0.1 optimizer.generator.lr=0.01 optimizer.lr_min=0.05",
            ["lr is 0.01 and lr_min"],
        ),
        ("ablation=no_ramp", ["ablation is no_ramp", "experiment=mnist ablation=no_ramp"]),
        (
            "condition=label",
            ["condition is label", "network.generator is Generator, whose forward takes z", "z, y"],
        ),
        (
            "network=conditional_fc",
            ["condition is null", "network.generator is ConditionalGenerator", "takes z, y;"],
        ),
        ("condition=labels", ["condition is labels", "'label'"]),
        ("fake_labels=uniform", ["fake_labels is uniform and condition is null"]),
        ("classes=10", ["classes is 10 and condition is null"]),
        ("experiment=digits_conditional classes=12", ["classes is 12; it must be 10"]),
        ("device=meta", ["device is 'meta'", "auto, cpu, or cuda"]),
        ("dataset=mnist data_dir=nowhere", ["MNIST", "nowhere/MNIST/raw", "GAN_DATA"]),
    ],
)
@pytest.mark.usefixtures("no_network")
def test_train(arguments: str, words: list[str], gan: Gan, tmp_path: Path) -> None:
    refusal = gan("train", *arguments.split()).refusal
    for word in words:
        assert word in refusal
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_early_signal_leaves_nothing(
    number: signal.Signals, gan: Gan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: object) -> None:
        os.kill(os.getpid(), signal.SIGUSR1)  # nothing to save yet, and no reason to end
        os.kill(os.getpid(), number)

    monkeypatch.setattr("gan_cli.commands.train.build_source", interrupt)
    before = signal.signal(number, signal.SIG_IGN)  # as a script's background jobs have SIGINT
    try:
        result = gan("train", "schedule.steps=1")
    finally:
        signal.signal(number, before)
    assert (result.code, result.err) == (128 + number, "Interrupted.\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", ["run is latest, but", "gan train"]),
        ("run=nowhere", ["run is nowhere, which is not a run: it is no directory"]),
        ("run=.", ["run is ., which is not a run: it has no config.yaml"]),
        ("n=0", ["n is 0", "greater than or equal to 1"]),
        ("weights=best", ["weights is best", "'raw' or 'ema'"]),
        ("n=many", ["n is many", "integer"]),
    ],
)
def test_sample_without_a_run(arguments: str, words: list[str], gan: Gan, tmp_path: Path) -> None:
    refusal = gan("sample", *arguments.split()).refusal
    for word in words:
        assert word in refusal
    assert list(tmp_path.glob("outputs/*/*")) == []


def test_sample_from_damaged_runs(gan: Gan, train_once: TrainOnce) -> None:
    run = train_once()
    config = run / "config.yaml"
    text = config.read_text()

    config.write_text(text.replace("- 32", "- 33"))
    assert "holds a checkpoint of another network" in gan("sample", "run=a").refusal
    for broken in ("", "[1, 2", "just words", text.replace("generator:", "gen:")):
        config.write_text(broken)
        refusal = gan("sample", "run=a").refusal
        assert "config.yaml" in refusal or "network.generator" in refusal

    config.write_text(text)
    for checkpoint in (run / "checkpoints").glob("step-*"):
        checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    result = gan("sample", "run=a")
    assert "damaged" in result.out
    assert "no whole checkpoint" in result.refusal


def test_idx_files_of_another_shape(gan: Gan, tmp_path: Path) -> None:
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / f"{name}-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 3, 4]))
    refusal = gan("train", "dataset=mnist", "data_dir=.").refusal
    assert "train-images-idx3-ubyte, of 10 bytes: its numbers are of type 8 and shape" in refusal


@pytest.mark.slow  # PyTorch is compiled to bytecode once more.
def test_a_run_trains_where_python_leaves_asserts_out(tmp_path: Path) -> None:
    assert run_gan("train", *SMALL, "schedule.steps=3", cwd=tmp_path, PYTHONOPTIMIZE="1").code == 0


def test_a_diverging_game_stops(gan: Gan, tmp_path: Path) -> None:
    diverging = ["optimizer.lr=1e14", "schedule.steps=500", "log.every_steps=10"]
    refusal = gan("train", *SMALL, *diverging).refusal
    assert "diverged" in refusal
    assert "optimizer.lr" in refusal
    assert '"failed"' in only("outputs/train/*/status.json", tmp_path).read_text()


@pytest.mark.parametrize("outputs", ["file/below", "/proc/nowhere"])
def test_an_output_directory_that_can_not_be(outputs: str, gan: Gan, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for sweep in ([], ["-m", "seed=1,2"]):
        assert outputs in gan("train", *sweep, f"outputs={outputs}").refusal


def test_a_run_in_use_is_left_alone(
    gan: Gan, train_once: TrainOnce, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gan_cli.runs.directory import Run, lock

    run = Run(train_once())
    with lock(run.path):
        run.set_status("running", 3)
        refusal = gan("train", "resume=a", "schedule.steps=9").refusal
        assert "a is being written by process" in refusal
        assert run.status() == "running"
    assert run.status() == "interrupted"

    # Whether the process is gone can't be seen where no lock can be taken.
    def unwritable(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("gan_cli.runs.directory.FileLock.acquire", unwritable)
    assert run.status() == "running"


def test_a_hostile_array_runs_nothing(gan: Gan, train_once: TrainOnce, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "was here",))

    train_once()
    np.save(tmp_path / "pickled.npy", np.array([Hostile()] * 100), allow_pickle=True)
    claim = np.lib.format.header_data_from_array_1_0(np.zeros((1, 100), np.float32))
    with (tmp_path / "bomb.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {**claim, "shape": (10**12, 100)})
        file.write(bytes(1000))
    for name in ("pickled", "bomb"):
        refusal = gan("interpolate", "run=a", f"z={name}.npy").refusal
        assert f"z is {name}.npy, which can't be read as a .npy array" in refusal
    assert not (tmp_path / "was here").exists()
