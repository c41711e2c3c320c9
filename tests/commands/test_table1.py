"""`gan table1`: the numbers of Table 1 are those of the commands that a person would type."""

import json
import shutil
import statistics
from pathlib import Path

import pytest
from helpers.command import SMALL, Gan, TrainOnce, only, rows
from PIL import Image

from gan_cli.data.digits import Digits
from gan_cli.data.source import Data
from gan_cli.figures.table1 import markdown
from gan_cli.metrics.quality import TITLES
from gan_cli.training import checkpoints

SWEEP = [
    *SMALL, "schedule.steps=6", "log.every_steps=2", "monitor.every_epochs=null", "sweep=study",
]  # fmt: skip
METRICS = [
    "frechet", "kernel_distance", "precision", "recall", "density", "feature_coverage",
    "class_variation", "confidence", "duplicates", "copies", "modes", "reverse_kl", "parzen",
]  # fmt: skip
LIMITS = ["n_samples=150", "valid_limit=50", "test_limit=60"]


def test_three_seeds(gan: Gan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gan("train", "-m", *SWEEP, "seed=range(3)").code == 0
    read: list[str] = []
    load, load_digits = checkpoints.load, Digits.load

    def counted_load(path: Path) -> dict:
        read.append(path.parent.parent.name)
        return load(path)

    def counted_data(source: Digits) -> Data:
        read.append("data")
        return load_digits(source)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "load", counted_load)
        patch.setattr(Digits, "load", counted_data)
        assert gan("table1", "sweep=study", "results=results", "draws=3", *LIMITS).code == 0
    assert read == ["seed=0", "seed=1", "seed=2", "data"]
    content = json.loads((tmp_path / "results/table1.json").read_text())
    text = (tmp_path / "results/table1.md").read_text()
    assert text == markdown(content)
    for name in ("figure2.png", "interpolation.png"):
        for where, which in (("results", "raw"), ("results/ema", "ema")):
            origin = Image.open(tmp_path / where / name).text
            assert (origin["seed"], origin["weights"]) == ("0", which)

    # Each number by its own command.
    for run in content["runs"]:
        job = f"outputs/sweep/study/seed={run['seed']}"
        which = ("raw", "ema", "raw")[run["seed"]]
        more = [f"run={job}", f"weights={which}", "references=[]", f"outputs=o{run['seed']}"]
        assert gan("eval-parzen", *more, *LIMITS).code == 0
        alone = json.loads(only(f"o{run['seed']}/eval-parzen/*/parzen.json", tmp_path).read_text())
        for name in ("log_likelihood", "standard_error", "sigma", "n"):
            assert run[which][name] == alone[name]
        assert f"{run['raw']['log_likelihood']:.1f} +- {run['raw']['standard_error']:.1f}" in text
        spent = [2 * 20 / float(row["images_per_second"]) for row in rows(tmp_path / job)]
        assert run["hours"] == pytest.approx(sum(spent) / 3600, rel=1e-4)
        assert (run["epochs"], run["sessions"]) == (pytest.approx(6 / 69), 1)
    for which in ("raw", "ema"):
        values = [run[which]["log_likelihood"] for run in content["runs"]]
        mean, error = statistics.fmean(values), statistics.stdev(values) / 3**0.5
        summary = content["over_seeds"][which]
        assert (summary["n"], summary["mean"]) == (3, pytest.approx(mean))
        assert summary["standard_error"] == pytest.approx(error)
        assert f"{mean:.1f} +- {error:.1f}" in text.splitlines()[9]
    by_value = sorted(content["runs"], key=lambda run: run["raw"]["log_likelihood"])
    assert content["draws"]["seed"] == by_value[1]["seed"]
    for which, name in (("raw", "raw weights"), ("ema", "average of the weights")):
        draws = content["draws"][which]
        assert len(set(draws)) == 3
        assert f"{name}, standard deviation {statistics.stdev(draws):.2f}" in text
    assert list(content["references"]) == ["150 training images", "1000 k-means centroids"]
    samples = [f"seed {s}{of}" for s in range(3) for of in ("", ", average")]
    assert list(content["neighbors"]) == ["test images", *samples]
    assert content["neighbors"]["seed 0"] != content["neighbors"]["seed 0, average"]

    # Those in features, too: seeds and references by `gan evaluate`, means over seeds.
    quality = content["quality"]
    assert list(quality["rows"]) == [*samples, *TITLES.values()]
    assert list(quality["class_shares"]) == ["data", *quality["rows"]]
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    cells = {row[0]: row for row in table if len(row) == 2 + len(METRICS)}
    assert cells[""] == ["", "n", *METRICS]
    for which, of, name in (("raw", "", "raw weights"), ("ema", ", average", "average of the")):
        runs = ",".join(f"'outputs/sweep/study/seed={seed}'" for seed in range(3))
        more = [f"runs=[{runs}]", f"weights={which}", "n=150", "draws=1", f"outputs={which}"]
        assert gan("evaluate", *more).code == 0
        (path,) = tmp_path.glob(f"{which}/evaluate/*/evaluation.json")
        alone = dict(zip([f"seed {s}{of}" for s in range(3)], rows_of(path), strict=False))
        alone |= dict(zip(TITLES.values(), rows_of(path)[3:], strict=True))
        for row, known in alone.items():
            assert quality["rows"][row] == known
            assert cells[row][1:] == [
                str(known["n"]), *(f"{known[metric]['mean']:.4g}" for metric in METRICS)
            ]  # fmt: skip
        (means,) = (row for start, row in cells.items() if start.startswith(f"mean, {name}"))
        for metric, shown in zip(METRICS, means[2:], strict=True):
            values = [alone[f"seed {s}{of}"][metric]["mean"] for s in range(3)]
            error = statistics.stdev(values) / 3**0.5
            assert shown == f"{statistics.fmean(values):.4g} +- {error:.2g}"
            summary = quality["over_seeds"][which][metric]
            assert summary["mean"] == pytest.approx(statistics.fmean(values))

    # What was evaluated before is not evaluated again, unless something else is asked, or another
    # commit asks.
    def never(*_: object, **__: object) -> None:
        raise AssertionError

    asked = ("table1", "sweep=study", "results=again", "draws=3", *LIMITS)
    monkeypatch.setattr("gan_cli.runs.evaluation.evaluate", never)
    assert gan(*asked).code == 0
    again = json.loads((tmp_path / "again/table1.json").read_text())
    assert {**again, "command": ""} == {**content, "command": ""}
    for other in ("n_samples=149", "seed=1"):
        assert "AssertionError" in gan(*asked, other).err
    first = tmp_path / "outputs/sweep/study/seed=0/evaluation/weights=raw-references=[]"
    known = (first / "parzen.json").read_text()
    (first / "parzen.json").write_text("{")
    assert "AssertionError" in gan(*asked).err
    (first / "parzen.json").write_text(known)
    monkeypatch.setattr("gan_cli.runs.evaluation.git_commit", lambda: "another")
    assert "AssertionError" in gan(*asked).err


