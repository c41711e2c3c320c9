"""`gan report`: the numbers are those of the runs' own files, and the page needs nothing else."""

import base64
import csv
import io
import json
import re
import shlex
import shutil
import statistics
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from helpers.command import SMALL, Gan, only, rows
from omegaconf import OmegaConf
from PIL import Image

from gan_cli.figures.curves import OPACITY, STYLES, Axis, Curve, draw
from gan_cli.figures.grid import save_png
from gan_cli.runs import report as runs_report

LEARNING_RATES = ("0.05", "0.2")
SHORT = [
    *SMALL, "schedule.steps=8", "log.every_steps=2", "log.grid_every_steps=3",
    "monitor.every_epochs=0.03", "monitor.samples=50", "monitor.valid=20",
]  # fmt: skip
# A value with markup, on all jobs, and one that is refused, on half of them.
STUDY = [*SHORT, "sweep=study", "data_dir='<b>x</b>&'"]
GRID = ["on_nan=stop,'<i>&'", "optimizer.lr=0.05,0.2", "seed=range(2)"]
REFUSED = "on_nan is <i>&; it should be"


@pytest.fixture(scope="module")
def trained(call: Callable[..., object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    cwd = tmp_path_factory.mktemp("trained")
    assert "4 of 8 jobs failed" in str(call("train", "-m", *STUDY, *GRID, cwd=cwd))
    return cwd / "outputs"


@pytest.fixture
def study(trained: Path, tmp_path: Path) -> Path:
    """A copy of the sweep, to be reported or changed."""
    shutil.copytree(trained, tmp_path / "outputs")
    return tmp_path / "outputs/sweep/study"


def job(study: Path, lr: str, seed: int) -> Path:
    return study / f"on_nan=stop,optimizer.lr={lr},seed={seed}"


class Report:
    """What `gan report` writes: `text` on the terminal, `csv` by rows, and the page's parts."""

    def __init__(self, gan: Gan, cwd: Path, *arguments: str) -> None:
        self.text = gan("report", *arguments).output
        self.path = path = only("outputs/report/*/report.html", cwd)
        self.markdown = path.with_name("report.md").read_text()
        self.csv = list(csv.DictReader(path.with_name("report.csv").read_text().splitlines()))
        self.html = ElementTree.fromstring(path.read_text())  # our own
        self.pictures = [
            base64.b64decode(image.attrib["src"].removeprefix("data:image/png;base64,"))
            for image in self.html.iter("img")
        ]
        self.commands = [shlex.split(code.text or "") for code in self.html.iter("pre")]
        self.items = ["".join(item.itertext()) for item in self.html.iter("li")]

    def table(self, number: int) -> list[dict[str, str]]:
        (head, *body) = [
            ["".join(cell.itertext()) for cell in row]
            for row in list(self.html.iter("table"))[number].iter("tr")
        ]
        return [dict(zip(head, row, strict=True)) for row in body]


@pytest.mark.parametrize("by", ["parzen_valid", "images_per_second", "seconds"])
def test_numbers_are_those_of_the_runs(by: str, gan: Gan, study: Path, tmp_path: Path) -> None:
    report = Report(gan, tmp_path, f"sweep={study}", f"by={by}")
    assert list(report.csv[0]) == [
        "optimizer.lr", "metric", "n", "mean", "standard_error", "median", "least", "most",
    ]  # fmt: skip
    assert len(report.csv) == 2 * 9
    for row in report.csv:
        runs = [rows(job(study, row["optimizer.lr"], seed)) for seed in range(2)]
        speeds = [[float(r["images_per_second"]) for r in run] for run in runs]
        if row["metric"] == "images_per_second":
            values = [statistics.median(speed) for speed in speeds]
        elif row["metric"] == "seconds":  # rows of two steps of 20 images each
            values = [sum(2 * 20 / x for x in speed) for speed in speeds]
        else:
            values = [float(run[-1][row["metric"]]) for run in runs]
        assert int(row["n"]) == 2
        assert float(row["mean"]) == pytest.approx(sum(values) / 2)
        assert float(row["standard_error"]) == pytest.approx(abs(values[0] - values[1]) / 2)
        assert (float(row["least"]), float(row["most"])) == (min(values), max(values))

    # The table has the same, the best first.
    shown = report.table(0)
    for row in report.csv:
        (seen,) = (one for one in shown if one["optimizer.lr"] == row["optimizer.lr"])
        mean = f"{float(row['mean']):.4g}"
        if row["metric"] == by:
            assert seen["n"] == row["n"]
            assert seen[f"{by}: mean +- SE"] == f"{mean} +- {float(row['standard_error']):.2g}"
            for name, column in (("median", "median"), ("min", "least"), ("max", "most")):
                assert seen[name] == f"{float(row[column]):.4g}"
        else:
            assert seen[row["metric"]] == mean
    means = [float(row["mean"]) for row in report.csv if row["metric"] == by]
    assert means == sorted(means, reverse=by != "seconds")
    lines = report.markdown.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:4]]
    assert cells == [list(row.values()) for row in shown]
    assert lines[:4] == report.text.splitlines()[:4]
    assert report.markdown.count(f"failed: {REFUSED}") == 4


