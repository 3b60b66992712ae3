"""Keeps the generated tables in the documentation: `python -m trainer.config.docs [--check]`.

`docs/configuration.md` has the tables of keys, aliases and profiles; the README in each folder of
`profiles/` has the table of its options. What people wrote around the tables stays as it is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import profiles
from trainer.config import toml_tables
from trainer.config.aliases import table as alias_rows
from trainer.config.documents import DOCUMENTS, OWN, named
from trainer.config.loss_terms import TERMS, TermKind
from trainer.config.schema import LightningArgs, fields
from trainer.config.schema_base import Key
from trainer.config.schema_trainer import HANDLED_ELSEWHERE
from trainer.config.sources import TOML
from trainer.config.symbolic_rules import RULES
from trainer.config.text import doc_comment
from trainer.config.torch_args import OPTIMIZERS, SCHEDULERS

REPOSITORY = profiles.FOLDER.parent
PAGE = REPOSITORY / "docs" / "configuration.md"
README = "README.md"


def option_table(folder: Path) -> str:
    """Give the table of a group folder's options with their doc comments, as Markdown."""
    rows = [(f"`{path.stem}`", doc_comment(path)) for path in sorted(folder.glob("*.yaml"))]
    return markdown_table(("option", "what it is"), rows)


def key_table() -> str:
    """Give the table of every key of the schema, section by section, as Markdown."""
    parts = []
    for name, below in _by_section():
        lines = [f"### `{name}`", ""]
        about = fields()[name]
        if about.section:
            lines += [about.doc, ""]
        rows = [
            (
                f"`{known.key}`",
                _code(known.type),
                "" if known.absent or known.section else _code(_value(known.default)),
                known.unit,
                known.bounds,
                asked_by(known),
                "yes" if known.acted_on else "not yet",
                known.doc,
            )
            for known in below
        ]
        header = (
            "key",
            "type",
            "default",
            "unit",
            "bounds",
            "asked for by",
            "acted on",
            "what it does",
        )
        if rows:
            parts.append("\n".join([*lines, markdown_table(header, rows)]))
        elif about.open:
            parts.append("\n".join([*lines, "Any keys: names with their settings."]))
    return "\n\n".join(parts)


def asked_by(known: Key) -> str:
    """Tell where a key comes from: documents by name, Lightning's Trainer, or ourselves."""
    if known.source:
        return named(known.source)
    section, _, name = known.key.partition(".")
    return "Lightning" if section == "trainer" and name in LightningArgs.model_fields else OWN


def document_table() -> str:
    """Give the legend of the column that says where a key comes from, as Markdown."""
    rows = [
        (f"{about.project} {number}", f"“{about.title}” of {about.project}: {about.about}")
        for number, about in DOCUMENTS.items()
    ]
    rows += [
        (
            "Lightning",
            "an argument of Lightning's Trainer that no document names; EulerAudioBackbone 002 and "
            "brain_gen 003 take all of them under their own names",
        ),
        (OWN, "no document asks for it; traindeck has it besides"),
    ]
    return markdown_table(("asked for by", "what that is"), rows)


def alias_table() -> str:
    """Give the table of aliases as Markdown."""
    rows = [(f"`{row.old}`", f"`{row.new}`", named(row.source), row.note) for row in alias_rows()]
    return markdown_table(("written", "means", "used by", "how the value changes"), rows)


def profile_table(folder: Path = profiles.FOLDER) -> str:
    """Give the table of all groups with their options as Markdown, files before tables."""
    tables: dict[str, list[str]] = {}
    for table in toml_tables.load(str(folder / TOML), TOML, "built-in").tables.values():
        tables.setdefault(table.group, []).append(table.name)
    rows = []
    for group in sorted({*groups(folder), *tables}):
        files = [path.stem for path in sorted((folder / group).glob("*.yaml"))]
        place = f"{group}/{README}" if files else TOML
        names = ", ".join(f"`{name}`" for name in files)
        if group in tables:
            listed = ", ".join(f"`{name}`" for name in tables[group])
            names += f"{'; ' if files else ''}tables {listed}"
        rows.append((f"[`{group}`](../profiles/{place})", names))
    return markdown_table(("group", "options"), rows)


