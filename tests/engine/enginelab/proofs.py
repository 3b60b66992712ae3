"""Which test proves which key: `pytest.mark.proves("trainer.max_epochs")`, and how to find them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

UNSURE = {"gpu", "skip", "skipif", "xfail"}
"""Marks of tests that may not have run, so that they prove nothing by themselves."""


def proof(key: str, *values: Any) -> Any:
    """One case of a parametrised test that proves `key`; the key is its first argument."""
    return pytest.param(key, *values, id=key, marks=pytest.mark.proves(key))


def proofs(folder: Path) -> Iterator[tuple[str, str]]:
    """Read from the tests' source, without running it, which key each test proves.

    What counts is a `proves("...")` or `proof("...", ...)` in the decorators of a test, or in a
    list of cases that its decorators name.

    Gives:
        The key, and the test as `file::name`.
    """
    for file in sorted(folder.rglob("test_*.py")):
        source = file.read_text(encoding="utf-8")
        if "proves(" not in source and "proof(" not in source:
            continue
        module = ast.parse(source)
        lists = {
            target.id: statement.value
            for statement in module.body
            if isinstance(statement, ast.Assign)
            for target in statement.targets
            if isinstance(target, ast.Name)
        }
        for test in ast.walk(module):
            if not isinstance(test, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if not test.name.startswith("test_"):
                continue
            nodes = [node for each in test.decorator_list for node in ast.walk(each)]
            named = [lists[n.id] for n in nodes if isinstance(n, ast.Name) and n.id in lists]
            if any(isinstance(n, ast.Attribute) and n.attr in UNSURE for n in nodes):
                continue
            for node in [*nodes, *(n for each in named for n in ast.walk(each))]:
                for key in _keys(node):
                    yield key, f"{file.relative_to(folder)}::{test.name}"


def _keys(node: ast.AST) -> list[str]:
    if not isinstance(node, ast.Call):
        return []
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name not in ("proves", "proof"):
        return []
    arguments = node.args if name == "proves" else node.args[:1]
    return [ast.literal_eval(argument) for argument in arguments]