def test_what_is_interrupted_or_not_begun_is_listed(
    gan: Gan, tmp_path: Path, after_each_step
) -> None:
    steps = []

    def interrupt(_: object) -> None:
        steps.append(1)
        if len(steps) == 8 + 3:
            raise KeyboardInterrupt

    after_each_step(interrupt)
    assert gan("train", "-m", *STUDY, "seed=range(4)").code == 130
    report = Report(gan, tmp_path, "sweep=study", "by=images_per_second")
    for line in ("seed=1: ", "seed=2: not begun", "seed=3: not begun"):
        assert f"\n{line}" in report.text
    speed = report.text.splitlines()[2]
    assert speed.startswith("| all  | 1 | ")
    assert "nan" not in speed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", "No runs are given; say which runs: sweep=NAME, or runs=[DIRECTORY,...]."),
        ("sweep=none", "sweep is none, but neither outputs/sweep/none nor none holds"),
        ("runs=[nowhere]", "runs is nowhere, which is not a run"),
        ("sweep=a runs=[b]", "sweep and runs are both given; say which runs"),
        ("sweep=a by=nonsense", "by is nonsense; it must be one of parzen_valid"),
    ],
)
def test_nothing_to_report(arguments: str, words: str, gan: Gan, tmp_path: Path) -> None:
    assert words in gan("report", *arguments.split()).refusal
    assert list(tmp_path.iterdir()) == []


def test_single_runs_with_what_they_were_resumed_with(gan: Gan, tmp_path: Path) -> None:
    """A run's own record of each session counts, and commands that were refused do not."""
    for name, seed in (("a", 0), ("b", 1)):
        assert gan("train", *SHORT, f"seed={seed}", f"hydra.run.dir={name}").code == 0
    assert gan("train", "resume=a", "optimizer.lr=0.5").code == 1
    assert gan("train", "resume=a", "schedule.steps=50", "dry_run=true").code == 0
    assert gan("train", *SHORT, "optimizer.lr=0.5", "hydra.run.dir=a").code == 1
    assert gan("train", "resume=a", "schedule.steps=9", "log.every_steps=1").code == 0
    report = Report(gan, tmp_path, "runs=[a,b]")
    assert report.text.startswith("| schedule.steps | n |")
    assert "nan" not in report.text
    settings = {row["run"]: (row["seed"], row["schedule.steps"]) for row in report.table(1)}
    assert settings == {"a": ("0", "9"), "b": ("1", "8")}
    page = report.path.read_text()
    assert "optimizer.lr=0.5" not in page
    assert "dry_run" not in page
    (command,) = (words for words in report.commands if "seed=0" in words)
    assert command[:2] == ["gan", "train"]
    assert {"schedule.steps=9", "log.every_steps=1"} < set(command)
    assert not any(word.startswith(("resume", "schedule.steps=8")) for word in command)

    (tmp_path / "c").symlink_to("a")
    assert "has a run more than once" in gan("report", "runs=[a,c]").refusal


