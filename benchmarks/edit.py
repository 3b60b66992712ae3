"""What one changed value costs a profile: our editor beside a round trip through ruamel.yaml.

Every number, switch and text of every built-in profile is changed once by each. A line is touched if
it is another one afterwards; one has to be.
"""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import ruamel.yaml

import profiles
from trainer.config.edit import Leaf, ProfileText

Row = tuple[str, str, str]


@dataclass
class _Measured:
    """What edits did.

    Attributes:
        seconds: How long each took.
        spoilt: How many touched other lines.
        lines: How many other lines they touched.
    """

    seconds: list[float] = field(default_factory=list)
    spoilt: int = 0
    lines: int = 0

    def take(self, text: str, edit: Callable[[], str]) -> None:
        """Do an edit and count."""
        start = time.perf_counter()
        new = edit()
        self.seconds.append(time.perf_counter() - start)
        old = text.splitlines()
        same = SequenceMatcher(None, old, new.splitlines(), autojunk=False).get_matching_blocks()
        others = len(old) - sum(block.size for block in same) - 1
        self.spoilt += others > 0
        self.lines += max(0, others)

    @property
    def milliseconds(self) -> float:
        """The median."""
        return 1000 * statistics.median(self.seconds)


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else f"{value}_2"


def _round_trip(text: str, leaf: Leaf, value: Any) -> str:
    dumper = ruamel.yaml.YAML()
    dumper.preserve_quotes = True
    dumper.width = 10_000
    document = dumper.load(text)
    node = document
    for part in leaf.path[:-1]:
        node = node[int(part)] if isinstance(node, list) else node[part]
    node[int(leaf.path[-1]) if isinstance(node, list) else leaf.path[-1]] = value
    out = io.StringIO()
    dumper.dump(document, out)
    return out.getvalue()


def main() -> list[Row]:
    """Measure everything; give rows of (what, measured, target)."""
    ours, theirs = _Measured(), _Measured()
    for path in sorted(Path(profiles.FOLDER).glob("*/*.yaml")):
        text = path.read_text(encoding="utf-8")
        for leaf in ProfileText(text, path.parent.name).leaves:
            if not isinstance(leaf.value, bool | int | float | str):
                continue
            value = _other(leaf.value)
            profile = ProfileText(text, path.parent.name)
            ours.take(text, lambda p=profile, k=leaf.key, v=value: p.set(k, v).text)  # type: ignore[misc]
            theirs.take(text, lambda t=text, k=leaf, v=value: _round_trip(t, k, v))  # type: ignore[misc]
    count = len(ours.seconds)
    return [
        (
            f"edits of {count} in built-in profiles that touch other lines too",
            f"{ours.spoilt} (ruamel's round trip: {theirs.spoilt}, {theirs.lines} lines)",
            "0",
        ),
        (
            "one edit, read back and compared",
            f"{ours.milliseconds:.1f} ms (ruamel's round trip: {theirs.milliseconds:.1f} ms)",
            "",
        ),
    ]


if __name__ == "__main__":
    for row in main():
        print("  ".join(row))
