"""Reading what grows, shrinks, is swapped, or was never meant to be read."""

import math
import os
import random
import tracemalloc

import pytest

from trainer.events import EventReader, StreamReader
from trainer.events.lines import LineCutter, parse_line


def line(name, **fields):
    import json

    return json.dumps({"v": 1, "ts": 1.0, "event": name, **fields}).encode() + b"\n"


def append(path, data):
    with path.open("ab") as file:
        file.write(data)


def names(batch):
    return [event["event"] for event in batch.events]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.jsonl"


@pytest.fixture(params=[True, False], ids=["kept open", "reopened"])
def keep_open(request):
    return request.param


def test_lines_come_once_and_a_partial_one_waits(path, keep_open):
    with EventReader(path, keep_open=keep_open) as reader:
        assert reader.poll().missing
        append(path, line("a") + line("b")[:10])
        assert names(reader.poll()) == ["a"]
        assert names(reader.poll()) == []
        append(path, line("b")[10:])
        assert names(reader.poll()) == ["b"]
        assert reader.offset == path.stat().st_size


def test_reading_can_begin_where_another_reader_stopped(path):
    append(path, line("a") + line("b"))
    reader = EventReader(path)
    reader.poll()
    append(path, line("c"))
    assert names(EventReader(path, reader.offset).poll()) == ["c"]


def test_a_long_file_comes_in_portions(path):
    append(path, b"".join(line("x", n=n) for n in range(100_000)))
    reader = EventReader(path)
    seen = []
    while True:
        batch = reader.poll(max_bytes=1 << 20)
        seen += [event["n"] for event in batch.events]
        if not batch.more:
            break
    assert seen == list(range(100_000))


def test_truncation_is_noticed(path, keep_open):
    reader = EventReader(path, keep_open=keep_open)
    append(path, line("a") * 3)
    reader.poll()
    os.truncate(path, 0)
    assert reader.poll().reset
    append(path, line("b"))
    assert names(reader.poll()) == ["b"]


def test_truncation_that_grew_back_beyond_the_old_size_is_noticed(path, keep_open):
    reader = EventReader(path, keep_open=keep_open)
    append(path, line("a") * 3)
    reader.poll()
    os.truncate(path, 0)
    append(path, line("bb") * 5)
    batch = reader.poll()
    assert batch.reset
    assert names(batch) == ["bb"] * 5


def test_a_replaced_file_starts_anew(path, tmp_path, keep_open):
    reader = EventReader(path, keep_open=keep_open)
    append(path, line("a"))
    reader.poll()
    other = tmp_path / "other"
    other.write_bytes(line("b") * 4)
    other.replace(path)
    batch = reader.poll()
    assert batch.reset
    assert names(batch) == ["b"] * 4


def test_a_longer_copy_put_in_its_place_is_read_on(path, tmp_path, keep_open):
    reader = EventReader(path, keep_open=keep_open)
    append(path, line("a", n=1))
    reader.poll()
    other = tmp_path / "other"
    other.write_bytes(path.read_bytes() + line("b"))
    other.replace(path)
    batch = reader.poll()
    assert not batch.reset
    assert names(batch) == ["b"]


def test_rotation_loses_nothing(path, tmp_path):
    reader = EventReader(path)
    append(path, line("a"))
    reader.poll()
    append(path, line("last"))
    path.rename(tmp_path / "events.jsonl.1")
    append(path, line("first") + line("second"))
    batches = [reader.poll(), reader.poll()]
    assert names(batches[0]) == ["last"]
    assert names(batches[1]) == ["first", "second"]
    assert batches[1].rotated
    assert not batches[1].reset


def test_a_deleted_file_may_come_back(path, keep_open):
    reader = EventReader(path, keep_open=keep_open)
    append(path, line("a"))
    reader.poll()
    path.unlink()
    assert reader.poll().missing
    append(path, line("b"))
    batch = reader.poll()
    assert batch.reset
    assert names(batch) == ["b"]


def test_what_is_no_file_is_an_error_in_the_batch(path):
    os.mkfifo(path)
    assert isinstance(EventReader(path).poll().error, OSError)
    assert isinstance(EventReader(path.parent).poll().error, OSError)


