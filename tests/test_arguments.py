"""Guesses are answered with the setting that was meant, and text stays text."""

from pathlib import Path

import pytest
from helpers.command import SMALL, Gan

from gan_cli.arguments import SYNONYMS, as_text, closest


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("epochs=10", "epochs is no setting of gan train; did you mean schedule.epochs?"),
        ("lr=0.1", "did you mean optimizer.lr?"),
        ("batch_size=64", "did you mean schedule.batch_size?"),
        ("optimizer.learning_rate=0.1", "did you mean optimizer.lr?"),
        ("widths=[3]", "did you mean network.generator.widths?"),
        ("schedule.batchsize=3", "did you mean schedule.batch_size?"),
        ("sede=1", "did you mean seed?"),
        ("foo=1", "foo is no setting of gan train; gan train --help lists them."),
        ("--epochs 10", "settings have no dashes, as in schedule.epochs=10."),
        ("--seed=3", "settings have no dashes, as in seed=3."),
        ("--batch-size 3", "as in schedule.batch_size=3."),
        ("schedule.steps=1e3", "schedule.steps is 1000.0; it should be a valid integer, as 1000"),
        ("network.generator.widths=[16, 32]", "as in network.generator.widths=[16,32]"),
        ("-m seed=0, 1", "seed=0, ends at a space"),
        ("dataset=MNIST", "did you mean dataset=mnist?"),
        ("experiment=minst", "did you mean experiment=mnist?"),
        ("dataset mnist", "'dataset': a setting is given as setting=value, as in dataset=mnist."),
        ("mnist", "did you mean dataset=mnist or experiment=mnist?"),
        ("help", "'help': a setting is given as setting=value; gan train --help lists them."),
        ("prior=normal", "did you mean prior=gaussian?"),
        ("optimizer=sgd", "did you mean optimizer=momentum?"),
        ("network=tiny", "fc, mlp, semi_supervised_fc, tfd; your own need --config-dir DIRECTORY."),
        ("model=dcgan", "model is no setting of gan train; did you mean network?"),
        ("log.every=5", "did you mean log.every_steps?"),
        ("--resume", "as in resume=latest."),
        ("--dry-run", "as in dry_run=true."),
        ("--seed", "as in seed=VALUE."),
        ("dataset.path=x", "dataset.path is no setting of gan train; it is one of dataset=folder."),
        ("network.generator.widths=256", "widths is 256; it should be a list, as [256]."),
        ("network.generator.widths=abc", "widths is abc; it should be a list, as [abc]."),
        ("device=gpu", "device is 'gpu'; it can be auto, cpu, or cuda"),
        ("seed=1,2", "seed=1,2 has several values; add -m for a sweep, or brackets for a list."),
    ],
)
def test_guesses(arguments: str, words: str, gan: Gan, tmp_path: Path) -> None:
    assert words in gan("train", *arguments.split()).refusal
    assert list(tmp_path.iterdir()) == []


def test_guesses_of_commands(gan: Gan) -> None:
    assert gan("sample", "--version").out == "gan 0.1.0\n"
    assert "did you mean 'gan --help'?" in gan("help").err
    assert "did you mean 'gan sample'?" in gan("smaple").err
    assert "did you mean 'gan train resume=latest'?" in gan("resume").err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("sample 16", "run is 16, which is not a run"),
        ("interpolate 2026-11-29_12-00-00 seed=1", "run is 2026-11-29_12-00-00, which is not"),
        ("show --config-dir . 16", "run is 16, which is not a run"),
        ("runs foo", "'foo': a setting is given as setting=value; gan runs --help lists them."),
        ("runs experiment=dcgan", "experiment is no setting of gan runs; gan runs --help lists"),
        ("report seeds", "did you mean sweep=seeds?"),
        ("diff", "gan diff takes 2 runs: gan diff A B."),
    ],
)
def test_guesses_of_other_commands(arguments: str, words: str, gan: Gan) -> None:
    assert words in gan(*arguments.split()).refusal


def test_synonyms_are_of_settings_that_there_are(gan: Gan) -> None:
    # `n` and those beside it are other commands'.
    listed = gan("train", "--cfg", "job").out + gan("sample", "--cfg", "job").out
    for word, setting in SYNONYMS.items():
        assert f"{setting.rpartition('.')[2]}:" in listed.replace("'", ""), setting
        assert closest(word, {setting, "a.b"}) == setting


def test_of_several_the_one_that_others_follow() -> None:
    assert closest("lr", {"optimizer.generator.lr", "optimizer.lr"}) == "optimizer.lr"
    assert closest("unheard_of", {"optimizer.lr", "seed"}) is None


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        ("outputs=2024_01", "outputs='2024_01'"),
        ("outputs=1e3", "outputs='1e3'"),
        ("run=true", "run='true'"),
        ("run=a=b,c", "run='a=b,c'"),
        ("dataset.path=ä b", "dataset.path='ä b'"),
        ("+init_from=it's", r"+init_from='it\'s'"),
        ("outputs=plain/path.1", "outputs=plain/path.1"),
        ("resume=null", "resume=null"),
        ("runs=[7,2024_01,a/b]", "runs=['7','2024_01','a/b']"),
        ("runs=['a=1,b=2']", "runs=['a=1,b=2']"),
        ("outputs='quoted'", "outputs='quoted'"),
        ("outputs=${oc.env:HOME}", "outputs=${oc.env:HOME}"),
        ("schedule.steps=1e3", "schedule.steps=1e3"),
        ("~seed", "~seed"),
    ],
)
def test_text_stays_text(typed: str, given: str) -> None:
    assert as_text(typed) == given


def test_a_list_of_paths_is_a_sweep_unless_there_is_such_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert as_text("dataset.path=a,b", multirun=True) == "dataset.path=a,b"
    Path("a,b").mkdir()
    assert as_text("dataset.path=a,b", multirun=True) == "dataset.path='a,b'"


@pytest.mark.parametrize("chdir", [False, True])
def test_home_and_the_directory_of_the_command(
    chdir: bool, gan: Gan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GAN_DATA", "~/data")
    assert (
        gan(
            "train", *SMALL, "schedule.steps=2", "outputs=~/2024_01", f"hydra.job.chdir={chdir}"
        ).code
        == 0
    )
    (run,) = (home / "2024_01/train").iterdir()
    assert (run / "checkpoints").is_dir()
    assert str(home / "data") in (run / "config.yaml").read_text()
    # Relative to where the command is given.
    (tmp_path / "b").symlink_to(run)
    assert gan("sample", "run=b", "save=x.npy", "outputs=out", f"hydra.job.chdir={chdir}").code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"home", "b", "x.npy", "out"}
