"""`gan train -m`: stopped, resumed, and every failure reported when it happens."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.command import SMALL, Gan, TrainOnce, assert_same, rows, weights
from hydra import compose, initialize_config_module

from gan_cli import conf
from gan_cli.commands.train import Settings
from gan_cli.config.differences import flatten
from gan_cli.config.validate import check
from gan_cli.errors import UserError
from gan_cli.game.state import State
from gan_cli.runs import resolvers, sweeps

SWEEP = [
    *SMALL, "schedule.steps=6", "log.every_steps=2", "checkpoint.every_steps=2",
    "checkpoint.share=null",
    "monitor.every_epochs=null", "sweep=study",
]  # fmt: skip
GRID = ["optimizer.lr=0.05,0.1", "seed=range(2)"]


def jobs(cwd: Path) -> list[Path]:
    return sorted(path.parent for path in cwd.glob("outputs/sweep/study/*/config.yaml"))


def only_report(cwd: Path) -> str:
    (path,) = cwd.glob("outputs/report/*/report.md")
    return path.read_text()


def sessions(job: Path) -> int:
    return len(json.loads((job / "environment.json").read_text()))


def test_killed_in_the_middle_and_started_again(gan: Gan, tmp_path: Path, after_each_step) -> None:
    assert gan("train", "-m", *SWEEP, *GRID, "outputs=whole").code == 0
    steps = []

    def crash(state: State) -> None:
        steps.append(state.step)
        if len(steps) == 2 * 6 + 5:
            sys.exit(9)

    after_each_step(crash)
    assert gan("train", "-m", *SWEEP, *GRID).code == 9
    assert len(jobs(tmp_path)) == 3
    assert gan("train", "-m", *SWEEP, *GRID).output.count("is finished already") == 2
    # The one that was killed at step 5 resumed from step 4.
    assert len(steps) == 4 * 6 + 1

    found = jobs(tmp_path)
    assert len(found) == 4
    assert "optimizer.lr=0.05,seed=0" in [job.name for job in found]
    assert [sessions(job) for job in found].count(2) == 1
    for job in found:
        whole = tmp_path / "whole/sweep/study" / job.name
        assert_same(weights(job), weights(whole))
        both = [[row["d_loss"] for row in rows(run)] for run in (job, whole)]
        assert both[0] == both[1]


def test_more_values_add_jobs_and_longer_ones_extend_them(gan: Gan, tmp_path: Path) -> None:
    assert gan("train", "-m", *SWEEP, "seed=0,1").code == 0
    before = {job.name: (job / "metrics.csv").read_bytes() for job in jobs(tmp_path)}
    assert gan("train", "-m", *SWEEP, "seed=1,2").code == 0
    assert [job.name for job in jobs(tmp_path)] == ["seed=0", "seed=1", "seed=2"]
    assert [sessions(job) for job in jobs(tmp_path)] == [1, 1, 1]
    for name, content in before.items():
        assert (tmp_path / "outputs/sweep/study" / name / "metrics.csv").read_bytes() == content

    assert gan("train", "-m", *SWEEP, "seed=0,1", "schedule.steps=8").code == 0
    assert [weights(job)["step"] for job in jobs(tmp_path)] == [8, 8, 6]
    result = gan("train", "-m", *SWEEP, "seed=0,1", "schedule.steps=8", "optimizer.lr=0.3")
    assert result.code == 1
    assert result.out.count("optimizer.lr: 0.001 in the run, 0.3 now)") == 2
    assert [weights(job)["step"] for job in jobs(tmp_path)] == [8, 8, 6]


def test_a_job_s_directory_is_a_path_like_any_other(
    gan: Gan, train_once: TrainOnce, tmp_path: Path
) -> None:
    job = "outputs/sweep/study/optimizer.lr=0.2,seed=1"
    train_once(to=job)
    result = gan("sample", f"run={job}", "n=4")
    assert f"Run {job}, finished" in result.out
    assert gan("train", f"resume={job}", "schedule.steps=8").code == 0
    assert weights(tmp_path / job)["step"] == 8
    assert "run is nowhere/seed=1" in gan("sample", "run=nowhere/seed=1", "n=4").refusal


def test_a_failing_job_is_reported_at_once_and_leaves_the_others(gan: Gan, tmp_path: Path) -> None:
    result = gan("train", "-m", *SWEEP, "prior=nowhere,uniform", "optimizer.lr=-1,0.1")
    assert result.code == 1
    assert "Traceback" not in result.err
    assert "3 of 4 jobs failed" in result.err
    study = tmp_path / "outputs/sweep/study"
    log = (study / "sweep.log").read_text()
    report = gan("report", "sweep=study")
    assert "not begun" not in report.out
    for name, reason in (
        ("prior=nowhere,optimizer.lr=0.1", "There is no prior=nowhere; prior is one of"),
        ("prior=uniform,optimizer.lr=-1", "optimizer.lr is -1; it should be greater than 0."),
    ):
        assert result.out.index(f"{name}: {reason}") < result.out.index("Finished at step")
        assert reason in (study / name / "train.log").read_text()
        assert f"{name}: failed: {reason}" in log
        assert f"- {name}: failed: {reason}" in only_report(tmp_path)
    assert [job.name for job in jobs(tmp_path)] == ["prior=uniform,optimizer.lr=0.1"]
    assert len(log.splitlines()) == 4
    assert log.count(": finished\n") == 1


def test_no_job_begins_after_a_failure_with_fail_fast(gan: Gan, tmp_path: Path) -> None:
    rates = "optimizer.lr=0.1,1e30,0.2,0.3"
    refusal = gan("train", "-m", *SWEEP, rates, "sweep.fail_fast=true").refusal
    assert "sweep.fail_fast is true: 2" in refusal
    study = tmp_path / "outputs/sweep/study"
    names = ["optimizer.lr=0.1", "optimizer.lr=1e+30"]
    assert sorted(path.name for path in study.glob("*=*")) == names
    assert gan("report", "sweep=study").out.count(": not begun") == 2
    # A session without it begins all; what can't even be composed stops one with it as well.
    assert "1 of 4 jobs failed" in gan("train", "-m", *SWEEP, rates).err
    result = gan("train", "-m", *SWEEP, "prior=uniform,nowhere", "sweep.fail_fast=true")
    assert "sweep.fail_fast is true: 1" in result.err
    assert not (study / "prior=uniform").exists()


def test_presets_and_names_without_a_sweep(gan: Gan, tmp_path: Path) -> None:
    settings = SWEEP[:-1]
    for wrong, words in [
        (["sweep=seeds"], "-m sweep=seeds"),
        (["sweep.fail_fast=true"], "sweep.fail_fast is true"),
        (["-m", "seed=0,1", "sweep.fail_fast=yes please"], "sweep.fail_fast is yes please"),
        (["-m", "sweep=seedz"], "sweep is seedz"),
        (["-m", "+sweep=seeds"], "without the +"),
        (["-m", "sweep=search"], "hydra/sweeper=optuna"),
        (["-m", "sweep=a/b", "seed=0,1"], "sweep is a/b"),
        (["-m", "sweep=..", "seed=0,1"], "sweep is .."),
        (["-m", "seed=0,1", "hydra/launcher=none"], "There is no hydra/launcher=none"),
    ]:
        assert words in gan("train", *wrong, *settings).refusal
        assert list(tmp_path.iterdir()) == []
    # What is only shown is not finished.
    assert gan("train", "-m", "sweep=shown", "seed=0,1", "dry_run=true", *settings).code == 0
    assert "finished" not in (tmp_path / "outputs/sweep/shown/sweep.log").read_text()
    # The command line wins.
    assert gan("train", "-m", "sweep=seeds", "seed=3,7", *settings).code == 0
    found = sorted(path.name for path in tmp_path.glob("outputs/sweep/seeds/*=*"))
    assert found == ["seed=3", "seed=7"]


@pytest.mark.parametrize(
    "preset", sorted(path.stem for path in Path(conf.__file__).parent.glob("sweep/*.yaml"))
)
def test_presets_vary_what_there_is(preset: str) -> None:
    resolvers.register()
    with initialize_config_module("gan_cli.conf", version_base="1.3"):
        composed = compose("train", [f"sweep={preset}"], return_hydra_config=True)
        overrides = sweeps.parse(composed.hydra.sweeper.params, [])
        assert any(override.is_sweep_override() for override in overrides)
        # The first value of each, or the least.
        first = []
        for o in overrides:
            if o.is_interval_sweep():
                first.append(f"{o.get_key_element()}={o.value().start}")
            elif o.is_sweep_override():
                first.append(f"{o.get_key_element()}={next(iter(o.sweep_string_iterator()))}")
            else:
                first.append(o.input_line)
        cfg = compose("train", first)
        check(cfg, "train", Settings)


# What each ablation of the MNIST recipe changes, and nothing else.
ABLATIONS = {
    "none": {},
    "alternating": {"schedule.updates": "alternating"},
    "unhalved": {"objective.d_weight": 1},
    "uniform_01": {"prior.low": 0, "prior.high": 1},
    "gaussian": {"prior._target_": "gan_cli.game.priors.Gaussian", "prior.low": None,
                 "prior.high": None},
    "no_marginal_bias": {"network.generator.init.marginal_bias": False},
    "unscaled_dropout": {"network.discriminator.scale_kept": False},
    "no_ramp": {"optimizer.momentum_end": 0.5},
    "minimax": {"objective._target_": "gan_cli.game.objectives.Minimax"},
}  # fmt: skip


def test_an_ablation_changes_one_detail() -> None:
    resolvers.register()
    with initialize_config_module("gan_cli.conf", version_base="1.3"):
        params = compose("train", ["sweep=ablation"], return_hydra_config=True).hydra.sweeper.params
        assert params.ablation.split(",") == list(ABLATIONS)
        whole = flatten(compose("train", ["experiment=mnist"]))
        for name, changed in ABLATIONS.items():
            found = flatten(compose("train", ["experiment=mnist", f"ablation={name}"]))
            different = {
                key: found.get(key)
                for key in {*whole, *found}
                if whole.get(key) != found.get(key)
                and not key.startswith(("optimizer.generator", "optimizer.discriminator"))
            }
            assert different == changed


@pytest.fixture
def options() -> Iterator[None]:
    """Hydra as it is while a command of gan runs, which knows the groups' options."""
    with initialize_config_module("gan_cli.conf", version_base="1.3"):
        yield


