"""The series against a slow and obvious reading of the same lines."""

import itertools
import json
import math
import random
import tempfile
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

import numpy  # noqa: F401 - both ways of adding points are chosen below
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainer.events.series import RunSeries

NAMES = ("train/loss", "val/loss", 'odd "name"', "näme")
FIELDS = ("first", "low", "high", "last", "count", "nans", "infs", "minus_infs")

values = st.one_of(
    st.floats(-1e6, 1e6, allow_nan=False),
    st.integers(-1000, 1000),
    st.sampled_from(["NaN", "Infinity", "-Infinity"]),
    st.sampled_from([None, "text", "1.5", "nan", True, {"deep": 1}, 10**400]),
)
plain_values = st.floats(-1e6, 1e6, allow_nan=False)
moves = st.one_of(
    st.integers(1, 5), st.integers(1, 5), st.integers(-40, 40), st.just(0), st.just(None)
)
metrics_lines = st.tuples(
    st.just("metrics"),
    moves,
    st.one_of(
        st.fixed_dictionaries({NAMES[0]: plain_values, NAMES[1]: plain_values}),
        st.dictionaries(st.sampled_from(NAMES), values, max_size=4),
    ),
)
runs_of_lines = st.tuples(
    st.just("many"), st.integers(1, 60), st.lists(plain_values, min_size=60, max_size=60)
)
others = st.sampled_from(
    [
        ("line", b'{"event":"run_started","ts":1.0}'),
        ("line", b'{"event":"log","level":"info","message":"hello"}'),
        ("line", b"garbage \xff\x00"),
        ("line", b'{"event":"metrics","step":'),
        ("line", b'{"event":"metrics","step":1e300,"metrics":{"train/loss":3}}'),
        ("line", b'{"event":"metrics","step":"x","metrics":{"val/loss":NaN}}'),
        ("line", b""),
        ("line", b"[1]"),
    ]
)
scripts = st.lists(st.one_of(metrics_lines, metrics_lines, runs_of_lines, others), max_size=40)


def as_lines(script):
    step = 0
    lines = []
    for n, item in enumerate(script):
        if item[0] == "line":
            lines.append(item[1])
        elif item[0] == "many":
            for value in item[2][: item[1]]:
                step += 1
                event = {"v": 1, "ts": 1.5 * n, "event": "metrics", "step": step, "epoch": n}
                event["metrics"] = {NAMES[0]: value, NAMES[1]: -value}
                lines.append(json.dumps(event, separators=(",", ":")).encode())
        else:
            event = {"v": 1, "ts": 1.5 * n, "event": "metrics", "epoch": n}
            if item[1] is not None:
                step += item[1]
                event["step"] = step
            event["metrics"] = item[2]
            lines.append(json.dumps(event).encode())
    return lines


def reference(lines):
    """Give alive points by metric as [(step, value)], garbage, and the number of events."""
    alive = {}
    current, named, restarted = 0, False, False
    garbage = events = 0
    for line in lines:
        if not line.strip():
            continue
        try:
            event = json.loads(line)
        except ValueError:
            garbage += 1
            continue
        if not isinstance(event, dict):
            garbage += 1
            continue
        events += 1
        if event["event"] != "metrics":
            restarted |= event["event"] == "run_started"
            continue
        step = event.get("step")
        if isinstance(step, (int, float)) and abs(step) < 2**53:
            current, named = int(step), True
            if restarted:
                restarted = False
                for points in alive.values():
                    points[:] = [point for point in points if point[0] <= current]
        for name, raw in event["metrics"].items():
            if isinstance(raw, str) and raw not in ("NaN", "Infinity", "-Infinity"):
                continue
            if raw is None or isinstance(raw, dict):
                continue
            value = math.inf if raw == 10**400 else float(raw)
            points = alive.setdefault(name, [])
            points[:] = [point for point in points if point[0] < current]
            points.append((current, value))
        if not named:
            current += 1
    return alive, garbage, events


