"""Metrics lines as rows and columns: what decoding gives and series take."""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import starmap
from typing import TYPE_CHECKING, Any, overload

from msgspec.structs import astuple

from trainer.events.lines import parse_line
from trainer.events.schema import METRICS, NON_FINITE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Stands for a metric that a line does not have: a NaN told from those in the file by identity
#: and, in an array, by its bits.
HOLE_BITS = 0x7FF8_0000_686F_6C65
MISSING: float = struct.unpack("d", struct.pack("Q", HOLE_BITS))[0]

_PLAIN: dict[str | None, float] = {None: MISSING}
_PLAIN.update(NON_FINITE)


@dataclass(slots=True)
class Table:
    """Values of many lines at once.

    Attributes:
        names: (metrics,) their names.
        values: (metrics, lines) numbers, non-finite ones included; HOLE_BITS where a line lacks
            the metric.
    """

    names: list[str]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, names: list[str], rows: list[Any]) -> Table:
        """Make a table of msgspec structs whose fields are the metrics, in order."""
        import numpy as np

        tuples = map(astuple, rows)
        try:
            # Packing tuples takes half the time of making an array from them.
            packed = b"".join(starmap(struct.Struct(f"{len(names)}d").pack, tuples))
        except struct.error:  # texts and nulls
            pack = struct.Struct(f"{len(rows)}d").pack
            columns = zip(*map(astuple, rows), strict=True)
            packed = b"".join([_pack_column(pack, column) for column in columns])
            return cls(names, np.frombuffer(packed).reshape(len(names), len(rows)))
        return cls(names, np.frombuffer(packed).reshape(len(rows), len(names)).T.copy())


def _pack_column(pack: Any, column: Sequence[Any]) -> bytes:
    try:
        packed: bytes = pack(*column)
    except struct.error:
        packed = pack(*[v if type(v) is float else _PLAIN[v] for v in column])
    return packed


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
        table: In place of columns, where there are many lines.
    """

    start: int = 0
    end: int = 0
    steps: list[Any] = field(default_factory=list)
    ts: Sequence[Any] = field(default_factory=list)
    epochs: Sequence[Any] = field(default_factory=list)
    columns: dict[str, tuple[list[int] | None, list[Any]]] = field(default_factory=dict)
    table: Table | None = None

    def split(self, place: int, data: bytes) -> tuple[Rows, Rows]:
        """Part the rows of a block before the line of that number (from 0)."""
        middle = self.start
        seen = 0
        while seen < place:  # other lines may lie between
            stop = data.find(b"\n", middle) + 1
            event = parse_line(data[middle:stop])
            seen += event is not None and event["event"] == METRICS
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
        if self.table is not None:
            names, table = self.table.names, self.table.values
            head.table = Table(names, table[:, :place])
            tail.table = Table(names, table[:, place:])
        return head, tail


@dataclass(slots=True)
class Other:
    """An event that is not metrics."""

    start: int
    end: int
    event: dict[str, Any]


class LooseRows:
    """Gathers lines that were read one by one into rows."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._ts: list[Any] = []
        self._epochs: list[Any] = []
        self._rows = Rows(ts=self._ts, epochs=self._epochs)

    def add(self, start: int, end: int, event: dict[str, Any], values: dict[str, float]) -> None:
        """Take one line, from one offset in its block to another."""
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
        """Give what was gathered, if anything."""
        if self._rows.steps:
            rows = self._rows
            self._begin()
            yield rows


class FieldOf(Sequence[Any]):
    """One field of many lines, looked up only where it is wanted."""

    def __init__(self, lines: list[Any], name: str) -> None:
        self._lines = lines
        self._name = name

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> FieldOf: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return FieldOf(self._lines[place], self._name)
        return getattr(self._lines[place], self._name)


def finite_or_mark(value: object) -> float | None:
    """Read a column's value; None for a hole."""
    if value is MISSING or value is None:
        return None
    if isinstance(value, str):
        return NON_FINITE.get(value)
    return value if isinstance(value, float) else None