@pytest.mark.usefixtures("options")
def test_names_of_jobs() -> None:
    """A preset's setting tells jobs apart even with one value, which another command may add to."""
    params = {"seed": "range(2)", "schedule.k": "1,2", "experiment": "mnist"}
    arguments = ["threads=1", "prior=gaussian,uniform", "seed=7", "dataset.path=choice(a/b.zip)"]
    assert list(sweeps.combinations(params, arguments).items())[1] == (
        "seed=7,schedule.k=1,prior=uniform,dataset.path=a_b.zip",
        ["seed=7", "schedule.k=1", "experiment=mnist", "threads=1", "prior=uniform",
         "dataset.path=a/b.zip"],
    )  # fmt: skip
    assert list(sweeps.combinations({"seed": "range(5)"}, ["seed=0"])) == ["seed=0"]
    long = [sweeps.job_name([f"key{i}=" + "x" * 300]) for i in range(2)]
    assert long[0] != long[1]
    assert all(len(name) <= 150 for name in long)
    assert len(sweeps.job_name(["a=" + "\u5199" * 100]).encode()) <= 150


@pytest.mark.usefixtures("options")
@pytest.mark.parametrize(
    ("argument", "names"),
    [
        ("seed=3", ["all"]),
        # Named as it will be when values are added.
        ("seed=range(1)", ["seed=0"]),
        ("prior=glob(*)", ["prior=gaussian", "prior=spherical", "prior=uniform"]),
        ("prior=glob(*,exclude=[s*])", ["prior=gaussian", "prior=uniform"]),
    ],
)
def test_values_of_a_sweep(argument: str, names: list[str]) -> None:
    assert list(sweeps.combinations({}, [argument])) == names


@pytest.mark.usefixtures("options")
@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("seed=glob(*)", "has no values"),
        ("seed=range(5,2)", "has no values"),
        ("lr=interval(0, 1)", "is a range without steps"),
    ],
)
def test_no_values_of_a_sweep(argument: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        sweeps.combinations({}, [argument])


def test_the_last_outcome_of_a_job_counts(tmp_path: Path) -> None:
    job, other = tmp_path / "lr=1,seed=1", tmp_path / "lr=1,seed=11"
    assert sweeps.failure(job) is None
    sweeps.note(job, "failed: no")
    assert sweeps.failure(job) == "no"
    sweeps.note(job, "finished")
    sweeps.note(other, "failed: seed=1: odd")
    assert sweeps.failure(job) is None
    assert sweeps.failure(other) == "seed=1: odd"
    assert sweeps.failure(tmp_path / "seed=1") is None
