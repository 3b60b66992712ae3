"""Each command on a finished run: what it prints, what it exits with."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import trainer.events
from trainer.runs.layout import RunFolder
from trainer.runs.status import State, read_status

SCHEMA = json.loads((Path(trainer.events.__file__).parent / "schema.json").read_text())


def is_step(event: dict[str, Any]) -> bool:
    return event["event"] == "metrics" and "train/loss" in event["metrics"]


def run_id(run: RunFolder) -> str:
    return str(run.identity()["id"])


def test_a_run_completes_and_its_folder_describes_it(shared_deck: Any, finished: RunFolder) -> None:
    status = read_status(finished)
    assert status.state == State.COMPLETED
    assert status.progress.step == 60
    for path in (
        finished.run_json,
        finished.config,
        finished.overrides,
        finished.provenance,
        finished.hash_summary,
        finished.command,
        finished.status,
        finished.events,
        finished.output,
        finished.debug_log,
        finished.checkpoints / "last.ckpt",
        finished.checkpoints / "best.ckpt",
    ):
        assert path.exists(), path


def test_every_event_of_a_real_run_follows_the_published_schema(finished: RunFolder) -> None:
    lines = finished.events.read_text().splitlines()
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for line in lines:
        validator.validate(json.loads(line))
    kinds = {json.loads(line)["event"] for line in lines}
    assert {"run_started", "metrics", "checkpoint", "log", "run_finished"} <= kinds


def test_every_step_has_its_metrics(finished: RunFolder) -> None:
    events = [json.loads(line) for line in finished.events.read_text().splitlines()]
    steps = [e["step"] for e in events if is_step(e)]
    assert steps == list(range(1, 61))
    (first,) = [e for e in events if is_step(e) and e["step"] == 1]
    for name in ("lr", "grad_norm", "grad_clip_pct", "perf/samples_per_sec"):
        assert name in first["metrics"]


def test_the_log_for_people_tells_config_overrides_and_what_happened(finished: RunFolder) -> None:
    text = finished.debug_log.read_text()
    for part in ("- `quickstart`", "      max_steps: 60", "started on", "last-epoch00001.ckpt"):
        assert part in text
    assert text.rstrip().splitlines()[-1].endswith("**completed**: max_steps reached")


def test_runs_lists_it(shared_deck: Any, finished: RunFolder) -> None:
    out = shared_deck("runs").stdout
    assert "completed" in out
    assert "shared" in out
    rows = json.loads(shared_deck("runs", "--json", "--tag", "demo").stdout)
    assert run_id(finished) in [row["id"] for row in rows]
    assert json.loads(shared_deck("runs", "--json", "--tag", "other").stdout) == []
    assert json.loads(shared_deck("runs", "--json", "--state", "running").stdout) == []


def test_show_says_how_it_ended(shared_deck: Any, finished: RunFolder) -> None:
    out = shared_deck("show", "shared").stdout
    assert "completed" in out
    assert "60/60" in out
    assert "last-epoch" in out
    whole = json.loads(shared_deck("show", run_id(finished), "--json").stdout)
    assert whole["status"]["state"] == "completed"
    assert whole["identity"]["tags"] == ["demo"]


def test_watch_of_a_finished_run_tells_it_and_exits_with_its_code(
    shared_deck: Any, finished: RunFolder
) -> None:
    done = shared_deck("watch", "shared")
    assert "completed" in done.stdout
    assert "checkpoint" in done.stdout
    assert not any(ord(c) < 32 and c != "\n" for c in done.stdout)


def test_watch_reads_a_file_and_a_pipe(shared_deck: Any, finished: RunFolder) -> None:
    from_file = shared_deck("watch", str(finished.events), "--json").stdout
    from_pipe = shared_deck("watch", "-", "--json", stdin=finished.events.read_text()).stdout
    assert from_file == from_pipe
    original = [json.loads(line) for line in finished.events.read_text().splitlines()]
    assert [json.loads(line) for line in from_pipe.splitlines()] == original


def test_nan_goes_through_a_pipe_as_valid_json(shared_deck: Any) -> None:
    text = (
        '{"v":1,"ts":1.0,"event":"metrics","step":1,"metrics":{"train/loss":"NaN","lr":0.1}}\n'
        '{"v":1,"ts":2.0,"event":"run_finished","status":"completed"}\n'
    )
    out = shared_deck("watch", "-", "--json", stdin=text).stdout
    first = json.loads(out.splitlines()[0], parse_constant=pytest.fail)
    assert first["metrics"] == {"train/loss": "NaN", "lr": 0.1}
    assert "train/loss NaN" in shared_deck("watch", "-", stdin=text).stdout


def test_watch_of_a_stream_that_breaks_off_is_a_failure(
    shared_deck: Any, finished: RunFolder
) -> None:
    cut = "".join(finished.events.read_text().splitlines(keepends=True)[:20])
    done = shared_deck("watch", "-", stdin=cut, code=1)
    assert "ended before the run did" in done.stderr


def test_logs_shows_the_last_lines(shared_deck: Any, finished: RunFolder) -> None:
    whole = shared_deck("logs", "shared", "-n", "100000").stdout
    last = shared_deck("logs", "shared", "-n", "2").stdout
    assert whole.endswith(last)
    assert len(last.splitlines()) <= 2


def test_export_gives_a_row_a_step(shared_deck: Any, finished: RunFolder, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(shared_deck("export", "shared").stdout)))
    assert [int(row["step"]) for row in rows] == list(range(1, 61))
    assert all(float(row["train/loss"]) > 0 for row in rows)
    target = tmp_path / "out.jsonl"
    shared_deck("export", "shared", "--format", "jsonl", "-o", str(target), "--metric", "val/loss")
    values = [json.loads(line) for line in target.read_text().splitlines()]
    assert [v["step"] for v in values if v["metrics"]] == [20, 40, 60]
    done = shared_deck("export", "shared", "--metric", "val/los", code=2)
    assert "val/loss" in done.stderr


def test_rerun_has_the_same_hash_and_the_same_losses(shared_deck: Any, finished: RunFolder) -> None:
    before = json.loads(
        shared_deck("export", "shared", "--format", "jsonl").stdout.splitlines()[-1]
    )
    done = shared_deck("rerun", "shared", "--json", "--name", "again")
    again = RunFolder(Path(json.loads(done.stdout.splitlines()[-1])["path"]))
    assert again.path != finished.path
    assert again.identity()["config_hash"] == finished.identity()["config_hash"]
    assert again.identity()["parent"] == {"rerun": run_id(finished)}
    after = json.loads(shared_deck("export", "again", "--format", "jsonl").stdout.splitlines()[-1])
    for name in ("train/loss", "val/loss", "grad_norm"):
        assert after["metrics"][name] == before["metrics"][name]
    same = shared_deck("diff", "shared", "again").stdout
    assert "the same config" in same


def test_the_sample_is_kept_and_told(shared_deck: Any, finished: RunFolder) -> None:
    sample = (finished.outputs / "sample.txt").read_text()
    assert len(sample) > 50


@pytest.mark.parametrize("command", ["show", "logs", "stop", "resume", "watch", "export"])
def test_an_unknown_run_is_named_with_the_nearest(
    shared_deck: Any, finished: RunFolder, command: str
) -> None:
    done = shared_deck(command, "sharde", code=2)
    assert done.stderr.startswith("traindeck: ")
    assert "shared" in done.stderr


def test_stop_of_a_finished_run_says_so(shared_deck: Any, finished: RunFolder) -> None:
    done = shared_deck("stop", "shared", code=2)
    assert "not running" in done.stderr


def test_export_to_where_nothing_can_be_written_says_so(
    shared_deck: Any, finished: RunFolder
) -> None:
    done = shared_deck("export", "shared", "-o", "/nonexistent/x.csv", code=2)
    assert "/nonexistent/x.csv" in done.stderr


def test_an_id_that_would_drive_the_terminal_is_shown_harmlessly(deck: Any) -> None:
    folder = deck.runs_dir / "2026-01-01" / "00-00-00-evil-abc"
    folder.mkdir(parents=True)
    evil = "\x1b]0;PWN\x07evil\x1b[2J"
    (folder / "run.json").write_text(json.dumps({"v": 1, "id": evil, "name": evil, "tags": [evil]}))
    (folder / "status.json").write_text(json.dumps({"v": 1, "state": "failed", "reason": evil}))
    for command in (["runs"], ["show", str(folder)], ["watch", str(folder)], ["logs", str(folder)]):
        done = deck(*command, code=None)
        assert "\x1b" not in done.stdout + done.stderr, command
        assert "\x07" not in done.stdout + done.stderr, command


@pytest.mark.parametrize(
    ("key", "code", "said"),
    [
        ("trainer.early_stopping.patience", 0, "set nowhere"),
        ("trainer.foo", 2, "has no key 'trainer.foo'.\n"),
        ("lr", 2, "Did you mean 'optimizer.config.lr'?"),
        ("optimizer.config.momentum", 2, "'optimizer.config' has lr, betas"),
        ("limits.wall_clok", 2, "Did you mean 'limits.wall_clock'?"),
    ],
)
def test_where_a_key_is_that_is_not_set_or_not_there(
    deck: Any, key: str, code: int, said: str
) -> None:
    done = deck("config", "where", key, code=code)
    assert said in done.stdout + done.stderr
