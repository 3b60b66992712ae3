"""Decoding many metrics lines at once: a msgspec struct made from the keys that were seen.

A block of lines is handed to `decode_lines` whole. What does not fit (another event, a new key,
garbage) makes msgspec refuse the block; it is then cut at the lines of other events, and what
still does not fit is halved until the odd lines stand alone and are read one by one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Literal, overload

import msgspec

from trainer.events.lines import metric_values, parse_line
from trainer.events.schema import METRICS, NON_FINITE
from trainer.events.text import clean

#: Stands for a metric that a line does not have; told from a NaN in the file by identity.
MISSING = float("nan")

#: With more names than this, lines are decoded to dictionaries: a struct would be mostly holes.
MAX_STRUCT_KEYS = 48

#: At most so many metrics of a run are kept; further names are counted, not kept.
MAX_METRICS = 2000

_FEW_LINES = 24
_METRICS_MARK = b'"event":"metrics"'

# Any other text is refused here, and so read (and left out) line by line.
_Value = float | Literal["NaN", "Infinity", "-Infinity"] | None
_REFUSED = (msgspec.MsgspecError, ValueError, RecursionError)


@dataclass(slots=True)
class Rows:
    """Metrics lines that follow each other in the file, as columns.

    Attributes:
        start: Offset of the first line in its block, in bytes.
        end: Offset behind the last line.
        steps: Step of each line; MISSING or None where it has none.
        ts: Unix seconds; MISSING or None where there are none.
        epochs: Epoch; MISSING or None where there is none.
        columns: For each metric the numbers of the lines that have it (None: all of them) and
            its values: floats, texts that stand for non-finite ones, MISSING or None for holes.
    """

    start: int = 0
    end: int = 0
    steps: list[Any] = field(default_factory=list)
    ts: Sequence[Any] = field(default_factory=list)
    epochs: Sequence[Any] = field(default_factory=list)
    columns: dict[str, tuple[list[int] | None, list[Any]]] = field(default_factory=dict)

    def split(self, place: int, data: bytes) -> tuple[Rows, Rows]:
        """Part the rows of a block before the line of that number (from 0)."""
        middle = self.start
        seen = 0
        while seen < place:  # lines between that are no metrics are blank or garbage
            stop = data.find(b"\n", middle) + 1
            event = parse_line(data[middle:stop])
            seen += event is not None
            middle = stop
        head = Rows(self.start, middle, self.steps[:place], self.ts[:place], self.epochs[:place])
        tail = Rows(middle, self.end, self.steps[place:], self.ts[place:], self.epochs[place:])
        for name, (places, values) in self.columns.items():
            if places is None:
                head.columns[name] = (None, values[:place])
                tail.columns[name] = (None, values[place:])
                continue
            cut = bisect_left(places, place)
            head.columns[name] = (places[:cut], values[:cut])
            tail.columns[name] = ([i - place for i in places[cut:]], values[cut:])
        return head, tail


@dataclass(slots=True)
class Other:
    """An event that is not metrics."""

    start: int
    end: int
    event: dict[str, Any]


class RowDecoder:
    """Decodes blocks of whole lines, learning the names of metrics as it goes.

    Attributes:
        garbage: Lines that were no events.
        hidden: Names beyond MAX_METRICS that were left out.
    """

    def __init__(self) -> None:
        self.garbage = 0
        self.hidden: set[str] = set()
        self._names: dict[str, str] = {}  # as written -> as shown
        self._decoder: msgspec.json.Decoder[Any] | None = None
        self._keys: list[str] = []
        self._wide = False

    def parts(self, data: bytes, only: Collection[str] | None = None) -> Iterator[Rows | Other]:
        """Give what a block holds, in file order.

        Args:
            data: Whole lines, ending with a newline.
            only: Extract just these metrics.
        """
        loose = _Loose()
        for part in self._decode(data, 0, len(data), loose, only, whole=True):
            if isinstance(part, Rows):
                yield from loose.flush()
            yield part
        yield from loose.flush()

    def _decode(
        self,
        data: bytes,
        start: int,
        end: int,
        loose: _Loose,
        only: Collection[str] | None,
        *,
        whole: bool = False,
    ) -> Iterator[Rows | Other]:
        if self._decoder is not None:
            try:
                lines = self._decoder.decode_lines(data if whole else data[start:end])
            except _REFUSED:
                pass
            else:
                if lines:
                    yield self._extract(lines, start, end, only)
                return
        if whole and self._decoder is not None:
            yield from self._decode_groups(data, loose, only)
            return
        middle = _middle(data, start, end)
        if middle is None:
            yield from self._decode_singly(data, start, end, loose, only)
            return
        for left, right in ((start, middle), (middle, end)):
            yield from self._decode(data, left, right, loose, only)

    def _decode_groups(
        self, data: bytes, loose: _Loose, only: Collection[str] | None
    ) -> Iterator[Rows | Other]:
        """Cut a block at the lines that do not look like metrics."""
        for start, end, metrics in _groups(data):
            decode = self._decode if metrics else self._decode_singly
            yield from decode(data, start, end, loose, only)

    def _decode_singly(
        self, data: bytes, start: int, end: int, loose: _Loose, only: Collection[str] | None
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
        if not self._wide:
            fields = [(f"f{i}", _Value, MISSING) for i in range(len(keys))]
            metrics = msgspec.defstruct(
                "Metrics",
                fields,
                rename={f"f{i}": key for i, key in enumerate(keys)},
                forbid_unknown_fields=True,  # a new name must be noticed, not skipped
                gc=False,
            )
        optional = [(name, float | None, MISSING) for name in ("step", "ts", "epoch")]
        line = msgspec.defstruct(
            "Line", [("metrics", metrics), *optional], tag_field="event", tag=METRICS, gc=False
        )
        self._decoder = msgspec.json.Decoder(line)

    def _extract(
        self, lines: list[Any], start: int, end: int, only: Collection[str] | None
    ) -> Rows:
        rows = Rows(
            start,
            end,
            [line.step for line in lines],
            _Field(lines, "ts"),
            _Field(lines, "epoch"),
        )
        metrics = [line.metrics for line in lines]
        if self._wide:
            self._extract_wide(rows, metrics, only)
            return rows
        for i, key in enumerate(self._keys):
            if only is None or key in only:
                column = list(map(attrgetter(f"f{i}"), metrics))
                # Identity is compared first, and no other NaN equals this one.
                if column.count(MISSING) < len(column):
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


class _Loose:
    """Gathers lines that were read one by one into rows."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._ts: list[Any] = []
        self._epochs: list[Any] = []
        self._rows = Rows(ts=self._ts, epochs=self._epochs)

    def add(self, start: int, end: int, event: dict[str, Any], values: dict[str, float]) -> None:
        rows = self._rows
        number = len(rows.steps)
        if not number:
            rows.start = start
        rows.end = end
        rows.steps.append(event.get("step"))
        self._ts.append(event.get("ts"))
        self._epochs.append(event.get("epoch"))
        for name, value in values.items():
            column = rows.columns.get(name)
            if column is None:
                column = rows.columns[name] = ([], [])
            places = column[0]
            if places is not None:
                places.append(number)
            column[1].append(value)

    def flush(self) -> Iterator[Rows]:
        if self._rows.steps:
            rows = self._rows
            self._begin()
            yield rows