def rows_of(path: Path) -> list[dict]:
    return list(json.loads(path.read_text())["rows"].values())


def test_one_run_with_all_there_is_to_choose_sigma_on(
    gan: Gan, train_once: TrainOnce, tmp_path: Path
) -> None:
    train_once(to="run")
    limits = ["n_samples=150", "test_limit=60", "valid_limit=null"]
    figures = ["figure2.rows=2", "figure2.columns=3", "figure3.rows=2"]
    asked = ["runs=[run]", "results=results", "draws=1", "seed=3", *limits, *figures]
    assert gan("table1", *asked).code == 0
    content = json.loads((tmp_path / "results/table1.json").read_text(), parse_constant=refuse)
    (run,) = content["runs"]
    assert run["n_valid"] == len(Digits((1, 8, 8)).load().valid.x)
    assert content["over_seeds"]["raw"]["standard_error"] is None
    text = (tmp_path / "results/table1.md").read_text()
    assert f"150 samples (seed 3), whose sigma was chosen on {run['n_valid']} validation" in text
    evaluations = [*tmp_path.glob("run/evaluation/*/parzen.json")]
    assert {json.loads(path.read_text())["seed"] for path in evaluations} == {3}
    figure2, figure3 = (
        Image.open(tmp_path / f"results/{name}.png") for name in ("figure2", "interpolation")
    )
    assert (figure2.text["seed"], figure3.text["seed"]) == ("3", "3")
    assert figure3.size == (11 * 74 + 2, 2 * 74 + 2)
    # Two rows of four images, with titles above and distances beside them.
    assert figure2.width > 4 * 202 + 2
    assert 2 * 202 + 2 < figure2.height < 3 * 202 + 2
    assert json.loads((tmp_path / "results/neighbors.json").read_text())["origin"]["seed"] == "3"

    # One run has no standard errors, and other pages have no such table.
    assert content["quality"]["over_seeds"]["ema"]["frechet"]["standard_error"] is None
    (mean,) = (line for line in text.splitlines() if line.startswith("| mean, raw weights |"))
    assert f"| {content['quality']['rows']['seed 0']['frechet']['mean']:.4g} |" in mean
    assert "## Samples in features" in text
    shares = content["quality"]["class_shares"]
    distance = content["quality"]["rows"]["seed 0"]["class_variation"]["mean"]
    assert f"| {100 * shares['seed 0'][9]:.1f} | {distance:.3f} |" in text
    older = {name: content["quality"][name] for name in ("space", "class_shares")}
    for quality, there in ((older, True), ({**older, "class_shares": {}}, False)):
        page = markdown(content | {"quality": quality})
        assert "## Samples in features" not in page
        assert ("Shares of the classes" in page) == there

    content["recipe"] |= {"monitor.target": 0, "monitor.weights": "ema"}
    page = markdown(content | {"train": None})
    assert "\n1 run. A run ends early once its estimate on validation, of the average" in page
    assert "is 0 nats." in page

    # The same run twice is no second one.
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    result = gan("table1", "runs=[run,copy]", "results=twice")
    assert (result.code, (tmp_path / "twice").exists()) == (1, False)
    assert "seed 0 more than once; give one run of each seed" in result.err

    (tmp_path / "copy/metrics.csv").unlink()
    result = gan("table1", "runs=[copy]", "results=twice")
    assert (result.code, (tmp_path / "twice").exists()) == (1, False)
    assert "copy is finished, but its metrics.csv is missing or empty" in result.err

    (tmp_path / "half.json").write_text("{")
    for place in ("half.json", "half.json/x"):
        refusal = gan("table1", "runs=[run]", f"results={place}", *LIMITS).refusal
        assert f"results is {place}, but half.json" in refusal
        assert "can't be made a directory" in refusal
    assert (tmp_path / "half.json").read_text() == "{"


def refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def test_points_are_no_table(gan: Gan, tmp_path: Path) -> None:
    assert gan("train", "experiment=ring", "schedule.steps=2", "hydra.run.dir=ring").code == 0
    result = gan("table1", "runs=[ring]", "results=results")
    assert (result.code, (tmp_path / "results").exists()) == (1, False)
    assert "trained on images" in result.err


def test_runs_of_several_recipes_are_no_table(gan: Gan, tmp_path: Path) -> None:
    assert gan("train", "-m", *SWEEP, "optimizer.lr=0.1,0.2").code == 0
    refusal = gan("table1", "sweep=study").refusal
    assert "differ by more than their seeds (" in refusal
    assert "optimizer.lr: 0.1 in one, 0.2 in the other)" in refusal
    for path in tmp_path.glob("outputs/sweep/study/optimizer.lr=0.2/checkpoints/*"):
        path.write_bytes(b"")
    job = "outputs/sweep/study/optimizer.lr=0.2"
    refusal = gan("table1", f"runs=['{job}']", "results=results").refusal
    assert f"{job} has no whole checkpoint" in refusal
    assert not (tmp_path / job / "evaluation").exists()
    assert not (tmp_path / "results").exists()
    assert "sweep is none, but" in gan("table1", "sweep=none").refusal
    assert not list(tmp_path.glob("outputs/table1/*"))