def test_garbage_is_counted_and_skipped(path):
    append(path, b"\xff\xfe\n" + line("a") + b"[]\n{}\nnull\n\n  \n" + line("b") + b'{"event":1}\n')
    batch = EventReader(path).poll()
    assert names(batch) == ["a", "b"]
    assert batch.garbage == 5


def test_a_line_of_100_megabytes_is_skipped_in_little_memory(path):
    append(path, line("a"))
    with path.open("ab") as file:
        file.write(b'{"event":"')
        for _ in range(100):
            file.write(b"x" * (1 << 20))
        file.write(b'"}\n')
    append(path, line("b"))
    reader = EventReader(path)
    tracemalloc.start()
    seen, garbage = [], 0
    while True:
        batch = reader.poll()
        seen += names(batch)
        garbage += batch.garbage
        if not batch.more:
            break
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (seen, garbage) == (["a", "b"], 1)
    assert peak < 24 << 20


def test_binary_noise_is_only_garbage(path):
    append(path, random.Random(1).randbytes(1 << 20) + b"\n" + line("a"))
    batch = EventReader(path).poll()
    assert names(batch) == ["a"]
    assert batch.garbage > 1000


def test_nothing_escapes_from_text_and_numbers_are_numbers():
    event = parse_line(
        line(
            "metrics",
            step=3.0,
            epoch="Infinity",
            host="h\x1b]52;c;x\x07\nost",
            message="two\nlines\x1b[2J",
            metrics={"lo\x1b[1mss": "NaN", "n": 3, "bad": None, "up": "Infinity", "x": "text"},
        )
    )
    assert event["step"] == 3
    assert event["epoch"] == math.inf
    assert event["host"] == "h ost"
    assert event["message"] == "two\nlines"
    assert math.isnan(event["metrics"].pop("loss"))
    assert event["metrics"] == {"n": 3.0, "up": math.inf}


@pytest.mark.parametrize(
    "raw",
    [
        b'{"event":"metrics","metrics":{"a":NaN}}',
        b'\xef\xbb\xbf{"event":"metrics","metrics":{"a":"NaN"}}',
        b'\x00\x00{"metrics":{"a":"NaN"}}',
    ],
)
def test_lines_of_less_careful_writers_are_read(raw):
    event = parse_line(raw)
    assert event["event"] == "metrics"
    assert math.isnan(event["metrics"]["a"])


def test_deep_nesting_is_cut_off():
    deep = b'{"event":"x","deep":' + b"[" * 50 + b"]" * 50 + b"}"
    assert parse_line(deep)["event"] == "x"
    assert parse_line(b'{"event":"x","deep":' + b"[" * 100_000) is None


def test_any_way_of_cutting_gives_the_same_lines():
    data = b"".join(b"%d\n" % n * (n % 7) for n in range(300)) + b"x" * 5000 + b"\nend\nrest"
    for seed in range(30):
        dice = random.Random(seed)
        cutter = LineCutter(max_line=1000)
        found, place = [], 0
        while place < len(data):
            size = dice.choice([1, 3, 50, 2000])
            block = cutter.feed(data[place : place + size])
            place += size
            if block is not None:
                assert data[block.start : block.end] == block.data
                found += block.data.split(b"\n")[:-1]
        assert cutter.garbage == 1 or b"x" * 5000 in found
        assert [x for x in found if not x.startswith(b"x")] == [
            x for x in data.split(b"\n")[:-1] if not x.startswith(b"x")
        ]
        assert cutter.finish().data == b"rest\n"


def test_a_pipe_gives_lines_as_they_come_and_its_last_one_at_the_end():
    read, write = os.pipe()
    reader = StreamReader(read)
    try:
        assert names(reader.poll()) == []
        os.write(write, line("a") + line("b")[:5])
        assert names(reader.poll(timeout=5)) == ["a"]
        os.write(write, line("b")[5:-1])
        os.close(write)
        batch = reader.poll(timeout=5)
        assert names(batch) == ["b"]
        assert batch.closed
        assert reader.poll().closed
    finally:
        os.close(read)
