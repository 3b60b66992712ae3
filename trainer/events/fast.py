"""Decoding many lines at once: a msgspec struct made from the keys and events that were seen.

A block of lines is handed to `decode_lines` whole. What does not fit (a new event, a new key,
garbage) makes msgspec refuse the block; it is then halved until the odd lines stand alone and are
read one by one, and learnt from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from operator import attrgetter
from typing import Any, Literal

import msgspec

from trainer.events.envelope import use_numpy
from trainer.events.lines import line_starts, metric_values, parse_line
from trainer.events.rows import MISSING, FieldOf, LooseRows, Other, Rows, Table
from trainer.events.schema import METRICS, RUN_STARTED
from trainer.events.text import clean

#: With more names than this, lines are decoded to dictionaries: a struct would be mostly holes.
MAX_STRUCT_KEYS = 48

#: At most so many metrics of a run are kept; further names are counted, not kept.
MAX_METRICS = 2000

#: At most so many names of other events are learnt; lines of further ones are read one by one.
_MAX_EVENTS = 64

_FEW_LINES = 24

# Any other text is refused here, and so read (and left out) line by line.
_Value = float | Literal["NaN", "Infinity", "-Infinity"] | None
_REFUSED = (msgspec.MsgspecError, ValueError, RecursionError)


class RowDecoder:
    """Decodes blocks of whole lines, learning the names of metrics and events as it goes.

    Attributes:
        garbage: Lines that were no events.
        hidden: Names beyond MAX_METRICS that were left out.
    """

    def __init__(self) -> None:
        self.garbage = 0
        self.hidden: set[str] = set()
        self._names: dict[str, str] = {}  # as written -> as shown
        self._events = {METRICS: None}  # an ordered set
        self._decoder: msgspec.json.Decoder[Any] | None = None
        self._keys: list[str] = []
        self._wide = False

    def parts(
        self, data: bytes, only: Collection[str] | None = None, history: int = 0
    ) -> Iterator[Rows | Other]:
        """Give what a block holds, in file order as far as it matters.

        Metrics lines come together though other events lie between them, unless one of those
        starts the run. No event comes before rows that lie wholly before it.

        Args:
            data: Whole lines, ending with a newline.
            only: Extract just these metrics, as columns.
            history: How many lines there were before; see `use_numpy`.
        """
        loose = LooseRows()
        for part in self._decode(data, 0, len(data), loose, only=only, history=history):
            if isinstance(part, Rows):
                yield from loose.flush()
            yield part
        yield from loose.flush()

    def _decode(
        self,
        data: bytes,
        start: int,
        end: int,
        loose: LooseRows,
        *,
        only: Collection[str] | None,
        history: int,
    ) -> Iterator[Rows | Other]:
        if self._decoder is not None:
            part = data[start:end]  # no copy if it is all
            try:
                lines = self._decoder.decode_lines(part)
            except _REFUSED:
                pass
            else:
                found = self._sort(lines, part, start, only, history)
                if found is not None:
                    if found and isinstance(found[0], Other):
                        yield from loose.flush()
                    yield from found
                    return
        middle = _middle(data, start, end)
        if middle is None:
            yield from self._decode_singly(data, start, end, loose, only)
            return
        for left, right in ((start, middle), (middle, end)):
            yield from self._decode(data, left, right, loose, only=only, history=history)

    def _sort(
        self, lines: list[Any], data: bytes, offset: int, only: Collection[str] | None, history: int
    ) -> list[Rows | Other] | None:
        """Tell metrics from other events; None if their lines cannot be told for sure."""
        end = offset + len(data)
        events = [line.event for line in lines]
        if events.count(METRICS) == len(lines):
            return [self._extract(lines, offset, end, only, history)] if lines else []
        starts = line_starts(data)
        if len(starts) != len(lines):  # blank lines
            return None
        starts.append(len(data))
        segments: list[list[tuple[int, Other]]] = [[]]
        for i, name in enumerate(events):
            if name == METRICS:
                continue
            event = parse_line(data[starts[i] : starts[i + 1]])
            if event is None or event["event"] == METRICS:
                return None
            if name == RUN_STARTED:
                segments.append([])
            segments[-1].append((i, Other(offset + starts[i], offset + starts[i + 1], event)))
        parts: list[Rows | Other] = []
        begin = 0
        for number, segment in enumerate(segments):
            stop = segments[number + 1][0][0] if number + 1 < len(segments) else len(lines)
            kept = lines[begin:stop]
            last = stop  # behind the last line of metrics
            for i, _ in reversed(segment):
                del kept[i - begin]
                last -= i == last - 1
            # The event that starts a run comes first, as the first of its segment.
            parts += [other for i, other in segment if i < last]
            if kept:
                edges = offset + starts[begin], offset + starts[last]
                parts.append(self._extract(kept, *edges, only, history))
            parts += [other for i, other in segment if i >= last]
            begin = stop
        return parts

    def _decode_singly(
        self, data: bytes, start: int, end: int, loose: LooseRows, only: Collection[str] | None
    ) -> Iterator[Rows | Other]:
        fresh = False
        while start < end:
            stop = data.find(b"\n", start, end) + 1 or end
            line = data[start:stop]
            event = parse_line(line)
            if event is None:
                self.garbage += not line.isspace()
            elif event["event"] == METRICS:
                fresh |= self._learn(line)
                values = {
                    name: value
                    for name, value in event["metrics"].items()
                    if name not in self.hidden and (only is None or name in only)
                }
                loose.add(start, stop, event, values)
            else:
                name = event["event"]
                if name not in self._events and len(self._events) < _MAX_EVENTS:
                    self._events[name] = None
                    fresh = self._decoder is not None or fresh
                yield from loose.flush()
                yield Other(start, stop, event)
            start = stop
        if fresh:
            self._rebuild()

    def _learn(self, line: bytes) -> bool:
        """Note the names of a line's metrics as they are written; say whether one is new."""
        try:
            written = msgspec.json.decode(line)["metrics"]
        except (*_REFUSED, KeyError, TypeError):
            return self._decoder is None
        fresh = False
        for name in written if isinstance(written, dict) else ():
            if name not in self._names and metric_values({name: written[name]}):
                shown = clean(name)
                if len(self._names) < MAX_METRICS:
                    self._names[name] = shown
                    fresh = True
                elif len(self.hidden) < MAX_METRICS:
                    self.hidden.add(shown)
        return fresh or self._decoder is None

    def _rebuild(self) -> None:
        keys = list(self._names)
        plain = all(_plain_key(key) and shown == key for key, shown in self._names.items())
        self._wide = len(keys) > MAX_STRUCT_KEYS or not plain
        self._keys = keys
        metrics: Any = dict[str, _Value]
        empty: Any = dict
        if not self._wide:
            fields = [(f"f{i}", _Value, MISSING) for i in range(len(keys))]
            metrics = empty = msgspec.defstruct(
                "Metrics",
                fields,
                rename={f"f{i}": key for i, key in enumerate(keys)},
                forbid_unknown_fields=True,  # a new name must be noticed, not skipped
                gc=False,
            )
        event: Any = Literal[tuple(self._events)]
        optional = [(name, float | None, MISSING) for name in ("step", "ts", "epoch")]
        line = msgspec.defstruct(
            "Line",
            [
                ("event", event),
                ("metrics", metrics, msgspec.field(default_factory=empty)),
                *optional,
            ],
            gc=False,
        )
        self._decoder = msgspec.json.Decoder(line)

    def _extract(
        self, lines: list[Any], start: int, end: int, only: Collection[str] | None, history: int
    ) -> Rows:
        rows = Rows(
            start,
            end,
            [line.step for line in lines],
            FieldOf(lines, "ts"),
            FieldOf(lines, "epoch"),
        )
        metrics = [line.metrics for line in lines]
        if self._wide:
            self._extract_wide(rows, metrics, only)
        elif only is None and self._keys and use_numpy(len(lines), history):
            rows.table = Table.of(self._keys, metrics)
        else:
            for i, key in enumerate(self._keys):
                if only is None or key in only:
                    column = list(map(attrgetter(f"f{i}"), metrics))
                    # Identity is compared first, and no other NaN equals this one.
                    if column[0] is not MISSING or column.count(MISSING) < len(column):
                        rows.columns[key] = (None, column)
        return rows

    def _extract_wide(
        self, rows: Rows, metrics: list[dict[str, Any]], only: Collection[str] | None
    ) -> None:
        columns: dict[str, tuple[list[int], list[Any]]] = {}
        for i, values in enumerate(metrics):
            for name, value in values.items():
                column = columns.get(name)
                if column is None:
                    column = columns[name] = ([], [])
                column[0].append(i)
                column[1].append(value)
        for name, column in columns.items():
            shown = self._names.get(name)
            if shown is None:
                if len(self._names) >= MAX_METRICS:
                    if len(self.hidden) < MAX_METRICS:
                        self.hidden.add(clean(name))
                    continue
                shown = self._names[name] = clean(name)
            if only is not None and shown not in only:
                continue
            known = rows.columns.get(shown)
            if known is None:
                rows.columns[shown] = column
            else:  # two spellings that clean to one name: a line has at most one point of it
                merged = dict(zip(known[0] or (), known[1], strict=True))
                merged.update(zip(*column, strict=True))
                rows.columns[shown] = (sorted(merged), [merged[i] for i in sorted(merged)])


def _plain_key(key: str) -> bool:
    """Say whether a name is written in JSON as it is, which a struct's field names must be."""
    return key.isprintable() and '"' not in key and "\\" not in key


def _middle(data: bytes, start: int, end: int) -> int | None:
    """Find a line's start near the middle, or None if there are few lines left to part."""
    if data.count(b"\n", start, end) <= _FEW_LINES:
        return None
    middle = data.find(b"\n", (start + end) // 2, end) + 1
    if not middle or middle >= end:
        middle = data.rfind(b"\n", start, (start + end) // 2) + 1
    return middle if start < middle < end else None