def check_envelope(found, points, start, stop):
    for b in range(len(found)):
        low = found.start + b * found.width
        high = min(low + found.width, stop)
        here = [v for s, v in points if max(low, start) <= s < high]
        finite = [v for v in here if math.isfinite(v)]
        assert found.count[b] == len(finite)
        if finite:
            expected = (finite[0], min(finite), max(finite), finite[-1])
            assert (found.first[b], found.low[b], found.high[b], found.last[b]) == expected
        else:
            assert math.isnan(found.low[b])
            assert math.isnan(found.last[b])
        for marks, is_one in (
            (found.nans, math.isnan),
            (found.infs, lambda v: v == math.inf),
            (found.minus_infs, lambda v: v == -math.inf),
        ):
            assert (marks[b] if marks else 0) == sum(map(is_one, here))
    if len(found):
        end = found.start + len(found) * found.width
        covered = [s for s, _ in points if start <= s < stop]
        assert all(found.start <= s < end for s in covered)
    else:
        assert not [s for s, _ in points if start <= s < stop]


def same(a, b):
    return a == b or (math.isnan(a) and math.isnan(b))


def check_series(with_numpy, lines, cuts, entry_bytes, zooms):
    data = b"".join(line + b"\n" for line in lines)
    alive, garbage, events = reference(lines)
    bounds = sorted({0, len(data), *(int(cut * len(data)) for cut in cuts)})
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(mock.patch("trainer.events.index.ENTRY_BYTES", entry_bytes))
        stack.enter_context(mock.patch("trainer.events.index.MAX_ENTRIES", 8))
        many = 1 if with_numpy else 10**9
        stack.enter_context(mock.patch("trainer.events.envelope._SOME", many))
        path = Path(folder, "events.jsonl")
        series = RunSeries(path, bins=8)
        stack.callback(series.close)
        for begin, end in itertools.pairwise(bounds):
            with path.open("ab") as file:
                file.write(data[begin:end])
            assert not series.poll().reset
        assert series.garbage == garbage
        assert series.lines == events
        assert {name for name in series.names if series.latest(name)} <= set(alive)
        assert set(alive) <= set(series.names)
        for name, points in alive.items():
            check_envelope(series.envelope(name), points, -(10**9), 10**9)
            found = [(p.step, p.value) for p in series.points(name, -(10**9), 10**9)]
            assert len(found) == len(points)
            assert all(a == c and same(b, d) for (a, b), (c, d) in zip(found, points, strict=True))
            for start, length, bins in zooms:
                picture = series.zoom(name, start, start + length, bins)
                stop = start + length
                if -(-length // bins) >= series.grid.width:
                    stop = picture.start + len(picture) * picture.width  # whole kept bins
                check_envelope(picture, points, picture.start, stop)
        assert series.exact


settled = {
    "cuts": st.lists(st.floats(0, 1), max_size=6),
    "entry_bytes": st.sampled_from([1, 300, 1 << 18]),
    "zooms": st.lists(
        st.tuples(st.integers(-60, 400), st.integers(1, 120), st.integers(2, 40)), max_size=4
    ),
}


@pytest.mark.parametrize("with_numpy", [False, True])
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(script=scripts, **settled)
def test_the_series_equals_the_obvious_reading(with_numpy, script, cuts, entry_bytes, zooms):
    check_series(with_numpy, as_lines(script), cuts, entry_bytes, zooms)


SHAPES = {
    "step": ("train/loss", "lr", "grad_norm"),
    "memory": ("train/loss", "memory/rss_bytes", "lr", "grad_norm"),
    "no norm": ("train/loss", "lr"),
    "validation": ("val/loss", "val/bits_per_byte"),
    "nothing": (),
}
other_lines = {
    "checkpoint": {"path": "last.ckpt", "kind": "last", "bytes": 3, "step": 7, "epoch": 1},
    "log": {"level": "info", "message": "hello\nthere"},
    "epoch_finished": {"step": 3, "epoch": 0, "seconds": 1.5},
    "run_started": {"pid": 1, "step": 0},
    "run_started, telling": {"metrics": {"train/loss": {"goal": "min"}, "lr": {}}},
    "evaluated": {"metrics": {"train/loss": 1e9}, "step": 5},
    "disguised": {"text": '"event":"metrics"'},
    "blank": None,
}
mixed_lines = st.tuples(
    st.sampled_from(sorted(SHAPES)),
    st.sampled_from([1, 1, 1, 1, 1, 1, 1, 2, 0, -3]),
    st.sampled_from([0.5, -2.0, 7, 1e6, 0.25, 3.5, "NaN", "Infinity", None]),
)
mixed_scripts = st.lists(
    st.one_of(
        # Long stretches of one kind, and each kind beside each other.
        st.tuples(st.integers(1, 40), st.lists(mixed_lines, min_size=1, max_size=3)),
        st.tuples(st.just(1), st.lists(mixed_lines, min_size=1, max_size=8)),
        st.sampled_from(sorted(other_lines)),
    ),
    min_size=1,
    max_size=30,
)


def mixed_as_lines(script):
    lines, step = [], 0
    for n, item in enumerate(script):
        if isinstance(item, str):
            fields = other_lines[item]
            event = {"v": 1, "ts": n + 0.5, "event": item.partition(",")[0], **(fields or {})}
            lines.append(b" " if fields is None else json.dumps(event).encode())
            continue
        times, shapes = item
        for shape, move, value in shapes * times:
            step += 0 if shape == "validation" else move
            event = {"v": 1, "ts": float(n), "event": "metrics", "step": step, "epoch": n}
            metrics = {name: i + 1.5 for i, name in enumerate(SHAPES[shape])}
            for name in SHAPES[shape][:1]:
                metrics[name] = value
            lines.append(json.dumps({**event, "metrics": metrics}, separators=(",", ":")).encode())
    return lines


@pytest.mark.parametrize("with_numpy", [False, True])
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(script=mixed_scripts, **settled)
def test_so_it_does_where_lines_of_all_shapes_mix(with_numpy, script, cuts, entry_bytes, zooms):
    check_series(with_numpy, mixed_as_lines(script), cuts, entry_bytes, zooms)


def test_a_long_history_of_mixed_lines_is_read_as_it_is_one_by_one(tmp_path):
    """Blocks large enough for the ways that only long histories take, value by value."""
    dice = random.Random(3)
    script = []
    for _ in range(120):
        shape = dice.choice(["step", "step", "memory", "no norm"])
        values = [(shape, 1, dice.choice([dice.random(), 2.0, dice.random()])) for _ in range(60)]
        values.append(("validation", 1, dice.random()))
        if dice.random() < 0.1:
            values.append(("step", 1, dice.choice(["NaN", "-Infinity", None])))
        script.append((1, values))
        script += dice.choices(["checkpoint", "log", "epoch_finished", "evaluated"], k=2)
    lines = mixed_as_lines(script)
    alive, garbage, events = reference(lines)
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    series = RunSeries(path, bins=16)
    assert not series.poll().more
    assert (series.garbage, series.lines) == (garbage, events)
    assert series.view.counts["evaluated"] == sum(item == "evaluated" for item in script)
    for name, points in alive.items():
        check_envelope(series.envelope(name), points, 0, 10**9)
        start = points[len(points) // 2][0]
        check_envelope(series.zoom(name, start, start + 100, 50), points, start, start + 100)


def test_one_metric_going_back_hides_no_later_point_of_another():
    script = [
        (1, [("memory", 1, 0.5), ("memory", 1, 0.5), ("validation", 1, 0.5)]),
        (1, [("validation", 1, 0.5), ("memory", 1, 0.5)]),
    ]
    for cut in (0.25, 0.5, 0.75, 0.9):
        check_series(True, mixed_as_lines(script), [cut], 1, [])
