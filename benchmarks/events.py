"""How fast histories are read, against msgspec alone on the same file in the same run.

    python -m benchmarks.events            one million lines (and three for the memory)
    python -m benchmarks.events --long     ten million lines as well

The peer is msgspec's bare decode: `msgspec.json.Decoder(Line).decode_lines` on the same 1 MiB
chunks cut at newlines, where `Line` is a plain struct (default options) with the fields v, ts,
event, step, epoch and a nested struct made from the metrics' names, every value a float. It
throws its result away; ours makes complete series of every metric, index and clock included.
Both read the file anew in a fresh process, in turns; the ratio is that of the medians.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAMES = ("train/loss", "grad_norm", "lr", "perf/samples_per_sec", "perf/data_wait_sec")

_PEER = """
import json, sys, time
import msgspec
names = json.loads(sys.argv[2])
renamed = {f"f{i}": name for i, name in enumerate(names)}
Metrics = msgspec.defstruct("Metrics", [(field, float) for field in renamed], rename=renamed)
Line = msgspec.defstruct("Line", [("v", int), ("ts", float), ("event", str), ("step", int),
                                  ("epoch", int), ("metrics", Metrics)])
decoder = msgspec.json.Decoder(Line)
begin = time.perf_counter()
lines, rest = 0, b""
with open(sys.argv[1], "rb", buffering=0) as file:
    while chunk := file.read(1 << 20):
        chunk = rest + chunk
        cut = chunk.rfind(b"\\n") + 1
        rest = chunk[cut:]
        lines += len(decoder.decode_lines(chunk[:cut]))
print(json.dumps({"seconds": time.perf_counter() - begin, "lines": lines}))
"""

_OURS = """
import json, resource, sys, time
begin = time.perf_counter()
from trainer.events.series import RunSeries
loaded = time.perf_counter() - begin
begin = time.perf_counter()
series = RunSeries(sys.argv[1])
while series.poll().more:
    pass
seconds = time.perf_counter() - begin
spike = series.envelope("train/loss").greatest
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
begin = time.perf_counter()
series.zoom("train/loss", 54_000, 55_000)
zoom = time.perf_counter() - begin
print(json.dumps({"seconds": seconds, "lines": series.lines, "spike": spike, "peak_mb": peak,
                  "zoom": zoom, "loaded": loaded}))
