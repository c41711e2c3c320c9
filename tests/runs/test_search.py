"""`gan train -m hydra/sweeper=optuna`: a search that can be stopped, and what it refuses."""

import sys
from pathlib import Path

import pytest
from helpers.command import SMALL, Gan, rows
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from gan_cli.errors import UserError
from gan_cli.game.state import State

optuna = pytest.importorskip("optuna")
from hydra_plugins import gan_optuna  # noqa: E402

SEARCH = [
    *SMALL, "hydra/sweeper=optuna", "sweep=study", "schedule.steps=6", "log.every_steps=2",
    "monitor.every_epochs=0.03", "monitor.samples=50", "monitor.valid=20",
    "checkpoint.every_steps=2",
]  # fmt: skip
SPACE = ["optimizer.lr=tag(log, interval(0.01, 10))", "prior=uniform,gaussian"]


def study(directory: Path) -> "optuna.Study":
    return optuna.load_study(
        study_name="search", storage=f"sqlite:///{directory}/sweep/study/study.db"
    )


def test_stopped_in_the_third_of_five_and_resumed(
    gan: Gan, tmp_path: Path, after_each_step
) -> None:
    five = [*SEARCH, *SPACE, "hydra.sweeper.n_trials=5", "hydra.sweeper.pruner.n_startup_trials=2"]
    assert gan("train", "-m", *five, "outputs=whole").code == 0
    whole = study(tmp_path / "whole")
    states = [trial.state.name for trial in whole.trials]
    assert set(states) == {"COMPLETE", "PRUNED"}
    assert len(states) == 5

    steps = []

    def crash_in_the_third(state: State) -> None:
        steps.append(state.step)
        if state.step == 1 and steps.count(1) == 3:
            sys.exit(9)

    after_each_step(crash_in_the_third)
    assert gan("train", "-m", *five).code == 9
    assert [trial.state.name for trial in study(tmp_path / "outputs").trials][-1] == "RUNNING"

    output = gan("train", "-m", *five).output
    found = study(tmp_path / "outputs")
    for one, other in zip(found.trials, whole.trials, strict=True):
        assert (one.params, one.state, one.value) == (other.params, other.state, other.value)
    best = whole.best_trial
    values = " ".join(gan_optuna.chosen(best))
    assert f"0 failed: trial-{best.number:03} ({values}) with {best.value:g}" in output
    values = [trial.value for trial in whole.trials if trial.state.name == "COMPLETE"]
    assert whole.best_value == max(values)

    # What was given up is neither finished nor lost, and no failure.
    for trial in found.trials:
        job = tmp_path / "outputs/sweep/study" / f"trial-{trial.number:03}"
        last = rows(job)[-1]
        if trial.state.name == "PRUNED":
            assert '"status": "interrupted"' in (job / "status.json").read_text()
            assert int(last["step"]) < 6
            # An estimate every second step.
            reported = trial.intermediate_values[int(last["step"]) // 2]
            assert reported == pytest.approx(float(last["parzen_valid"]))
        else:
            assert float(last["parzen_valid"]) == trial.value
        assert OmegaConf.load(job / "config.yaml").optimizer.lr == trial.params["optimizer.lr"]
    report = gan("report", "sweep=study").out
    complete = [trial for trial in found.trials if trial.state.name == "COMPLETE"]
    assert all(f"{trial.params['optimizer.lr']} " in report for trial in complete)


@pytest.mark.parametrize(
    ("values", "states"), [("-1, 0.01", {"COMPLETE", "FAIL"}), ("-1, -2", {"FAIL"})]
)
def test_a_trial_that_fails_leaves_the_others(
    values: str, states: set[str], gan: Gan, tmp_path: Path
) -> None:
    space = f"optimizer.lr=choice({values})"
    result = gan("train", "-m", *SEARCH, space, "hydra.sweeper.n_trials=4")
    assert result.code == 1
    assert "optimizer.lr is -1" in result.out
    found = [trial.state.name for trial in study(tmp_path / "outputs").trials]
    assert set(found) == states
    assert f"{found.count('FAIL')} of 4 jobs failed" in result.err


def test_a_search_by_frechet_distance_is_after_the_least(gan: Gan, tmp_path: Path) -> None:
    by = ["monitor.metric=frechet", "monitor.samples=200", "hydra.sweeper.n_trials=3"]
    assert gan("train", "-m", *SEARCH, *SPACE, *by).code == 0
    found = study(tmp_path / "outputs")
    jobs = [tmp_path / f"outputs/sweep/study/trial-{trial.number:03}" for trial in found.trials]
    last = [float(rows(job)[-1]["frechet_valid"]) for job in jobs]
    assert found.best_value == min(last)
    assert max(last) > min(last)


def test_equal_trials_are_one_run(gan: Gan, tmp_path: Path) -> None:
    more = ["seed=choice(3)", "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=2"]
    assert gan("train", "-m", *SEARCH, *more).code == 0
    values = [trial.value for trial in study(tmp_path / "outputs").trials]
    assert len(values) == 3
    assert len(set(values)) == 1
    assert [p.name for p in tmp_path.glob("outputs/sweep/study/trial-*")] == ["trial-000"]


def test_a_search_stops_at_a_failure_and_continues_with_what_it_had_not_begun(
    gan: Gan, tmp_path: Path
) -> None:
    four = [f"hydra.sweeper.{key}=4" for key in ("n_trials", "n_jobs", "seed")]
    search = ["train", "-m", *SEARCH, "seed=choice(-1, 1, 2, 3)", *four]
    assert "sweep.fail_fast is true: 1" in gan(*search, "sweep.fail_fast=true").refusal
    states = [trial.state.name for trial in study(tmp_path / "outputs").trials]
    assert states == ["COMPLETE", "COMPLETE", "FAIL", "RUNNING"]
    assert not (tmp_path / "outputs/sweep/study/trial-003").exists()
    assert gan(*search).code == 0
    states = [trial.state.name for trial in study(tmp_path / "outputs").trials]
    assert states == ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE"]


def test_a_value_takes_the_place_of_a_preset_s_interval(gan: Gan, tmp_path: Path) -> None:
    preset = ["train", "-m", *SEARCH, "sweep=search", "hydra.sweeper.n_trials=1"]
    assert gan(*preset, "optimizer.lr=0.05").code == 0
    (job,) = tmp_path.glob("outputs/sweep/search/*/config.yaml")
    assert "lr: 0.05" in job.read_text()
    (trial,) = optuna.load_study(
        study_name="search", storage=f"sqlite:///{tmp_path}/outputs/sweep/search/study.db"
    ).trials
    assert "optimizer.lr" not in trial.params


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["seed=3"], "sweep=search"),
        (["monitor.every_epochs=null", "seed=0,1"], "monitor.every_epochs"),
        (["optimizer.lr=tag(log, interval(0, 1))"], "interval(0, 1)) can't be searched: "),
    ],
)
def test_what_can_not_be_searched(arguments: list[str], words: str, gan: Gan) -> None:
    assert words in gan("train", "-m", *SEARCH, *arguments, "hydra.sweeper.n_trials=1").refusal