def test_damaged_records_of_a_sweep(gan: Gan, study: Path) -> None:
    metrics = job(study, "0.2", 1) / "metrics.csv"
    metrics.write_text(metrics.read_text().rsplit(",", 10)[0] + "\n")  # cut off
    for damage in ("", "cut: [", "hydra:\n  runtime: null\n"):
        for record in (study / "multirun.yaml", job(study, "0.2", 0) / ".hydra/hydra.yaml"):
            record.write_text(damage)
        assert gan("report", "sweep=study").code == 0
    for damage, words in (
        (b"\xff\xfe", "is damaged"),
        (b"epoch\n1\n", "line 2, is damaged: it has no step"),
        (b"step,d_loss\n1,2\n\n2,x\n", "line 4, is damaged: could not"),
        (b"step\n1,2\n", "line 2, is damaged: it has more values"),
    ):
        metrics.write_bytes(damage)
        assert words in gan("report", "sweep=study").refusal


def test_the_page_needs_nothing_beside_it(
    gan: Gan, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_report, "draw", draw)
    grid = job(study, "0.2", 1) / "samples/step-000000008.png"
    shutil.copy(grid, grid.with_stem(f"{grid.stem}_copy"))
    report = Report(gan, tmp_path, "sweep=study")
    for element in report.html.iter():
        assert element.tag not in ("script", "link", "iframe", "object", "base", "b", "i")
        for name in ("src", "href", "srcset", "data"):
            assert element.get(name, "data:").startswith("data:")
    assert not re.search(r"url\(|@import", report.path.read_text())
    assert [title.text for title in report.html.iter("title")] == ["gan report: study"]
    assert "4 finished, 4 failed" in report.path.read_text()
    assert all(Image.open(io.BytesIO(chart)).width == 1000 for chart in report.pictures[:6])
    # Each run's last grid, by group and seed, after the charts.
    assert report.pictures[6:] == [
        (job(study, row["optimizer.lr"], seed) / "samples/step-000000008.png").read_bytes()
        for row in report.table(0)
        for seed in range(2)
    ]


def test_runs_can_be_run_again_and_what_is_missing_is_listed(
    gan: Gan, study: Path, tmp_path: Path
) -> None:
    stopped = job(study, "0.2", 1)
    status = json.loads((stopped / "status.json").read_text())
    interrupted = {**status, "status": "interrupted", "reason": "signal <15>"}
    (stopped / "status.json").write_text(json.dumps(interrupted))
    gone = "on_nan='<i>&',optimizer.lr=0.2,seed=1"
    shutil.rmtree(study / gone)
    report = Report(gan, tmp_path, "sweep=study")

    # In the table's order, then what is not in it; what was refused can't be run again.
    best, other = (row["optimizer.lr"] for row in report.table(0))
    again = [(lr, seed) for lr in (best, other) for seed in range(2) if (lr, seed) != ("0.2", 1)]
    same = ["gan", "train", *SHORT, STUDY[-1], "on_nan=stop"]
    assert [sorted(words) for words in report.commands] == [
        sorted([*same, f"optimizer.lr={lr}", f"seed={seed}"]) for lr, seed in [*again, ("0.2", 1)]
    ]
    for lr, seed in (("0.05", 0), ("0.05", 1), ("0.2", 0)):
        name = f"on_nan='<i>&',optimizer.lr={lr},seed={seed}"
        assert any(item.startswith(f"{name}: failed: {REFUSED}") for item in report.items)
    assert f"{stopped.name}: interrupted: signal <15>" in report.items
    assert f"{gone}: not begun" in report.items
    text = "".join(report.html.itertext())
    assert "3 finished, 3 failed, 1 interrupted, 1 not begun" in text


