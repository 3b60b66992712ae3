"""How fast histories are read, against msgspec alone on the same file in the same run.

    python -m benchmarks.events            one million plain lines, 400,000 mixed ones, and
                                           three million for the memory
    python -m benchmarks.events --long     ten million lines as well

The peer is msgspec's bare decode: `msgspec.json.Decoder(Line).decode_lines` on the same 1 MiB
chunks cut at newlines, where `Line` is a plain struct (default options) with the fields v, ts,
event, step, epoch and a nested struct made from the metrics' names. It throws its result away;
ours makes complete series of every metric, index, clock and other events included. For the plain
file every field of the peer is required and every value a float; for the mixed file, which looks
like what the engine writes, all are optional and a value may be a text (the first line, whose
`metrics` are descriptions, is not given to it).

Both read the file anew in a fresh process, in turns. A ratio is the median of the pairs' ratios,
in wall time of the reading, and in CPU time of the whole process (user and system, start and
imports included).
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

NAMES = ("train/loss", "grad_norm", "lr", "perf/samples_per_sec", "perf/data_wait_sec")

MIXED_NAMES = (
    "train/loss", "memory/rss_bytes", "lr", "grad_norm", "grad_clip_pct", "perf/batch_time_sec",
    "perf/data_wait_sec", "perf/batches_per_sec", "perf/samples_per_sec", "perf/tokens_per_sec",
    "val/loss", "val/bits_per_byte", "perf/validation_time_sec",
)  # fmt: skip

_PEER = """
import json, sys, time
import msgspec
names, mixed = json.loads(sys.argv[2]), sys.argv[3] == "mixed"
renamed = {f"f{i}": name for i, name in enumerate(names)}
value = (float | str | None, None) if mixed else (float,)
Metrics = msgspec.defstruct("Metrics", [(field, *value) for field in renamed], rename=renamed)
fields = [("v", int), ("ts", float), ("event", str), ("step", int), ("epoch", int),
          ("metrics", Metrics)]
if mixed:
    fields[3:] = [(name, kind | None, None) for name, kind in fields[3:]]
Line = msgspec.defstruct("Line", fields)
decoder = msgspec.json.Decoder(Line)
begin = time.perf_counter()
lines, rest = 0, b""
with open(sys.argv[1], "rb", buffering=0) as file:
    if mixed:
        file.seek(file.read(1 << 16).index(b"\\n") + 1)
    while chunk := file.read(1 << 20):
        chunk = rest + chunk
        cut = chunk.rfind(b"\\n") + 1
        rest = chunk[cut:]
        lines += len(decoder.decode_lines(chunk[:cut]))
print(json.dumps({"seconds": time.perf_counter() - begin, "lines": lines,
                  "cpu": time.process_time()}))
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
cpu = time.process_time()
spike = series.envelope("train/loss").greatest
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
begin = time.perf_counter()
series.zoom("train/loss", 54_000, 55_000)
zoom = time.perf_counter() - begin
print(json.dumps({"seconds": seconds, "lines": series.lines, "spike": spike, "peak_mb": peak,
                  "zoom": zoom, "loaded": loaded, "cpu": cpu}))
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


