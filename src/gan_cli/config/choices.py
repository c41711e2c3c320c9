"""The values that annotations of settings list, read from the sources: an import takes seconds."""

import ast
import functools
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig


class Annotation(NamedTuple):
    """An annotation, and the module whose names it is written in."""

    expression: ast.expr
    module: str


def choices(config: DictConfig, command: str, setting: str) -> list[str]:
    """Return the values that a command's setting can have, as text; none where they are not listed.

    As where values are checked, `Settings` of the command declares them or, below a node with a
    `_target_`, the signature of that class.
    """
    annotation = Annotation(ast.Name("Settings"), f"gan_cli.commands.{command.replace('-', '_')}")
    *nodes, last = setting.split(".")
    for name in nodes:
        annotation = _declared(config, annotation).get(name, annotation)
        config = config[name]
    declared = _declared(config, annotation)
    return _values(declared[last]) if last in declared else []


def _declared(node: DictConfig, annotation: Annotation) -> dict[str, Annotation]:
    """Return the annotations of what a node holds, whose own is `annotation`."""
    if "_target_" in node:
        module, _, name = node._target_.rpartition(".")
        return _fields(Annotation(ast.Name(name), module))
    return _fields(annotation)


def _fields(of: Annotation) -> dict[str, Annotation]:
    """Return the annotations of a class's attributes and of its `__init__`, bases' included."""
    found, module = _definition(of)
    fields: dict[str, Annotation] = {}
    if not isinstance(found, ast.ClassDef):
        return fields
    for base in found.bases:
        fields |= _fields(Annotation(base, module))
    for statement in found.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(name), annotation=annotation):
                fields[name] = Annotation(annotation, module)
            case ast.FunctionDef(name="__init__", args=arguments):
                for one in [*arguments.args, *arguments.kwonlyargs]:
                    if one.annotation is not None:
                        fields[one.arg] = Annotation(one.annotation, module)
    return fields


def _values(of: Annotation) -> list[str]:
    """Return what an annotation lists."""
    match of.expression:
        case ast.Name("bool"):
            return ["true", "false"]
        case ast.Constant(None):
            return ["null"]
        case ast.Subscript(ast.Name("Literal"), listed):
            values = listed.elts if isinstance(listed, ast.Tuple) else [listed]
            return [str(ast.literal_eval(value)) for value in values]
        case ast.BinOp(left, ast.BitOr(), right):
            one, other = (_values(Annotation(part, of.module)) for part in (left, right))
            return one + other if one and other else []
        case ast.Name():
            found, module = _definition(of)
            return _values(Annotation(found.value, module)) if isinstance(found, ast.Assign) else []
    return []


def _definition(of: Annotation) -> tuple[ast.stmt | None, str]:
    """Return the statement that defines a name, and the module that it stands in."""
    name = of.expression.id if isinstance(of.expression, ast.Name) else ""
    for statement in _statements(of.module):
        match statement:
            case ast.ImportFrom(module=str(source), names=names, level=0):
                for alias in names:
                    if name == (alias.asname or alias.name):
                        return _definition(Annotation(ast.Name(alias.name), source))
            case ast.ClassDef(name=defined) | ast.Assign(targets=[ast.Name(defined)]):
                if name == defined:
                    return statement, of.module
    return None, of.module


@functools.cache
def _statements(module: str) -> list[ast.stmt]:
    """Return the statements of a module of ours; others have no settings, or are not found here."""
    spec = find_spec(module) if module.startswith("gan_cli.") else None
    if spec is None or spec.origin is None:
        return []
    return ast.parse(Path(spec.origin).read_text()).body
