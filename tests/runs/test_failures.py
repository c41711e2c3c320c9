"""What goes wrong while a run trains: one sentence, and nothing lost."""

import json
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import torch
from helpers.command import SMALL, Gan, TrainOnce, assert_same, rows, weights
from torch import nn

from gan_cli.game.state import State

SHORT = [
    *SMALL,
    "schedule.steps=40",
    "log.every_steps=5",
    "checkpoint.share=null",
    "monitor.every_epochs=null",
]


def status(run: Path) -> dict:
    return json.loads((run / "status.json").read_text())


def poison(network: nn.Module, value: float) -> None:
    with torch.no_grad():
        list(network.parameters())[-1].view(-1)[0] = value


@pytest.mark.parametrize(
    ("player", "value", "words"),
    [
        ("discriminator", float("nan"), "D's layers.5.bias holds NaN at step 20"),
        ("generator", float("inf"), "G's output.bias holds infinity at step 20"),
    ],
)
def test_a_weight_that_is_no_number_stops_the_run(
    player: str, value: float, words: str, gan: Gan, tmp_path: Path, at_step
) -> None:
    # On a row's own step, so that the losses have not felt it yet.
    at_step(20, lambda state: poison(getattr(state, player), value))
    refusal = gan("train", *SHORT, "checkpoint.every_steps=10", "hydra.run.dir=a").refusal
    assert words in refusal, refusal
    assert status(tmp_path / "a")["status"] == "failed"
    saved = weights(tmp_path / "a")
    assert saved["step"] == 10
    assert all(x.isfinite().all() for x in saved[player].values())


def test_no_checkpoint_is_written_of_what_diverged(gan: Gan, tmp_path: Path, at_step) -> None:
    at_step(11, lambda state: poison(state.generator, float("nan")))
    refusal = gan(
        "train", *SHORT, "log.every_steps=40", "checkpoint.every_steps=6", "hydra.run.dir=a"
    ).refusal
    assert "holds NaN at step 12" in refusal
    assert weights(tmp_path / "a")["step"] == 6


def test_a_diverged_run_is_restored(
    gan: Gan, train_once: TrainOnce, tmp_path: Path, at_step
) -> None:
    train_once(*SHORT, to="b")
    at_step(23, lambda state: poison(state.discriminator, float("nan")))
    output = gan(
        "train", *SHORT, "on_nan=restore", "checkpoint.every_steps=10", "hydra.run.dir=a"
    ).output
    assert "NaN at step 25" in output
    assert "Back to step 20" in output
    assert [int(row["step"]) for row in rows(tmp_path / "a")] == list(range(5, 41, 5))
    assert weights(tmp_path / "a")["restored"] == 1

    both = [[row["d_loss"] for row in rows(tmp_path / run)] for run in "ab"]
    assert both[0][:4] == both[1][:4]
    assert both[0][4:] != both[1][4:]


def test_a_run_that_always_diverges_stops_after_three_times(
    gan: Gan, tmp_path: Path, after_each_step
) -> None:
    after_each_step(lambda state: poison(state.discriminator, float("nan")))
    result = gan("train", *SHORT, "on_nan=restore", "hydra.run.dir=a")
    assert result.code == 1
    assert "restore 3 of at most 3" in result.out
    assert "3 times" in result.err
    assert len(result.err.splitlines()) == 1
    assert weights(tmp_path / "a")["step"] == 0


def flatten(state: State) -> None:
    with torch.no_grad():
        for x in state.generator.parameters():
            x.zero_()


@pytest.mark.parametrize("action", ["warn", "stop"])
def test_a_collapse_is_reported(action: str, gan: Gan, tmp_path: Path, at_step) -> None:
    for step in (8, 12):
        at_step(step, flatten)
    result = gan(
        "train", *SHORT, "monitor.every_epochs=0.06", "schedule.steps=16", f"on_collapse={action}",
        "network.generator.init.irange=[1.0]", "hydra.run.dir=a",
    )  # fmt: skip
    message = "G's samples have collapsed at step 8: their spread is 0.000 of the data's, down"
    assert (result.out + result.err).count("have collapsed") == 1
    assert message in result.out + result.err
    spreads = [float(row["spread"]) for row in rows(tmp_path / "a") if row["spread"]]
    assert spreads[0] > 0.1
    assert spreads[1] == 0
    if action == "stop":
        assert result.code == 1
        assert weights(tmp_path / "a")["step"] == 8
        return
    assert result.code == 0, result.err
    # Once is enough, in a resumed run too.
    assert "have collapsed" not in gan("train", "resume=a", "schedule.steps=20").output
    assert float(rows(tmp_path / "a")[-1]["spread"]) < 0.02


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_stops_the_run_with_its_checkpoints_whole(
    gan: Gan, train_once: TrainOnce, tmp_path: Path
) -> None:
    whole = weights(train_once(*SHORT, to="whole"))
    arguments = [*SHORT, "checkpoint.every_steps=10", "schedule.steps=20", "hydra.run.dir=a"]
    assert gan("train", *arguments).code == 0
    before = {p.name: p.read_bytes() for p in (tmp_path / "a/checkpoints").iterdir()}
    with no_file_larger_than(20_000):
        result = gan("train", "resume=a", "schedule.steps=40")
    assert result.code == 1
    assert len(result.err.splitlines()) == 1, result.err
    assert "Cannot write to a at step 3" in result.err
    assert "File too large" in result.err
    assert status(tmp_path / "a")["status"] == "failed"
    assert {p.name: p.read_bytes() for p in (tmp_path / "a/checkpoints").iterdir()} == before

    assert gan("train", "resume=a", "schedule.steps=40").code == 0
    assert_same(weights(tmp_path / "a"), whole)


