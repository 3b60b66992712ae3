"""What charts may rely on: nothing lost, nothing moved, everything bounded."""

import json
import math
import os
import subprocess
import sys

import pytest

from trainer.events import Batch, StreamReader
from trainer.events.fast import RowDecoder
from trainer.events.index import MAX_CUTS, ByteIndex, Cut
from trainer.events.lines import Block
from trainer.events.sample import sample
from trainer.events.series import RunSeries
from trainer.events.view import KEPT


def metrics_line(step, **values):
    event = {"v": 1, "ts": 1000.0 + step, "event": "metrics", "step": step, "epoch": step // 1000}
    return json.dumps({**event, "metrics": values}, separators=(",", ":")).encode() + b"\n"


def event_line(name, **fields):
    return json.dumps({"v": 1, "ts": 1.0, "event": name, **fields}).encode() + b"\n"


def read_all(series):
    while series.poll().more:
        pass
    return series


@pytest.fixture(scope="module")
def spiky(tmp_path_factory):
    path = tmp_path_factory.mktemp("spiky") / "events.jsonl"
    with path.open("wb") as file:
        for step in range(100_000):
            file.write(metrics_line(step, loss=1000.0 if step == 54_321 else step % 7, lr=1e-3))
    return path


def test_one_spike_in_100_000_steps_is_never_lost_at_any_zoom(spiky):
    series = read_all(RunSeries(spiky))
    whole = series.envelope("loss")
    assert whole.greatest == 1000.0
    b = (54_321 - whole.start) // whole.width
    assert whole.high[b] == 1000.0
    assert sum(whole.count) == 100_000
    reach = 100_000
    while reach:
        for bins in (1, 7, 300):
            start = 54_321 - reach // 3
            picture = series.zoom("loss", start, start + reach, bins)
            assert picture.greatest == 1000.0
            assert picture.high[(54_321 - picture.start) // picture.width] == 1000.0
        reach //= 3
    (point,) = series.points("loss", 54_321, 54_322)
    assert (point.value, point.ts, point.epoch) == (1000.0, 55_321.0, 54.0)
    assert series.exact


def test_a_first_picture_has_the_same_columns_as_the_complete_one(spiky):
    first = sample(spiky)
    complete = read_all(RunSeries(spiky))
    assert first.loading
    assert not complete.loading
    a, b = first.envelope("loss"), complete.envelope("loss")
    assert (a.start, a.width, len(a)) == (b.start, b.width, len(b))
    assert not a.exact
    assert b.exact
    assert sum(map(bool, a.count)) > 100
    for i, n in enumerate(a.count):
        if n:
            assert a.low[i] >= b.low[i]
            assert a.high[i] <= b.high[i]


def test_a_first_picture_keeps_to_its_time_and_of_a_small_file_is_complete(spiky, tmp_path):
    late = iter([0.0, *[100.0] * 1000])
    hasty = sample(spiky, clock=lambda: next(late))
    assert hasty.lines < 2000
    assert hasty.view.step == 99_999
    small = tmp_path / "small.jsonl"
    small.write_bytes(metrics_line(1, a=1.0) + b'{"torn')
    series = sample(small)
    assert not series.loading
    assert series.exact
    assert series.latest("a") == (1, 1.0)


def test_a_first_picture_reaches_the_end_though_windows_overlap(tmp_path):
    path = tmp_path / "e.jsonl"
    path.write_bytes(b"".join(metrics_line(step, loss=1.0) for step in range(60_000)))
    assert path.stat().st_size < 256 * (24 << 10)  # one window begins within the last one
    assert sample(path).view.step == 59_999


def test_a_metric_in_which_nothing_changed_gives_the_same_picture(tmp_path):
    path = tmp_path / "e.jsonl"
    path.write_bytes(metrics_line(1, a=1.0, b=1.0) + metrics_line(2, a=2.0, b=2.0))
    series = read_all(RunSeries(path))
    a, b = series.envelope("a"), series.envelope("b")
    with path.open("ab") as file:
        file.write(metrics_line(2, a=2.0))
    series.poll()
    assert series.envelope("b") is b
    assert series.envelope("a") is not a
    assert series.envelope("a") == a


def test_drawn_columns_do_not_move_while_a_run_grows(tmp_path):
    path = tmp_path / "e.jsonl"
    series = RunSeries(path, bins=16)
    before = None
    for step in range(0, 500, 5):
        with path.open("ab") as file:
            file.write(metrics_line(step, loss=math.sin(step)))
        series.poll()
        now = series.envelope("loss")
        if before is not None and before.width == now.width:
            done = len(before) - 1
            assert now.start == before.start
            for name in ("first", "low", "high", "last", "count"):
                drawn = getattr(before, name)[:done]
                assert getattr(now, name)[:done].tobytes() == drawn.tobytes()
        before = now
    assert before.width == 32


def test_a_restart_from_a_checkpoint_rewinds_every_metric(tmp_path):
    path = tmp_path / "e.jsonl"
    lines = [
        metrics_line(s, train=float(s), **({"val": s} if s % 10 == 0 else {})) for s in range(50)
    ]
    lines += [event_line("run_started"), metrics_line(31, train=-1.0), metrics_line(32, train=-2.0)]
    path.write_bytes(b"".join(lines))
    series = read_all(RunSeries(path, bins=4))
    assert [p.step for p in series.points("val", 0, 100)] == [0, 10, 20, 30]
    assert [p.value for p in series.points("train", 29, 100)] == [29.0, 30.0, -1.0, -2.0]
    whole = series.envelope("train")
    assert (whole.greatest, whole.least) == (30.0, -2.0)
    assert len(whole) * whole.width <= 48
    assert series.view.segments == 1


def test_a_restart_from_the_very_beginning_gets_narrow_bins_again(tmp_path):
    path = tmp_path / "e.jsonl"
    path.write_bytes(b"".join(metrics_line(s, a=1.0) for s in range(1, 5000)))
    series = read_all(RunSeries(path))
    assert series.grid.width > 1
    with path.open("ab") as file:
        file.write(event_line("run_started") + metrics_line(0, a=2.0) + metrics_line(1, a=3.0))
    series.poll()
    whole = series.envelope("a")
    assert (whole.start, whole.width, list(whole.high)) == (0, 1, [2.0, 3.0])


def test_logging_a_step_again_and_again_keeps_its_last_value_without_reading_back(tmp_path):
    path = tmp_path / "e.jsonl"
    path.write_bytes(b"".join(metrics_line(s // 4, a=float(s)) for s in range(40_000)))
    series = RunSeries(path, bins=16)
    series._history._mend = None  # would be called to read a bin again
    read_all(series)
    whole = series.envelope("a")
    assert sum(whole.count) == 10_000
    assert whole.first[0] == 3.0


def test_truncated_and_replaced_files_start_anew(tmp_path):
    path = tmp_path / "e.jsonl"
    path.write_bytes(metrics_line(1, a=1.0) + event_line("log", level="info", message="x"))
    series = read_all(RunSeries(path))
    os.truncate(path, 0)
    path.write_bytes(metrics_line(7, b=2.0))
    progress = series.poll()
    assert progress.reset
    assert progress.changed
    assert series.names == ["b"]
    assert series.view.of("log") == []
    path.unlink()
    assert series.poll().missing
    assert series.names == ["b"]


def test_after_a_rotation_the_history_stays_but_zooms_say_they_are_not_exact(tmp_path):
    path = tmp_path / "e.jsonl"
    path.write_bytes(b"".join(metrics_line(s, a=1.0) for s in range(100)))
    series = read_all(RunSeries(path, bins=8))
    path.rename(tmp_path / "old")
    path.write_bytes(b"".join(metrics_line(s, a=2.0) for s in range(100, 200)))
    series.poll()
    assert sum(series.envelope("a").count) == 200
    assert not series.zoom("a", 0, 4).exact


def test_a_stream_without_a_file_is_approximate_only_where_it_must_be():
    series = RunSeries(bins=4)
    series.feed(Block(0, b"".join(metrics_line(s, a=float(s)) for s in range(16))))
    assert series.envelope("a").exact
    series.feed(Block(10_000, metrics_line(9, a=-1.0)))
    whole = series.envelope("a")
    assert not whole.exact
    assert whole.least == -1.0
    with pytest.raises(ValueError, match="file"):
        series.points("a", 0, 5)
    with pytest.raises(ValueError, match="fed"):
        series.poll()
    with pytest.raises(ValueError, match="even"):
        RunSeries(bins=7)


def test_times_and_epochs_of_the_bins_are_known():
    series = RunSeries(bins=8)
    series.feed(Block(0, b"".join(metrics_line(s, a=1.0) for s in range(0, 4000, 10))))
    width = series.grid.width
    assert series.clock.ts_first[1] == 1000.0 + math.ceil(width / 10) * 10
    assert series.clock.ts_last[0] == 1000.0 + (width - 1) // 10 * 10
    assert series.clock.epoch_first[0] == 0
    assert series.clock.epoch_last[3990 // width] == 3


def test_events_are_bounded_and_counted():
    series = RunSeries()
    many = b"".join(event_line("log", level="info", message=f"{n}") for n in range(3000))
    odd = b"".join(event_line(f"odd{n}") for n in range(1000))
    start = event_line(
        "run_started", total_steps=9, metrics={"loss": {"unit": "nats", "goal": "min"}, "x": 3}
    )
    large = event_line("alert", message="x" * 1_000_000, deep={"y": ["z"] * 1000})
    series.feed(Block(0, start + many + odd + large + event_line("run_finished", status="failed")))
    view = series.view
    assert len(view.of("log")) == KEPT["log"]
    assert view.of("log")[-1]["message"] == "2999"
    assert view.counts["log"] == 3000
    assert len(view.of("")) == 256
    assert len(view.counts) <= 256
    assert len(str(view.of("alert"))) < 10_000
    assert view.total_steps == 9
    assert (view.metrics["loss"].unit, view.metrics["loss"].goal) == ("nats", "min")
    assert view.finished["status"] == "failed"
    series.feed(Block(10**7, event_line("run_started")))
    assert view.finished is None
    assert view.segments == 2


def test_many_metrics_are_read_and_too_many_are_counted():
    series = RunSeries()
    wide = {f"layer{n}/norm": float(n) for n in range(300)}
    series.feed(Block(0, b"".join(metrics_line(s, **wide) for s in range(50))))
    assert len(series.names) == 300
    assert sum(series.envelope("layer299/norm").count) == 50
    flood = b"".join(metrics_line(s, **{f"new{s}": 1.0}) for s in range(50, 3000))
    series.feed(Block(10**7, flood))
    assert len(series.names) == 2000
    assert series.hidden_metrics > 1000


def test_names_that_clean_to_the_same_text_are_one_metric():
    series = RunSeries()
    for step in range(60):
        name = "loss" if step % 2 else "lo\x1b[1mss"
        series.feed(Block(step * 1000, metrics_line(step, **{name: float(step)})))
    assert series.names == ["loss"]
    assert sum(series.envelope("loss").count) == 60


def test_garbage_between_good_lines_costs_no_good_line():
    good = [metrics_line(s, a=float(s)) for s in range(2000)]
    for n in range(0, 2000, 37):
        good[n] = good[n] + b"\xff garbage\n"
    decoder = RowDecoder()
    steps = [step for part in decoder.parts(b"".join(good)) for step in part.steps]
    assert steps == list(range(2000))
    assert decoder.garbage == len(range(0, 2000, 37))


def test_the_index_stays_bounded_and_says_when_it_forgot():
    index = ByteIndex()
    for n in range(30_000):
        index.add(n * 300_000, (n + 1) * 300_000, n, n, (n, True))
    assert len(index) <= 4096
    (entry,) = index.overlapping(15_000, 15_001, 1 << 60)
    assert entry.start <= 15_000 * 300_000 < entry.end
    assert entry.low <= 15_000 <= entry.high
    for n in range(MAX_CUTS + 1):
        index.cut(Cut(n, n, "a"))
    assert not index.exact
    assert len(index.cuts) == MAX_CUTS
    index.cut(Cut(10**6, 0))
    assert len(index.cuts) == 1


def test_importing_events_loads_neither_numpy_nor_watchdog():
    code = (
        "import sys, trainer.events, trainer.events.series, trainer.events.sample, "
        "trainer.events.tail; print([m for m in sys.modules if m.split('.')[0] in "
        "('numpy', 'watchdog', 'torch', 'textual', 'pydantic', 'hydra')])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_steps_that_jump_all_the_time_end_in_a_coarse_picture_not_in_endless_reading(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("trainer.events.history._MEND_BYTES", 0)
    path = tmp_path / "e.jsonl"
    series = RunSeries(path, bins=4)
    with path.open("ab", buffering=0) as file:
        for n in range(300):
            for step in (n + 1, 1000, 1001):
                file.write(metrics_line(step, a=float(step)))
                series.poll()
    assert not series.exact
    assert not series.envelope("a").exact
    assert series._history._mended_bytes > 2 * path.stat().st_size
    assert [p.step for p in series.points("a", 290, 5000)] == [*range(290, 301), 1000, 1001]


def test_a_pipe_feeds_a_series():
    read, write = os.pipe()
    os.write(write, b"".join(metrics_line(s, a=float(s)) for s in range(100)) + b'{"torn')
    os.close(write)
    reader, batch, series = StreamReader(read), Batch(), RunSeries()
    for block in reader.blocks(batch, timeout=5):
        series.feed(block)
    os.close(read)
    assert batch.closed
    assert sum(series.envelope("a").count) == 100
    assert series.garbage == 1
