"""Instructions with answers from the Python standard library: a docstring, its signature, its body."""

from __future__ import annotations

import ast
import hashlib
import json
import platform
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainer.errors import ConfigError, Problem
from trainer.recipes.lora.generated import made
from trainer.recipes.sources import python_files, standard_library

VERSION = 1
SPLITS = ("train", "val", "test")
DOMAINS = ("signature", "body")
_SHARES = (0.8, 0.9)
_TASKS = {
    "signature": "Write the signature of a Python function for this docstring.",
    "body": "Write the body of this Python function.",
}
# Longer ones are rare, and would fill whole contexts.
_LONGEST_DOC, _LONGEST_BODY = 400, 800


@dataclass(frozen=True, slots=True)
class Example:
    """One instruction and its answer; the fields are those of a line of the files.

    Attributes:
        instruction: What to do.
        input: What to do it with.
        output: The answer.
        domain: `signature` or `body`.
        quality_score: How much is to be learned from it, 0 to 1: whole sentences, several lines of code
            and named parameters count.
        module: The module that it is from.
        name: The function's qualified name there.
    """

    instruction: str
    input: str
    output: str
    domain: str
    quality_score: float
    module: str
    name: str


def split_of(module: str, seed: int = 0) -> str:
    """Tell on which side a module is: of ten modules about eight train, one validates, one tests."""
    digest = hashlib.blake2b(f"{seed} {module}".encode("utf-8", "surrogateescape")).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    return next((s for s, least in zip(SPLITS, _SHARES, strict=False) if place < least), SPLITS[-1])


def modules(root: Path) -> dict[str, Path]:
    """Give the Python files below `root` by the names of their modules, sorted."""
    named = {
        ".".join(path.relative_to(root).with_suffix("").parts): path for path in python_files(root)
    }
    return dict(sorted(named.items()))


def sources_digest(found: Mapping[str, Path]) -> str:
    """Hash the sources of these modules."""
    digest = hashlib.sha256()
    for name, path in found.items():
        digest.update(name.encode("utf-8", "surrogateescape") + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def examples(source: bytes, module: str) -> Iterator[Example]:
    """Give the examples of one module's source, in the order of its lines; none if it is no Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError):
            return
    for name, node in _functions(tree, ""):
        doc = ast.get_docstring(node)
        if not doc or len(doc) > _LONGEST_DOC or len(node.body) < 2:
            continue
        body = "\n".join(ast.unparse(statement) for statement in node.body[1:])
        if len(body) > _LONGEST_BODY:
            continue
        signature = _signature(node)
        quality = _quality(node, doc, body)
        given = {"signature": doc, "body": f'{signature}\n    """{doc}"""'}
        answers = {"signature": signature, "body": body}
        for domain in DOMAINS:
            yield Example(
                _TASKS[domain], given[domain], answers[domain], domain, quality, module, name
            )


def write(root: Path | None, folder: Path, *, seed: int = 0, max_items: int | None = None) -> bool:
    """Write `train.jsonl`, `val.jsonl` and `test.jsonl`, or find them written.

    The same sources and settings give the same bytes. All of a module is on one side, whatever else
    there is.

    Args:
        root: A folder with Python files; None means the standard library of this Python.
        folder: Where to; new, empty or made by this with the same settings.
        seed: Of the split.
        max_items: Most examples of all sides together, spread over all modules; None keeps all.

    Returns:
        Whether anything was written now.

    Raises:
        ConfigError: There are too few sources, or the folder holds something else.
    """
    root = root or standard_library()
    found = modules(root)
    if not found:
        raise ConfigError(Problem("no Python file found below it.", str(root), key="--root"))
    settings = {
        "what": "instruct",
        "version": VERSION,
        "python": platform.python_version(),
        "sources": sources_digest(found),
        "seed": seed,
        "max_items": max_items,
    }
    return made(folder, settings, lambda aside: _write(found, aside, seed, max_items))


def _write(
    found: Mapping[str, Path], folder: Path, seed: int, max_items: int | None
) -> dict[str, Any]:
    every = [each for name, path in found.items() for each in examples(path.read_bytes(), name)]
    kept = _spread(every, max_items, seed)
    counts = {}
    for split in SPLITS:
        mine = [each for each in kept if split_of(each.module, seed) == split]
        if not mine:
            raise ConfigError(
                Problem(
                    f"the {len(found)} modules give no example for {split}.",
                    remedy="Take a folder with more Python modules, or another seed.",
                )
            )
        lines = [json.dumps(asdict(each), ensure_ascii=False) + "\n" for each in mine]
        text = "".join(lines).encode("utf-8", "surrogatepass")
        (folder / f"{split}.jsonl").write_bytes(text)
        counts[split] = len(mine)
    return counts


def _spread(every: Sequence[Example], count: int | None, seed: int) -> list[Example]:
    """Keep a fair sample, in the old order: which ones depends on their names, not on the others."""
    if count is None or count >= len(every):
        return list(every)

    def place(each: Example) -> bytes:
        name = f"{seed} {each.module} {each.name} {each.domain}"
        return hashlib.blake2b(name.encode("utf-8", "surrogateescape")).digest()[:16]

    chosen = set(sorted(range(len(every)), key=lambda at: (place(every[at]), at))[:count])
    return [each for at, each in enumerate(every) if at in chosen]


def _functions(
    node: ast.AST, above: str
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield above + child.name, child
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _functions(child, f"{above}{child.name}.")
        else:
            yield from _functions(child, above)


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
    return f"{kind} {node.name}({ast.unparse(node.args)}){returns}:"


def _quality(node: ast.FunctionDef | ast.AsyncFunctionDef, doc: str, body: str) -> float:
    arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
    named = [each.arg for each in arguments if each.arg not in ("self", "cls")]
    marks = (
        len(doc) >= 40,
        doc.rstrip().endswith((".", "!", ")")),
        body.count("\n") >= 2,
        bool(named),
        any(name in doc for name in named),
    )
    return round(sum(marks) / len(marks), 2)