"""

_FIRST = """
import json, resource, sys, time
begin = time.perf_counter()
from trainer.events.sample import sample
envelope = sample(sys.argv[1]).envelope("train/loss")
print(json.dumps({"seconds": time.perf_counter() - begin, "bins": len(envelope)}))
"""

Row = tuple[str, str, str]


def _write(path: Path, lines: int) -> None:
    """Write metrics lines of five metrics, with one value of 1000 at step 54,321."""
    dice = random.Random(7)
    with path.open("w", encoding="ascii") as file:
        for start in range(0, lines, 10_000):
            part = []
            for step in range(start, min(lines, start + 10_000)):
                loss = 1000.0 if step == 54_321 else round(2 + dice.random(), 5)
                part.append(
                    f'{{"v":1,"ts":{1763678913 + step * 0.01:.2f},"event":"metrics","step":{step},'
                    f'"epoch":{step // 1000},"metrics":{{"train/loss":{loss},'
                    f'"grad_norm":{dice.random():.4f},"lr":{3e-4 * dice.random():.4g},'
                    f'"perf/samples_per_sec":{812 * dice.random():.1f},'
                    f'"perf/data_wait_sec":{dice.random() / 100:.5f}}}}}\n'
                )
            file.write("".join(part))


def _fresh(code: str, *args: str) -> dict[str, float]:
    out = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, check=True)
    result: dict[str, float] = json.loads(out.stdout)
    return result


@contextmanager
def _history(lines: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="traindeck-bench-") as folder:
        path = Path(folder, "events.jsonl")
        _write(path, lines)
        yield path


def _bulk(path: Path, rounds: int) -> Iterator[Row]:
    peers, ours = [], []
    for _ in range(rounds):
        peers.append(_fresh(_PEER, str(path), json.dumps(NAMES))["seconds"])
        ours.append(_fresh(_OURS, str(path)))
    peer = statistics.median(peers)
    own = statistics.median(result["seconds"] for result in ours)
    megabytes = path.stat().st_size / 1e6
    lines = int(ours[0]["lines"])
    yield (
        f"{lines:,} lines x 5 metrics ({megabytes:.0f} MB) to complete series",
        f"{own / peer:.2f}x of msgspec's bare decode ({own:.2f} s, {peer:.2f} s)",
        "<= 1.5x",
    )
    peak = max(result["peak_mb"] for result in ours)
    yield f"peak resident memory at {lines:,} lines", f"{peak:.0f} MB", "<= 90 MB"
    kept = all(result["spike"] == 1000.0 for result in ours)
    yield "one value of 1000 at step 54,321", "kept" if kept else "LOST", "kept"
    zoom = statistics.median(result["zoom"] for result in ours)
    yield "zoom to 1,000 steps, read again exactly", f"{zoom * 1e3:.1f} ms", "-"
    firsts = [_fresh(_FIRST, str(path))["seconds"] for _ in range(rounds)]
    yield (
        f"first picture of {lines:,} lines, imports included",
        f"{statistics.median(firsts) * 1e3:.0f} ms",
        "<= 350 ms",
    )


def _tail(path: Path) -> Iterator[Row]:
    from trainer.events.series import RunSeries

    series = RunSeries(path)
    while series.poll().more:
        pass
    step = series.view.step or 0
    times = []
    with path.open("ab", buffering=0) as file:
        for _ in range(200):
            part = []
            for _ in range(100):
                step += 1
                values = dict.fromkeys(NAMES, 0.53)
                event = {"v": 1, "ts": 1.0 + step, "event": "metrics", "step": step, "epoch": 1}
                text = json.dumps({**event, "metrics": values}, separators=(",", ":"))
                part.append(text + "\n")
            file.write("".join(part).encode())
            begin = time.perf_counter()
            series.poll()
            times.append(time.perf_counter() - begin)
    assert series.view.step == step
    yield (
        "tail of 100 new lines, into the series",
        f"{statistics.median(times) * 1e3:.3f} ms (fastest {min(times) * 1e3:.3f})",
        "< 0.2 ms",
    )


def _polls() -> Iterator[Row]:
    from trainer.events import EventReader

    with tempfile.TemporaryDirectory(prefix="traindeck-bench-") as folder:
        readers = []
        for number in range(200):
            path = Path(folder, f"{number}.jsonl")
            path.write_text('{"v":1,"ts":1.0,"event":"log","level":"info","message":"x"}\n')
            readers.append(EventReader(path, keep_open=False))
        for reader in readers:
            reader.poll()
        times = []
        for _ in range(50):
            begin = time.perf_counter()
            for reader in readers:
                reader.poll()
            times.append(time.perf_counter() - begin)
    yield (
        "poll of 200 unchanged files",
        f"{statistics.median(times) * 1e3:.2f} ms (fastest {min(times) * 1e3:.2f})",
        "< 1 ms",
    )


def _writing() -> Iterator[Row]:
    from trainer.events import EventWriter

    values = dict.fromkeys(NAMES, 0.53)
    with (
        tempfile.TemporaryDirectory(prefix="traindeck-bench-") as folder,
        EventWriter(Path(folder, "events.jsonl")) as writer,
    ):
        count = 20_000
        cpu = time.process_time()
        begin = time.perf_counter()
        for step in range(count):
            writer.metrics(step, values)
        call = (time.perf_counter() - begin) / count
        writer.flush()
        whole = (time.process_time() - cpu) / count
    yield (
        "metrics() call of 5 values",
        f"{call * 1e6:.1f} us ({whole * 1e6:.1f} us CPU with encoding and writing)",
        "a few us",
    )


def main(argv: list[str] | None = None) -> list[Row]:
    """Measure everything; give rows of (what, measured, target)."""
    rows: list[Row] = []
    with _history(1_000_000) as path:
        rows += _bulk(path, rounds=5)
        rows += _tail(path)
    rows += _polls()
    rows += _writing()
    for lines in (10_000_000,) if "--long" in (argv or []) else (3_000_000,):
        with _history(lines) as path:
            rows += list(_bulk(path, rounds=1))
    return rows


def _print(rows: list[Row]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


if __name__ == "__main__":
    _print(main(sys.argv[1:]))