class _Field(Sequence[Any]):
    """One field of many lines, looked up only where it is wanted."""

    def __init__(self, lines: list[Any], name: str) -> None:
        self._lines = lines
        self._name = name

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> _Field: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return _Field(self._lines[place], self._name)
        return getattr(self._lines[place], self._name)


def finite_or_mark(value: object) -> float | None:
    """Read a column's value; None for a hole."""
    if value is MISSING or value is None:
        return None
    if isinstance(value, str):
        return NON_FINITE.get(value)
    return value if isinstance(value, float) else None


def _plain_key(key: str) -> bool:
    """Say whether a name is written in JSON as it is, which a struct's field names must be."""
    return key.isprintable() and '"' not in key and "\\" not in key


def _groups(data: bytes) -> list[tuple[int, int, bool]]:
    """Cut a block into runs of lines that look like metrics or do not: (start, end, metrics).

    Only a guess, to save time: what it guesses wrong is sorted out line by line.
    """
    groups: list[tuple[int, int, bool]] = []

    def cut(start: int, end: int) -> None:
        lines, marks = data.count(b"\n", start, end), data.count(_METRICS_MARK, start, end)
        middle = _middle(data, start, end, 1) if 0 < marks != lines else None
        if middle is not None:
            cut(start, middle)
            cut(middle, end)
        elif groups and groups[-1][2] == (marks > 0):
            groups[-1] = (groups[-1][0], end, marks > 0)
        else:
            groups.append((start, end, marks > 0))

    cut(0, len(data))
    return groups


def _middle(data: bytes, start: int, end: int, few: int = _FEW_LINES) -> int | None:
    """Find a line's start near the middle, or None if there are few lines left to part."""
    if data.count(b"\n", start, end) <= few:
        return None
    middle = data.find(b"\n", (start + end) // 2, end) + 1
    if not middle or middle >= end:
        middle = data.rfind(b"\n", start, (start + end) // 2) + 1
    return middle if start < middle < end else None