@pytest.mark.parametrize("sweep", [[], ["-m", "seed=1,2"]])
@pytest.mark.parametrize("size", [200, 2_000, 6_000])
def test_a_disk_full_from_the_start(size: int, sweep: list[str], gan: Gan, tmp_path: Path) -> None:
    with no_file_larger_than(size):
        result = gan("train", *sweep, *SHORT)
    assert result.code == 1
    assert "File too large" in result.err
    assert "Traceback" not in result.err
    assert not list(tmp_path.rglob("*.tmp"))
    if not sweep:
        assert len(result.err.splitlines()) == 1
    if size < 6_000:
        assert ("multirun.yaml" if sweep else "outputs=DIRECTORY") in result.err
        assert not list(tmp_path.rglob("metrics.csv"))


def test_a_disk_that_fills_up_while_a_sweep_runs(gan: Gan, tmp_path: Path, at_step) -> None:
    command = ["train", "-m", "seed=1,2", *SHORT, "hydra.sweep.dir=s"]
    with ExitStack() as disk:
        at_step(30, lambda _: disk.enter_context(no_file_larger_than(2_000)))
        result = gan(*command)
    assert result.code == 1
    assert "seed=1: Cannot write to s/seed=1 at step 3" in result.out
    assert "File too large" in result.err.splitlines()[-1]

    assert gan(*command).code == 0
    assert status(tmp_path / "s/seed=1")["status"] == "finished"
    assert status(tmp_path / "s/seed=2")["status"] == "finished"

    # The record of the sweep's command is replaced whole or not at all.
    before = (tmp_path / "s/multirun.yaml").read_bytes()
    with no_file_larger_than(200):
        assert gan(*command).code == 1
    assert (tmp_path / "s/multirun.yaml").read_bytes() == before


def test_too_little_memory(gan: Gan, tmp_path: Path) -> None:
    refusal = gan("train", "network.generator.widths=[9999,999999999]").refusal
    asked = 4 * 9999 * 999999999
    assert f"{asked} bytes" in refusal
    assert "schedule.batch_size=100" in refusal
    assert "network.generator.widths=[9999, 999999999]" in refusal
    assert list(tmp_path.iterdir()) == []


def test_a_scheduler_s_warning_has_a_checkpoint_written(gan: Gan, tmp_path: Path, at_step) -> None:
    at_step(15, lambda _: os.kill(os.getpid(), signal.SIGUSR1))
    assert gan("train", *SHORT, "checkpoint.every_epochs=null", "hydra.run.dir=a").code == 0
    names = [path.name for path in (tmp_path / "a/checkpoints").iterdir()]
    assert sorted(names) == ["step-000000015.ckpt", "step-000000040.ckpt"]


def test_another_machine_is_reported_and_other_data_are_refused(
    gan: Gan, train_once: TrainOnce
) -> None:
    path = train_once() / "environment.json"
    sessions = json.loads(path.read_text())
    result = gan("train", "resume=a", "schedule.steps=6")
    assert "last digits may differ" not in result.out

    path.write_text(json.dumps([{**sessions[0], "threads": 64, "compile": True}]))
    result = gan("train", "resume=a", "schedule.steps=7")
    assert result.code == 0
    assert "the last digits may differ" in result.out
    assert "(threads: 64 before, 1 now; compile: True before, False now)" in result.out

    path.write_text(json.dumps([{**sessions[0], "data_sha256": "0" * 64}]))
    assert "dataset gives other data" in gan("train", "resume=a", "schedule.steps=8").refusal

    path.write_text('[{"device":}]')
    output = gan("train", "resume=a", "schedule.steps=8").output
    reason = "a/environment.json can't be read (Expecting value: line 1 column 12 (char 11))"
    assert output.count(reason) == 1


def test_what_a_killed_process_left_is_cleared(gan: Gan, train_once: TrainOnce) -> None:
    run = train_once()
    for name in (".status.json.1.tmp", "samples/.x.png.1.tmp", "checkpoints/.s.ckpt.1.tmp"):
        (run / name).write_bytes(b"half")
    (run / "metrics.csv").write_bytes((run / "metrics.csv").read_bytes() + b"\xff\n9")
    assert gan("train", "resume=a", "schedule.steps=10").code == 0
    assert not list(run.rglob("*.tmp"))
    assert [row["step"] for row in rows(run)] == ["3", "10"]


def test_killed_between_the_last_checkpoint_and_its_status(gan: Gan, train_once: TrainOnce) -> None:
    run = train_once()
    (run / "status.json").write_text((run / "status.json").read_text().replace("finish", "runn"))
    assert "Finished at step 3: a" in gan("train", "resume=a").output
    assert status(run)["status"] == "finished"
    assert gan("train", "resume=a").code == 1


def test_a_damaged_newest_checkpoint_is_set_aside(gan: Gan, tmp_path: Path) -> None:
    arguments = [*SHORT, "schedule.steps=20", "checkpoint.every_steps=5", "hydra.run.dir=a"]
    assert gan("train", *arguments).code == 0
    newest = tmp_path / "a/checkpoints/step-000000020.ckpt"
    newest.write_bytes(newest.read_bytes()[:-1])
    output = gan("train", "resume=a", "schedule.steps=25").output
    assert "step-000000020.ckpt is damaged" in output
    assert "Resuming a: steps 16 to 25" in output
    names = sorted(path.name for path in (tmp_path / "a/checkpoints").iterdir())
    assert names == [
        "step-000000020.ckpt", "step-000000020.ckpt.damaged", "step-000000025.ckpt",
    ]  # fmt: skip
    assert gan("train", *SHORT, "schedule.steps=25", "hydra.run.dir=b").code == 0
    assert_same(weights(tmp_path / "a"), weights(tmp_path / "b"))
