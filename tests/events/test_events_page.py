"""docs/events.md: its examples run, and what it states is what the code does."""

import re
from pathlib import Path

import pytest

from trainer.events import envelope, fast, lines, reader, sample, schema, series, sink, writer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "events.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_its_examples_run_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    events = names["batch"].events
    assert [event["event"] for event in events].count("metrics") == 1000
    assert events[-1]["status"] == "completed"
    (tmp_path / "runs/mine/logs/events.jsonl").stat()
    drawn = series.RunSeries("runs/mine/logs/events.jsonl")
    drawn.poll()
    assert len(drawn.envelope("lr")) == 1000
    assert sum(drawn.zoom("lr", 1, 9, 4).count) == 8
    assert [point.step for point in drawn.points("lr", 1, 4)] == [1, 2, 3]
    assert sample.sample("runs/mine/logs/events.jsonl").names == ["train/loss", "lr"]


def test_its_table_of_events_has_the_fields_of_the_schema():
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| ", TEXT, re.MULTILINE)
    defs = schema.json_schema()["$defs"]
    common = set(schema.json_schema()["properties"])
    assert {name for name, _ in rows} == {
        branch["if"]["properties"]["event"]["const"] for branch in schema.json_schema()["allOf"]
    }
    for name, fields in rows:
        said = set(re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", fields)))
        known = set(defs[name].get("properties", {})) | set(defs[name].get("required", ()))
        # `dropped` belongs to the one log line that the page tells of elsewhere.
        assert known - said <= {"dropped"}, name
        assert said - known <= common, name
    levels = ", ".join(f"`{level}`" for level in schema.LEVELS)
    assert f"Levels are {levels}." in TEXT
    assert defs["level"]["enum"] == list(schema.LEVELS)


@pytest.mark.parametrize(
    ("text", "value", "shown"),
    [
        (
            "`flush_interval` ({} s)",
            writer.EventWriter.__init__.__kwdefaults__["flush_interval"],
            0.25,
        ),
        ("Up to {} MiB waits for space", sink.BACKLOG_BYTES >> 20, 1),
        ("up to {} rows wait", f"{writer.MAX_PENDING:,}", "50,000"),
        ("one longer than {} MiB is skipped", schema.MAX_LINE_BYTES >> 20, 4),
        ("up to {} bins of steps", f"{envelope.BINS:,}", "1,024"),
        ("`poll()` reads up to {} MiB", series.POLL_BYTES >> 20, 8),
        ("At most {} metrics are kept", f"{fast.MAX_METRICS:,}", "2,000"),
        ("`v` ({})", schema.SCHEMA_VERSION, 1),
    ],
)
def test_its_figures_are_those_of_the_code(text, value, shown):
    assert value == shown
    assert text.format(shown) in " ".join(TEXT.split())
    assert reader.POLL_BYTES == series.POLL_BYTES
    assert lines.MAX_STEP == 1 << 53


def test_its_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert "performance.md" in links
    for link in links:
        assert (PAGE.parent / link).exists(), link
