"""The pages for readers: their links lead somewhere, and their examples train."""

import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers.command import Gan

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "results").glob("*.md"),
    ]
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    """Return the page without its blocks and spans of code."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text()))


def anchors(page: Path) -> set[str]:
    """Return where a link can lead within the page, by GitHub's rule for headings."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def links(page: Path) -> list[str]:
    found: list[str] = re.findall(r"\]\(\s*([^)\s]+)\s*\)", prose(page))
    return found + re.findall(r'(?:src|href)="([^"]+)"', prose(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"https?:|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_and_picture_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        if page.suffix == ".md":
            targets = {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}
            waiting += [t for t in targets if t.is_file() and t not in reached]
    published = [p for p in (ROOT / "results").rglob("*") if p.is_file()]
    assert {*PAGES, *published} - reached == set()


def test_the_readme_is_for_five_minutes() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


def test_the_table_of_results_has_the_numbers_of_its_json() -> None:
    page = (ROOT / "results/mnist.md").read_text()
    generated = (ROOT / "results/table1.md").read_text()
    for line in re.findall(r"^\| (?:seed|mean) .*$", generated, re.MULTILINE):
        for value in re.findall(r"(\d+\.\d) \+- (\d\.\d)", line):
            shown = " ± ".join(value) if line.startswith("| mean") else value[0]
            assert shown in page, line


def examples() -> Iterator[object]:
    """Yield files and commands of each section with files that name themselves and commands."""
    for page in (ROOT / "README.md", ROOT / "docs/extending.md"):
        for section in page.read_text().split("\n## ")[1:]:
            files, commands = {}, []
            for language, code in FENCE.findall(section):
                if language == "sh":
                    commands += code.splitlines()
                elif language in ("python", "yaml"):
                    files[code.splitlines()[0].removeprefix("# ")] = code
            if files and commands:
                yield pytest.param(files, commands, id=section.splitlines()[0])


@pytest.mark.parametrize(("files", "commands"), list(examples()))
def test_examples_of_own_parts_train(
    files: dict[str, str],
    commands: list[str],
    gan: Gan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, code in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
        monkeypatch.delitem(sys.modules, path.stem, raising=False)
    few = ("schedule.steps=3", "schedule.batch_size=20", "threads=1", "precision=fp32")
    for line in commands:
        program, command, *words = shlex.split(line)
        assert program == "gan"
        assert gan(command, *words, *(few if command == "train" else ("n=4",))).code == 0
    assert list(tmp_path.glob("outputs/train/*/checkpoints/*"))
    for name in files:
        sys.modules.pop(Path(name).stem, None)


def test_the_metric_of_extending_is_what_the_page_says() -> None:
    page = (ROOT / "docs/extending.md").read_text()
    (code,) = [code for _, code in FENCE.findall(page) if code.startswith("# src/gan_cli/metrics/")]
    scope: dict = {}
    exec(code, scope)
    checkerboard = (torch.arange(8)[:, None] + torch.arange(8)) % 2
    images = torch.stack([checkerboard.float(), torch.full((8, 8), 0.5)]).view(2, 1, 8, 8)
    assert scope["roughness"](images).tolist() == [1, 0]


def test_the_results_with_labels_are_those_of_their_json() -> None:
    page = (ROOT / "results/labels.md").read_text()
    rows = json.loads((ROOT / "results/labels/evaluation.json").read_text())["rows"]
    for seed in range(3):
        means = {k: v["mean"] for k, v in rows[f"runs/conditional_{seed}, ema"].items() if k != "n"}
        percent = (100 * means[k] for k in ("label_agreement", "accuracy_from_samples"))
        others = (means[k] for k in ("frechet", "class_frechet", "precision", "recall"))
        cells = [*(f"{x:.2f}" for x in percent), *(f"{x:.3f}" for x in others)]
        assert f"| {seed} | {' | '.join(cells)} |" in page
    for score in json.loads((ROOT / "results/labels/probe.json").read_text())["scores"]:
        row = f"| {score['classifier']} | {score['features']} |"
        (line,) = [line for line in page.splitlines() if line.startswith(row)]
        assert f"{score['mean']:.2f} ± {score['standard_error']:.2f}" in line
