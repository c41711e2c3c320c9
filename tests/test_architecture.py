"""Imports point one way, and only the top of the tree knows Hydra."""

import ast
from pathlib import Path

import gan_cli

ROOT = Path(gan_cli.__file__).parent

# A module imports from its own layer and from those to the right of it.
LAYERS = [
    {"__main__"},
    {"cli", "completion"},
    {"commands"},
    {"runs", "config", "arguments", "help"},
    {"training", "sampling", "metrics", "theory", "figures", "benchmark"},
    {"engines"},
    {"game"},
    {"networks", "data"},
    {"errors", "files", "ranges", "rng", "interrupts"},
]


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def part(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def layer(name: str) -> int:
    (number,) = (i for i, names in enumerate(LAYERS) if name in names)
    return number


def modules() -> list[Path]:
    paths = [path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.stem != "__init__"]
    assert len(paths) > 20
    return paths


def test_imports_point_one_way() -> None:
    for path in modules():
        for name in imports(path):
            package, _, rest = name.partition(".")
            if package == "gan_cli" and rest:
                there = rest.split(".")[0]
                assert layer(part(path)) <= layer(there), f"{path} imports {name}"


def test_commands_never_call_commands() -> None:
    for path in modules():
        if part(path) != "cli":
            assert not any(name.startswith("gan_cli.commands") for name in imports(path)), path


def test_only_the_top_knows_hydra() -> None:
    top = ("cli", "arguments", "completion", "config", "commands", "runs")
    for path in modules():
        if part(path) not in top:
            known = {name.split(".")[0] for name in imports(path)}
            assert not known & {"hydra", "omegaconf"}, path


def test_nothing_reads_a_pickle() -> None:
    for path in modules():
        assert not {name.split(".")[0] for name in imports(path)} & {"pickle", "joblib", "dill"}
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "np.load"):
                safe = {"weights_only": "True", "allow_pickle": "False"}
                given = {k.arg: ast.unparse(k.value) for k in node.keywords}
                assert given.items() & safe.items(), path