def test_curves_are_those_of_the_rows(
    gan: Gan, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = job(study, "0.2", 1) / "metrics.csv"
    cut.write_text("".join(cut.read_text().splitlines(keepends=True)[:-1]))
    drawn: dict[str, Mapping[int, Curve]] = {}

    def note(axis: Axis, curves: Mapping[int, Curve]) -> bytes:
        drawn[axis.title] = curves
        return b""

    monkeypatch.setattr(runs_report, "draw", note)
    order = [row["optimizer.lr"] for row in Report(gan, tmp_path, "sweep=study").table(0)]
    some = rows(job(study, "0.05", 0))
    measured = [metric for metric in runs_report.AXES if any(row.get(metric) for row in some)]
    assert list(drawn) == [runs_report.AXES[metric].title for metric in measured]
    assert {"parzen_valid", "value", "spread"} <= set(measured)
    for metric in measured:
        axis = runs_report.AXES[metric]
        for number, lr in enumerate(order):
            values: dict[float, list[float]] = {}
            for seed in range(2):
                for row in rows(job(study, lr, seed)):
                    if row[metric]:
                        values.setdefault(float(row["epoch"]), []).append(float(row[metric]))
            # What was cut off of one seed is not drawn of the other either.
            whole = {epoch: pair for epoch, pair in values.items() if len(pair) == 2}
            assert (len(whole) < len(values)) == (lr == "0.2")
            curve = drawn[axis.title][number]
            assert curve.epochs.tolist() == list(whole)
            assert curve.mean == pytest.approx([statistics.fmean(pair) for pair in whole.values()])
            assert curve.least.tolist() == [min(pair) for pair in whole.values()]
            assert curve.most.tolist() == [max(pair) for pair in whole.values()]


def test_of_a_large_sweep_the_best_groups_are_drawn(
    gan: Gan, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n = len(STYLES) + 2
    for i in range(n):
        copy = tmp_path / "outputs/sweep/many" / f"k={i}"
        shutil.copytree(job(study, "0.05", 0), copy)
        config = OmegaConf.load(copy / "config.yaml")
        config.schedule.k = i
        OmegaConf.save(config, copy / "config.yaml")
        text = (copy / "metrics.csv").read_text().splitlines()
        head, last = text[0].split(","), text[-1].split(",")
        last[head.index("parzen_valid")] = str(7 * i % n)
        (copy / "metrics.csv").write_text("\n".join([*text[:-1], ",".join(last)]) + "\n")
    drawn: list[Mapping[int, Curve]] = []
    monkeypatch.setattr(runs_report, "draw", lambda _, curves: drawn.append(curves) or b"")
    report = Report(gan, tmp_path, "sweep=many")
    best = [row["schedule.k"] for row in report.table(0)]
    assert best == [str(i) for i in sorted(range(n), key=lambda i: -(7 * i % n))]
    assert all(list(curves) == list(range(len(STYLES))) for curves in drawn)
    assert report.items[: len(STYLES)] == [f"schedule.k={k}" for k in best[: len(STYLES)]]
    assert f"Only the best {len(STYLES)} of {n} groups are drawn." in report.path.read_text()
    assert len(report.pictures) == len(drawn) + n


def test_evaluations_have_a_table_of_their_own(gan: Gan, study: Path, tmp_path: Path) -> None:
    def evaluate(*more: str) -> dict[str, dict[str, dict[str, float]]]:
        runs = ",".join(f"'{job(study, lr, seed)}'" for lr in LEARNING_RATES for seed in range(2))
        asked = ["n=150", "draws=1", "references=[half]", f"runs=[{runs}]", *more]
        assert gan("evaluate", *asked, "hydra.run.dir=evaluated").code == 0
        return json.loads((tmp_path / "evaluated/evaluation.json").read_text())["rows"]

    def report(*more: str) -> Report:
        shutil.rmtree(tmp_path / "outputs/report", ignore_errors=True)
        return Report(gan, tmp_path, "sweep=study", *more)

    def titles(one: Report) -> list[str]:
        return [title.text or "" for title in one.html.iter("h2")]

    before = report()
    assert titles(before)[:3] == ["Results", "The best against the others", "Remarks"]
    assert not before.path.with_name("two_measures.png").exists()
    assert before.table(1)[0]["conclusion"] == "too few seeds to say"
    assert not any(row["metric"].startswith("frechet") for row in before.csv)
    assert "by is frechet_raw" in gan("report", "sweep=study", "by=frechet_raw").refusal

    by_run, smaller = evaluate(), evaluate("weights=ema", "n=140")
    found = report("by=frechet_raw")
    assert titles(found)[:3] == ["Results", "The best against the others", "Evaluations"]
    *models, half = found.table(2)
    rows = {(row["optimizer.lr"], row["weights"]): row for row in models}
    assert len(rows) == 4
    # Of two evaluations of the floor the last one read.
    floors = (source["training images, other half"]["frechet"] for source in (by_run, smaller))
    assert half["frechet"] in {f"{floor['mean']:.4g}" for floor in floors}
    assert found.path.with_name("two_measures.png").read_bytes() in found.pictures
    means = {}
    for (lr, weights), row in rows.items():
        source = by_run if weights == "raw" else smaller
        for name in ("frechet", "precision", "parzen"):
            paths = (job(study, lr, seed).relative_to(tmp_path) for seed in range(2))
            a, b = (source[f"{path}, {weights}"][name]["mean"] for path in paths)
            assert row[name] == f"{(a + b) / 2:.4g} +- {abs(a - b) / 2:.2g}"
            assert row["n"] == "2"
            means[lr, f"{name}_{weights}"] = (a + b) / 2
    for line in found.csv:
        if (key := (line["optimizer.lr"], line["metric"])) in means:
            assert float(line["mean"]) == pytest.approx(means.pop(key))
    assert not means
    # The least is the best; what evaluations have are no columns of the results.
    values = [row["frechet_raw: mean +- SE"] for row in found.table(0)]
    assert values == [rows[row["optimizer.lr"], "raw"]["frechet"] for row in found.table(0)]
    assert values == sorted(values, key=lambda text: float(text.split()[0]))
    assert "frechet_ema" not in found.table(0)[0]
    for text in (found.text, found.markdown):
        assert text.count("What gan evaluate last measured") == 1
        assert text.count("The best group, ") == 1
    (remark,) = (item for item in found.items if "evaluations don't compare" in item)
    assert "150 samples" in remark
    assert "140 samples" in remark
    assert not any("evaluated at step" in item for item in found.items)

    # Of runs that differ by their seeds alone.
    shutil.rmtree(tmp_path / "outputs/report")
    same = ",".join(f"'{job(study, '0.2', seed)}'" for seed in range(2))
    one = Report(gan, tmp_path, f"runs=[{same}]").table(1)
    assert [row["runs"] for row in one] == ["all", "all", "training images, other half"]
    assert one[0]["frechet"] == rows["0.2", "raw"]["frechet"]

    path = job(study, "0.2", 1) / "evaluation/weights=ema/quality.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "step": 4}))
    (stale,) = (item for item in report().items if "evaluated at step" in item)
    assert stale.startswith(job(study, "0.2", 1).name)
    assert stale.endswith("its ema weights evaluated at step 4, and has trained to step 8")


def test_a_browser_shows_curves_and_samples(
    gan: Gan, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_report, "draw", draw)
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        pytest.skip("needs Chromium")
    pink = np.full((60, 60, 3), (255, 0, 200), dtype=np.uint8)
    save_png(job(study, "0.05", 0) / "samples/step-000000008.png", pink, {})
    report = Report(gan, tmp_path, "sweep=study")
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        "--virtual-time-budget=5000", "--window-size=1200,3000",
        f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={tmp_path / 'page.png'}",
        report.path.as_uri(),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    image = np.asarray(Image.open(tmp_path / "page.png").convert("RGB")).astype(int)
    assert image.shape == (3000, 1200, 3)

    def seen(*colour: float) -> int:
        return int((abs(image - np.array(colour)) <= 3).all(2).sum())

    for code, _ in STYLES[: len(LEARNING_RATES)]:
        rgb = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)])
        assert seen(*(OPACITY * rgb + (1 - OPACITY) * 255)) > 500  # bands are in charts alone
    assert seen(255, 0, 200) > 100 * 100