def class_table() -> str:
    """Give the tables of optimisers and schedulers with their keywords as Markdown."""
    parts = []
    for title, table in (("optimizer.type", OPTIMIZERS), ("scheduler.type", SCHEDULERS)):
        rows = [
            (
                f"`{name}`",
                ", ".join(f"**`{w.name}`**" if w.required else f"`{w.name}`" for w in keywords),
            )
            for name, keywords in table.items()
        ]
        parts.append(markdown_table((f"`{title}`", "keywords (bold: required)"), rows))
    return "\n\n".join(parts)


def term_table() -> str:
    """Give the table of the terms that a loss may be summed of as Markdown."""
    return _kinds("term", TERMS)


def rule_table() -> str:
    """Give the table of the symbolic rules as Markdown."""
    return _kinds("rule", RULES)


def _kinds(called: str, table: Mapping[str, TermKind]) -> str:
    rows = [
        (
            f"`{name}`",
            ", ".join(
                f"**`{word}`**" if word in row.required else f"`{word}`" for word in row.keywords
            ),
            named(row.source),
            "yes" if row.target else "not yet",
            row.doc,
        )
        for name, row in table.items()
    ]
    header = (called, "keywords (bold: required)", "asked for by", "in this version", "what it is")
    return markdown_table(header, rows)


def elsewhere_table() -> str:
    """Give the table of Lightning arguments that are no keys of `trainer`."""
    rows = [(f"`{name}`", why) for name, why in HANDLED_ELSEWHERE.items()]
    return markdown_table(("argument", "instead"), rows)


def groups(folder: Path = profiles.FOLDER) -> list[str]:
    """Name the folders that hold profiles, nested ones with `/`."""
    found = {path.parent.relative_to(folder).as_posix() for path in folder.rglob("*.yaml")}
    return sorted(found - {"."})


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table; bars in cells are escaped."""
    lines = [tuple(header), tuple("---" for _ in header), *map(tuple, rows)]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def with_block(text: str, name: str, content: str) -> str:
    """Replace a generated block in a text; a text without it gets it at its end."""
    begin, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
    block = f"{begin}\n{content}\n{end}"
    if begin not in text or end not in text:
        return f"{text.rstrip()}\n\n{block}\n" if text.strip() else f"{block}\n"
    before, _, rest = text.partition(begin)
    return f"{before}{block}{rest.partition(end)[2]}"


def readme_text(folder: Path, group: str) -> str:
    """Give a group's README with its table of options up to date; a new one if there is none."""
    path = folder / README
    if path.is_file():
        text = path.read_text(encoding="utf-8")
    else:
        text = (
            f"# `{group}`\n\nProfiles of the group `{group}`: choose one with `{group}=OPTION`.\n"
        )
    return with_block(text, "options", option_table(folder))


def pages() -> Iterator[tuple[Path, str]]:
    """Give each file that holds generated tables, with the text that it should have."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else "# Configuration\n"
    for name, content in (
        ("profiles", profile_table()),
        ("documents", document_table()),
        ("keys", key_table()),
        ("elsewhere", elsewhere_table()),
        ("classes", class_table()),
        ("terms", term_table()),
        ("rules", rule_table()),
        ("aliases", alias_table()),
    ):
        text = with_block(text, name, content)
    yield PAGE, text
    for group in groups():
        folder = profiles.FOLDER / group
        yield folder / README, readme_text(folder, group)


def stale() -> list[Path]:
    """Name the files whose generated tables are out of step."""
    return [
        path
        for path, text in pages()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite the tables, or with `--check` only say which files are out of step."""
    parser = argparse.ArgumentParser(prog="python -m trainer.config.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if out of step")
    options = parser.parse_args(arguments)
    found = stale()
    if options.check:
        for path in found:
            print(
                f"{path.relative_to(REPOSITORY)} is out of step; run `make docs`", file=sys.stderr
            )
        return 1 if found else 0
    for path, text in pages():
        if path in found:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(REPOSITORY)}")
    return 0


def _by_section() -> Iterator[tuple[str, list[Any]]]:
    known = fields()
    for name in known:
        if "." in name:
            continue
        below = [f for key, f in known.items() if key.startswith(f"{name}.")]
        yield name, below or ([known[name]] if not known[name].section else [])


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
