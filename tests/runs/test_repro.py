"""The checklist on run folders, whole and damaged; and two runs side by side."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from trainer.config.onto import compose_onto
from trainer.runs import launch, provenance, worktree
from trainer.runs.layout import RunFolder, read_json, write_json_atomic
from trainer.runs.repro.checklist import Mark, Point, points
from trainer.runs.repro.compare import compare_figures, compare_parts, outcome_words
from trainer.runs.repro.facts import Facts, changed_since, facts_of
from trainer.runs.repro.verify import APART

Make = Callable[..., RunFolder]


@pytest.fixture
def make(tmp_path: Path, composed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make run folders that nobody starts."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    def make(rows: Any = (), **sections: Any) -> RunFolder:
        run = launch.create(composed(**sections), runs_dir=tmp_path / "runs", cwd=tmp_path)
        lines = [
            {"v": 1, "ts": 1.0, "event": "metrics", "step": step, "metrics": metrics}
            for step, metrics in rows
        ]
        run.events.write_text("".join(json.dumps(each) + "\n" for each in lines))
        return run

    return make


def walk(run: RunFolder) -> dict[str, Point]:
    return {point.key: point for point in points(facts_of(run))}


def missing(run: RunFolder) -> list[str]:
    return [key for key, point in walk(run).items() if point.mark == Mark.MISSING]


def of_config(**config: Any) -> dict[str, Point]:
    return {point.key: point for point in points(Facts(config))}


def test_a_run_that_traindeck_launched_lacks_nothing(make: Make) -> None:
    run = make()
    assert missing(run) == []
    found = list(walk(run))
    assert found[:5] == ["seed", "stft", "config", "determinism", "environment"]
    assert changed_since(facts_of(run)) == []


def test_a_damaged_file_is_a_point_and_no_traceback(make: Make) -> None:
    run = make()
    telling = {
        "environment.json": {"environment"},
        "run_hash_summary.json": {"code"},
        "config.yaml": {"seed", "config", "threads"},
        "run.json": set(),
        "environment.trainer.json": set(),
        "status.json": set(),
    }
    for name, told in telling.items():
        path = run.path / name
        whole = path.read_bytes() if path.exists() else b""
        for content in (None, "", "[]", "{", '{"packages": 3}', "\0", "[" * 99_999):
            path.unlink(missing_ok=True)
            if content is not None:
                path.write_text(content)
            facts = facts_of(run)
            assert told <= set(missing(run)), (name, content and content[:20])
            changed_since(facts)
            compare_parts(facts, facts)
        path.write_bytes(whole)


def test_odd_sections_do_no_harm(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worktree, "state", lambda *_: None)
    facts = facts_of(make())
    for key in ("seed", "trainer", "run", "data", "loss", "eval_loss", "model"):
        for odd in (None, 3, "x", [], [[{}]], {"devices": {}, "root": 3}):
            points(replace(facts, config={**facts.config, key: odd}))
            of_config(**{key: odd})


def test_a_config_that_was_changed_afterwards_is_told(make: Make) -> None:
    run = make()
    run.config.write_text(run.config.read_text().replace("42", "43"))
    assert "its hash is another" in walk(run)["config"].words


def test_checkpoints_elsewhere_want_the_config_beside_them(make: Make, tmp_path: Path) -> None:
    run = make(trainer={"ckpt_dir": str(tmp_path / "store"), "accelerator": "cpu"})
    assert missing(run) == ["config"]
    folder = Path(run.identity()["checkpoint_dir"])
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_bytes(run.config.read_bytes())
    assert missing(run) == []
    (folder / "config.yaml").write_text("seed: 1\n")
    assert missing(run) == ["config"]


@pytest.mark.parametrize(
    ("trainer", "mark"),
    [
        ({"accelerator": "cpu", "devices": 1}, Mark.NONE),
        ({"accelerator": "gpu", "devices": 1}, Mark.NONE),
        ({"accelerator": "gpu", "devices": 2}, Mark.MISSING),
        ({"accelerator": "gpu", "devices": "2"}, Mark.MISSING),
        ({"accelerator": "gpu", "devices": [0, 1]}, Mark.MISSING),
        ({"accelerator": "cpu", "devices": 1, "num_nodes": 2}, Mark.MISSING),
        ({"accelerator": "gpu", "devices": 2, "deterministic": "warn"}, Mark.MISSING),
        ({"accelerator": "gpu", "devices": 2, "deterministic": True}, Mark.OK),
        ({"accelerator": "gpu", "devices": 2, "strict_deterministic": True}, Mark.OK),
        (
            {"accelerator": "gpu", "devices": 2, "deterministic": True, "benchmark": True},
            Mark.MISSING,
        ),
        (
            {"accelerator": "gpu", "devices": 2, "strict_deterministic": True, "benchmark": True},
            Mark.OK,
        ),
    ],
)
def test_distributed_runs_want_determinism(trainer: dict[str, Any], mark: Mark) -> None:
    point = of_config(trainer=trainer)["determinism"]
    assert point.mark == mark
    assert bool(point.remedy) == (mark == Mark.MISSING)


def test_what_was_seen_counts_more_than_the_config(make: Make) -> None:
    run = make(trainer={"accelerator": "auto", "devices": "auto"})
    assert "determinism" not in missing(run)
    seen = [{"attempts": [1], "world_size": 4, "device": "cuda", "differs": [], "threads": 3}]
    write_json_atomic(run.environment_seen, {"v": 1, "seen": seen})
    assert {"determinism", "threads"} <= set(missing(run))
    seen[0]["differs"] = ["torch 1 → 2"]
    write_json_atomic(run.environment_seen, {"v": 1, "seen": seen})
    assert walk(run)["environment"].words == "attempt 1 ran in another one: torch 1 → 2"


def test_stft_settings_that_clash_are_told() -> None:
    stft = {"fft_size": 2048, "hop_size": 512}
    loss = {"groups": {"spectral": {"stft_mse": {"config": stft}}}}
    same = of_config(loss=loss, eval_loss={"stft": stft})["stft"]
    assert (same.mark, "eval_loss.stft" in same.words) == (Mark.OK, True)
    other = of_config(loss=loss, eval_loss={"stft": {**stft, "hop_size": 256}})["stft"]
    assert other.mark == Mark.MISSING
    assert "hop_size 256, not 512" in other.words
    assert of_config(loss=loss)["stft"].mark == Mark.NONE
    apart = of_config(model={"a": {"pre_transform": 1}}, eval_loss={"b": {"pre_transform": 2}})
    assert apart["stft"].mark == Mark.MISSING


def test_code_that_no_commit_holds_is_in_the_patch(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "t")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "t@example.org")
    target = {"_target_": "mine.Model"}
    assert "mine.Model" in walk(make(model=target))["code"].words
    assert missing(make(model=target)) == ["code"]
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "mine.py").write_text("a = 1\n")
    assert missing(make(model=target)) == ["code"]
    subprocess.run(["git", "add", "mine.py"], cwd=tmp_path, check=True)
    subprocess.run(["git", "commit", "-qm", "x"], cwd=tmp_path, check=True)
    clean = make(model=target)
    assert walk(clean)["code"].mark == Mark.OK
    (tmp_path / "mine.py").write_text("a = 2\n")
    dirty = make(model=target)
    assert b"+a = 2" in dirty.code_patch.read_bytes()
    assert "code.patch" in walk(dirty)["code"].words
    (told,) = changed_since(facts_of(clean))
    assert told.startswith("code: commit")
    assert changed_since(facts_of(dirty)) == []
    dirty.code_patch.unlink()
    assert missing(dirty) == ["code"]


def test_data_count_by_their_hash(make: Make, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_text("one")
    run = make(data={"root": "data"})
    assert walk(run)["data"].words.startswith("1 file, 3 B")
    (tmp_path / "data" / "b").write_text("two")
    (told,) = changed_since(facts_of(run))
    assert told.startswith("data: 1 file")
    assert missing(make(data={"root": "nowhere"})) == ["data"]


def test_a_run_without_seed_or_threads_cannot_be_repeated(make: Make) -> None:
    run = make()
    config = yaml.safe_load(run.config.read_text())
    config["seed"] = config["run"]["num_threads"] = None
    run.config.write_text(yaml.safe_dump(config))
    assert {"seed", "threads"} <= set(missing(run))
    # Before the launch both are still to be settled.
    assert of_config(seed=None)["seed"].mark == Mark.OK


def test_the_checkpoint_that_a_run_began_from_must_be_there(make: Make, tmp_path: Path) -> None:
    begun = tmp_path / "begun.ckpt"
    run = make(run={"resume": str(begun), "num_threads": 1})
    assert missing(run) == ["resume"]
    begun.touch()
    assert missing(run) == []


def test_two_runs_with_the_same_inputs(make: Make) -> None:
    one, two = facts_of(make()), facts_of(make())
    assert [part.same for part in compare_parts(one, two)] == [True] * 4


def test_parts_that_differ_are_named(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = facts_of(make())
    monkeypatch.setenv("OMP_NUM_THREADS", "17")
    monkeypatch.setattr(provenance, "package_hash", lambda: "other")
    two = facts_of(make(seed=7))
    parts = {part.name: part for part in compare_parts(one, two)}
    assert parts["config"].words == "seed 42 → 7"
    assert "OMP_NUM_THREADS" in parts["environment"].words
    assert parts["code"].words == "traindeck itself is another one"
    assert [parts[name].same for name in ("config", "code", "environment", "data")] == [
        *(False, False, False),
        True,
    ]


def test_figures_are_compared_by_their_bits(make: Make) -> None:
    rows = [(step, {"train/loss": 1 / step, "perf/speed": step}) for step in range(1, 9)]
    one = make(rows)
    faster = [(step, {**row, "perf/speed": 0.1}) for step, row in rows]
    same = compare_figures(one, make(faster))
    assert (same.equal, same.steps, same.metrics) == (True, 8, ("train/loss",))

    last_bit = [(s, {"train/loss": r["train/loss"] * (1 + 2**-52 * (s >= 5))}) for s, r in rows]
    other = compare_figures(one, make(last_bit))
    assert (other.equal, other.parted) == (False, 5)
    assert "they part at step 5: train/loss 0.2 and 0.2" in outcome_words(other)
    assert compare_figures(one, make(last_bit), up_to=4).equal

    shorter = compare_figures(one, make(rows[:3]))
    assert (shorter.equal, shorter.only) == (True, (5, 0))
    assert "5 more steps" in outcome_words(shorter)
    assert not compare_figures(one, make()).equal


@pytest.mark.parametrize("value", ["NaN", "Infinity", -0.0, 10**400, True, None, "x"])
def test_odd_values_are_equal_to_themselves_alone(make: Make, value: Any) -> None:
    one, two = make([(1, {"a": value})]), make([(1, {"a": value})])
    assert compare_figures(one, two).parted is None
    assert compare_figures(one, make([(1, {"a": 0.0})])).parted in (1, None)
    if value == "NaN":
        assert compare_figures(one, make([(1, {"a": 0.0})])).parted == 1


def test_after_a_resume_the_later_value_counts(make: Make) -> None:
    whole = [(step, {"a": float(step)}) for step in range(1, 7)]
    one = make(whole)
    lines = [json.dumps({"v": 1, "ts": 1.0, "event": "run_started", "run_id": "x"})]
    lines += [
        json.dumps({"v": 1, "ts": 1.0, "event": "metrics", "step": s, "metrics": m})
        for s, m in whole[3:]
    ]
    two = make([*whole[:4], (5, {"a": 99.0})])
    with two.events.open("a") as file:
        file.write("\n".join(lines) + "\n")
    assert compare_figures(one, two).equal


def test_the_hashes_of_an_older_run_can_be_compared(make: Make) -> None:
    run = make()
    summary = read_json(run.hash_summary)
    old = {"hash": "x", "threads": 1, "python": "3.0", "packages": {"torch": "1"}}
    write_json_atomic(run.hash_summary, {**summary, "environment": old})
    run.environment.unlink()
    parts = {part.name: part for part in compare_parts(facts_of(run), facts_of(make()))}
    assert "python 3.0 →" in parts["environment"].words


def test_a_repetition_reaches_nobody(make: Make, tmp_path: Path) -> None:
    health = {"on_alert": "command", "command": ["mail", "me"], "per_kind": {"stall": "command"}}
    run = make(trainer={"ckpt_dir": str(tmp_path / "store")}, health=health)
    config = compose_onto(run.path, APART).config
    assert config["health"]["enabled"] is False
    assert config["trainer"]["ckpt_dir"] is None
    loggers = {name: each for name, each in config["logger"].items() if isinstance(each, dict)}
    assert set(loggers) >= {"tensorboard", "csv", "wandb", "mlflow"}
    assert not any(each.get("enabled") for each in loggers.values())