def _write_mixed(path: Path, lines: int) -> None:
    """Write what our engine does: steps, memory once a second, validation, checkpoints, logs."""
    dice = random.Random(7)
    now, step, count = 1763678913.5, 0, 1
    next_memory, next_validation = now + 1.0, 150
    described = {"train/loss": {"unit": "nats", "goal": "min"}, "lr": {}}
    start = {"v": 1, "ts": now, "event": "run_started", "step": 0, "metrics": described}
    with path.open("w", encoding="ascii") as file:
        file.write(_text(start))
        while count < lines:
            step += 1
            now += 0.004 + dice.random() / 100
            loss: float | str = 1000.0 if step == 54_321 else 2 + dice.random()
            values: dict[str, object] = {"train/loss": "NaN" if step % 100_000 == 0 else loss}
            if now > next_memory:
                next_memory = now + 1.0
                values["memory/rss_bytes"] = 461971456 + dice.randrange(1 << 20)
            values |= {
                "lr": 3e-4 * dice.random(),
                "grad_norm": 3 * dice.random(),
                "grad_clip_pct": round(100 * dice.random(), 4),
                "perf/batch_time_sec": round(dice.random(), 6),
                "perf/data_wait_sec": round(dice.random() / 1000, 6),
                "perf/batches_per_sec": round(100 * dice.random(), 3),
                "perf/samples_per_sec": round(1000 * dice.random(), 2),
                "perf/tokens_per_sec": round(1e5 * dice.random(), 1),
            }
            at = {"step": step, "epoch": step // 1000}
            new: list[dict[str, object]] = [{"event": "metrics", **at, "metrics": values}]
            if step >= next_validation:
                next_validation += dice.randrange(100, 200)
                values = {"val/loss": dice.random(), "val/bits_per_byte": 3 * dice.random()}
                values["perf/validation_time_sec"] = round(dice.random(), 6)
                new.append({"event": "metrics", **at, "metrics": values})
                saved = {"path": "checkpoints/last-epoch00001.ckpt", "kind": "last", **at}
                new.append({"event": "checkpoint", **saved, "bytes": 9894755, "pause_s": 0.002757})
                if dice.random() < 0.4:
                    new.append({"event": "epoch_finished", **at, "seconds": 235.478277})
                    new.append({"event": "log", "level": "info", "message": "A sample:\n  def"})
            file.write("".join([_text({"v": 1, "ts": now, **event}) for event in new]))
            count += len(new)


def _text(event: dict[str, object]) -> str:
    return json.dumps(event, separators=(",", ":")) + "\n"


def _fresh(code: str, *args: str) -> dict[str, float]:
    out = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, check=True)
    result: dict[str, float] = json.loads(out.stdout)
    return result


@contextmanager
def _history(lines: int, write: Callable[[Path, int], None] = _write) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="traindeck-bench-") as folder:
        path = Path(folder, "events.jsonl")
        write(path, lines)
        yield path


Pairs = list[tuple[dict[str, float], dict[str, float]]]


def _pairs(path: Path, rounds: int, names: tuple[str, ...], kind: str) -> Pairs:
    """Run the peer and ours in turns, each in a fresh process."""
    peer = (_PEER, str(path), json.dumps(names), kind)
    return [(_fresh(*peer), _fresh(_OURS, str(path))) for _ in range(rounds)]


def _ratios(pairs: Pairs) -> str:
    texts = []
    for key, label in (("seconds", "wall"), ("cpu", "CPU")):
        ratio = statistics.median(own[key] / peer[key] for peer, own in pairs)
        own = statistics.median(own[key] for _, own in pairs)
        peer = statistics.median(peer[key] for peer, _ in pairs)
        texts.append(f"{ratio:.2f}x {label} ({own:.2f} s, {peer:.2f} s)")
    return ", ".join(texts) + " of msgspec's bare decode"


def _bulk(path: Path, rounds: int, names: tuple[str, ...], kind: str) -> Iterator[Row]:
    pairs = _pairs(path, rounds, names, kind)
    ours = [own for _, own in pairs]
    lines = int(ours[0]["lines"])
    what = f"{lines:,} {kind} lines, {len(names)} metrics"
    megabytes = path.stat().st_size / 1e6
    yield f"{what} ({megabytes:.0f} MB) to complete series", _ratios(pairs), "<= 1.5x"
    peak = max(own["peak_mb"] for own in ours)
    yield f"peak resident memory, {what}", f"{peak:.0f} MB", "<= 90 MB"
    kept = all(own["spike"] == 1000.0 for own in ours)
    yield f"one value of 1000 at step 54,321, {what}", "kept" if kept else "LOST", "kept"


def _pictures(path: Path, rounds: int) -> Iterator[Row]:
    zooms = [_fresh(_OURS, str(path))["zoom"] for _ in range(rounds)]
    zoom = statistics.median(zooms)
    yield "zoom to 1,000 steps, read again exactly", f"{zoom * 1e3:.1f} ms", "-"
    firsts = [_fresh(_FIRST, str(path))["seconds"] for _ in range(rounds)]
    yield (
        f"first picture of {path.stat().st_size / 1e6:.0f} MB, imports included",
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
        rows += _bulk(path, 5, NAMES, "plain")
        rows += _pictures(path, 3)
        rows += _tail(path)
    with _history(400_000, _write_mixed) as path:
        rows += _bulk(path, 5, MIXED_NAMES, "mixed")
    rows += _polls()
    rows += _writing()
    for lines in (10_000_000,) if "--long" in (argv or []) else (3_000_000,):
        with _history(lines) as path:
            rows += _bulk(path, 1, NAMES, "plain")
    return rows


def _print(rows: list[Row]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


if __name__ == "__main__":
    _print(main(sys.argv[1:]))