def test_a_study_of_other_settings(gan: Gan) -> None:
    one = ["seed=0,1", "hydra.sweeper.n_trials=1"]
    assert gan("train", "-m", *SEARCH, *one).code == 0
    refusal = gan("train", "-m", *SEARCH, *one, "optimizer.lr=0.2").refusal
    assert "is one with other settings (" in refusal


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("a=interval(1, 5)", optuna.distributions.FloatDistribution(1, 5)),
        ("a=int(interval(1, 5))", optuna.distributions.IntDistribution(1, 5)),
        ("a=tag(log, interval(1, 5))", optuna.distributions.FloatDistribution(1, 5, log=True)),
        ("a=range(1, 8, 3)", optuna.distributions.IntDistribution(1, 7, step=3)),
        ("a=b,c", optuna.distributions.CategoricalDistribution(["b", "c"])),
        ("a=[1],[2,3]", optuna.distributions.CategoricalDistribution(["[1]", "[2,3]"])),
    ],
)
def test_spaces(override: str, wanted: object) -> None:
    (parsed,) = OverridesParser.create().parse_overrides([override])
    assert gan_optuna.distribution(parsed) == wanted


def test_an_empty_space() -> None:
    (parsed,) = OverridesParser.create().parse_overrides(["a=range(5, 5)"])
    with pytest.raises(UserError, match=r"a=range\(5, 5\)"):
        gan_optuna.distribution(parsed)
