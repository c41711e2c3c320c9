"""Imports point one way, and only the top of the tree knows Hydra."""

import ast
from pathlib import Path

import gan_cli

ROOT = Path(gan_cli.__file__).parent

# A module imports from its own layer and from those to the right of it.
LAYERS = [
    {"cli"},
    {"commands"},
    {"runs", "config", "completion"},
    {"training", "sampling", "metrics", "theory", "figures", "benchmark"},
    {"engines"},
    {"game"},
    {"networks", "data"},
    {"errors", "files", "rng", "garbage", "interrupts", "preload"},
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
    top = ("cli", "config", "commands", "runs")
    for path in modules():
        if part(path) not in top:
            known = {name.split(".")[0] for name in imports(path)}
            assert not known & {"hydra", "omegaconf"}, path


def test_no_interrupt_is_lost_in_a_late_import() -> None:
    """Of a library with parts in C++; what is imported at the top `cli` guards."""
    late = set()
    for path in modules():
        tree = ast.parse(path.read_text())
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        guarded = [
            node for node in ast.walk(tree)
            if isinstance(node, ast.With) and "importing()" in ast.unparse(node.items[0])
        ]  # fmt: skip
        for node in (node for function in functions for node in ast.walk(function)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                name = (getattr(node, "module", None) or node.names[0].name).split(".")[0]
                if name in {"matplotlib", "numpy", "scipy", "sklearn", "torch", "torchvision"}:
                    assert any(node in block.body for block in guarded), f"{path}: {name}"
                    late.add(name)
    assert len(late) > 3


def test_nothing_reads_a_pickle() -> None:
    for path in modules():
        assert not {name.split(".")[0] for name in imports(path)} & {"pickle", "joblib", "dill"}
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "np.load"):
                safe = {"weights_only": "True", "allow_pickle": "False"}
                given = {k.arg: ast.unparse(k.value) for k in node.keywords}
                assert given.items() & safe.items(), path
