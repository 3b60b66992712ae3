"""The checkpoints: what the run said it saved, and what really lies on the disk."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from trainer.display import count, size
from tui.screens.monitor.tabs.base import FactLine, Tab
from tui.screens.monitor.tabs.details import Details
from tui.screens.monitor.tabs.entries import clock, pause_of, said, whole
from tui.screens.monitor.tabs.textrows import Line
from tui.sources.checkpoints import OnDisk, scan
from tui.sources.follow import Picture
from tui.text import clean, left, right
from tui.widgets.keybar import binding

#: Seconds between two looks at the folder while the tab is in sight.
_LOOK_SECONDS = 5.0
_HEAD = f"{'TIME':9}{'STEP':>10}{'EPOCH':>7}{'SIZE':>9}{'PAUSE':>9}  {'MARK':11}FILE"


#: What names of files say of their content, ours and Lightning's.
_EPOCH = re.compile(r"epoch[=_-]?(\d{1,9})", re.ASCII)
_STEP = re.compile(r"step[=_-]?(\d{1,12})", re.ASCII)


@dataclass(frozen=True)
class Saved:
    """One checkpoint.

    Attributes:
        name: Its file's name; harmless text.
        event: What the run said of it; empty if nothing.
        disk: What lies there; None if there is no such file.
        known: Whether the disk was looked at and can tell.
        due: Whether it is the newest of its kind that the run told of, and so should be there.
        marks: "best" and "last", as the links in the folder say.
    """

    name: str
    event: Mapping[str, Any]
    disk: OnDisk | None
    known: bool
    due: bool
    marks: tuple[str, ...]

    @property
    def missing(self) -> bool:
        """Whether it is not there, though nothing replaced it."""
        return self.known and self.disk is None and self.due

    @property
    def replaced(self) -> bool:
        """Whether a later one took its place, as is usual."""
        return self.known and self.disk is None and not self.due


class CheckpointsTab(Tab):
    """Every checkpoint, the newest first; those that later ones replaced come last."""

    TITLE: ClassVar[str] = "checkpoints"
    SEARCH = "search the checkpoints"
    BINDINGS: ClassVar[list[BindingType]] = [
        binding("r", "look", "look again", show=False, tip="Look at the folder again"),
    ]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.head = FactLine()
        self._disk: dict[str, OnDisk] | None = None
        self._problem = ""
        self._looked = float("-inf")
        self._looking = False
        self._seen: tuple[object, ...] | None = None

    def compose(self) -> ComposeResult:
        """Lay it out, with a line that names the columns."""
        yield self.facts
        yield self.head
        yield self.rows
        yield self.line

    def show(self, picture: Picture) -> None:
        """Take a new picture; looks at the folder now and then, in a thread."""
        super().show(picture)
        there = picture.checkpoints
        seen = (len(there), id(there[-1]) if there else None, picture.counts.get("checkpoint"))
        now = self.deck.context.clock.monotonic()
        if seen != self._seen or now - self._looked >= _LOOK_SECONDS:
            self._look(now)
        if seen != self._seen:
            self._seen = seen
            self._fill()

    def action_look(self) -> None:
        """Look at the folder again."""
        self._look(self.deck.context.clock.monotonic())

    def _look(self, now: float) -> None:
        run = self.source.run
        if run is None or self._looking:
            return
        self._looked, self._looking = now, True

        self.read(lambda: scan(run), self._take)

    def _take(self, looked: tuple[dict[str, OnDisk] | None, str] | None) -> None:
        self._looking = False
        if looked is not None and looked != (self._disk, self._problem):
            self._disk, self._problem = looked
            self._fill()

    def saved(self) -> list[Saved]:
        """Give the checkpoints, newest first: what was said last of each file counts."""
        said_of: dict[str, Mapping[str, Any]] = {}
        due: dict[str, str] = {}
        for event in self.picture.checkpoints:
            name = said(event, "path").rpartition("/")[2] or "?"
            said_of.pop(name, None)
            said_of[name] = event
            due[said(event, "kind")] = name
        disk = self._disk or {}
        links: dict[str, list[str]] = {}
        for found in disk.values():
            if found.link:
                links.setdefault(found.link, []).append(found.name.removesuffix(".ckpt"))
        files = {name: found for name, found in disk.items() if not found.link}
        unsaid = sorted((f for n, f in files.items() if n not in said_of), key=lambda f: f.time)
        names = [*(found.name for found in unsaid), *said_of]
        known = self._disk is not None
        should = set(due.values())
        found_all = [
            Saved(
                n,
                said_of.get(n, {}),
                files.get(n),
                known,
                n in should,
                tuple(sorted(links.get(n, ()))),
            )
            for n in reversed(names)
        ]
        return sorted(found_all, key=lambda each: each.replaced)

    def _fill(self) -> None:
        found = self.saved()
        lines = [_line(each) for each in found]
        self.rows.show_lines(lines)
        self.head.display = bool(found)
        self.head.show(_HEAD)
        self.tell()

    def told(self) -> str:
        """Give what the line of facts says at its left."""
        if self._problem:
            return self._problem
        found = self.saved()
        if not found:
            return "no checkpoint yet"
        there = [each.disk.bytes for each in found if each.disk is not None]
        if self._disk is None:
            return f"{count(len(found))} said by the run; what lies on the disk is not known"
        text = f"{count(len(there))} on the disk, {size(sum(there))}"
        if missing := sum(each.missing for each in found):
            text = f"{text}; {count(missing)} missing"
        replaced = sum(each.replaced for each in found)
        return f"{text}; {count(replaced)} replaced by later ones" if replaced else text

    def chosen(self, item: object) -> None:
        """Show a checkpoint, and how to go on from it."""
        if isinstance(item, Saved):
            self.app.push_screen(self._details(item))

    def _details(self, saved: Saved) -> Details:
        event, disk = saved.event, saved.disk
        facts = []
        if disk is not None:
            facts += [("path", clean(disk.path)), ("size", size(disk.bytes))]
            facts.append(("written", clock(disk.time, whole=True)))
        elif saved.missing:
            facts.append(("file", "missing: it was moved or removed"))
        elif saved.known:
            facts.append(("file", "replaced by a later one"))
        parts = [f"{name} {_plain(event, name)}" for name in ("step", "epoch") if name in event]
        parts += [said(event, name) for name in ("kind", "reason") if event.get(name)]
        if parts:
            facts.append(("saved", ", ".join(parts)))
        if pause := pause_of(event):
            facts.append(("pause", pause))
        if saved.marks:
            facts.append(("mark", ", ".join(saved.marks)))
        return Details(f"checkpoint {saved.name}", facts, self._commands(saved))

    def _commands(self, saved: Saved) -> str:
        """Say how to go on: from the last one in its folder, from any other in a new run."""
        run = self.source.run
        if run is None or saved.disk is None:
            return ""
        known = self.picture.identity.get("id")
        name = clean(run.called(str(known) if known else run.path.name))
        lines = ["Go on in the same folder, from the last one:", f"  traindeck resume {name}"]
        path, config = saved.disk.path, str(run.config.absolute())
        if path.isprintable() and config.isprintable():
            quoted = path.replace("\\", "\\\\").replace('"', '\\"')
            word = shlex.quote(f'run.resume="{quoted}"')
            again = f"  traindeck train --config {shlex.quote(config)} {word}"
            lines += ["", "Train anew from this one:", again]
        return "\n".join(lines)


def _plain(event: Mapping[str, Any], name: str) -> str:
    number = whole(event.get(name))
    return said(event, name) if number is None else count(number)


def _line(saved: Saved) -> Line:
    event, disk = saved.event, saved.disk
    step, epoch = whole(event.get("step")), whole(event.get("epoch"))
    if epoch is None and (named := _EPOCH.search(saved.name)):
        epoch = int(named[1])
    if step is None and (named := _STEP.search(saved.name)):
        step = int(named[1])
    bytes_ = disk.bytes if disk is not None else whole(event.get("bytes"))
    ts = event.get("ts", disk.time if disk is not None else None)
    shade = "dim" if saved.missing or saved.replaced else "text"
    gone = "missing" if saved.missing else "replaced" if saved.replaced else ""
    marks = " ".join(saved.marks) or gone or said(event, "kind")
    figures = (
        f"{clock(ts)} "
        + right(count(step) if step is not None else "", 10)
        + right(str(epoch) if epoch is not None else "", 7)
        + right(size(bytes_) if bytes_ is not None else "", 9)
        + right(pause_of(event), 9)
        + "  "
    )
    shine = "warning" if saved.missing else "good" if saved.marks else "dim"
    return Line(
        ((figures, shade), (left(marks, 10, "") + " ", shine), (saved.name, shade)), 2, saved
    )
