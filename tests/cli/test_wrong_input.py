"""What a person types wrong: one clear message on stderr, exit code 2, nothing started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["trian"], ["trian", "train"]),
        (["train", "quickstrat"], ["quickstrat", "quickstart"]),
        (["train", "trainer=ci_fats"], ["ci_fats", "ci_fast"]),
        (["train", "trainer.max_epoch=3"], ["trainer.max_epoch", "max_epochs"]),
        (["train", "trainer.max_epochs=three"], ["trainer.max_epochs", "three"]),
        (["train", "dataloader.batch_size=0"], ["dataloader.batch_size", "0"]),
        (["train", "optimizer.type=AdmW"], ["AdmW", "AdamW"]),
        (["train", "optimizer.config.learning=1"], ["learning", "lr"]),
        (["train", "a=1,2"], ["sweep"]),
        (["train", "-m", "trainer.max_epochs=1,-9"], ["trial", "max_epochs=-9"]),
        (["train", "-m", "seed=1,2", "--queue"], ["--queue", "--parallel"]),
        (["ablate"], ["Nothing varies", "trainer=ablation"]),
        (["ablate", "optimizer.config.lr=interval(0,1)"], ["interval", "range(0,1,0.1)"]),
        (["ablate", "trainer.max_epochs=1,-9", "dataloader.batch_size=0,4"], ["-9", "batch_size"]),
        (["ablate", "--paired", "seed=0,1", "model.a=1,2", "model.b=1,2,3"], ["model.b has 3"]),
        (["ablate", "--resume", "nothing"], ["no sweep 'nothing'"]),
        (["ablate", "--resume", "last", "seed=1,2"], ["takes no overrides"]),
        (["ablate", "--retry-failed", "seed=1,2"], ["--resume SWEEP"]),
        (["ablate", "--seeds", "a,b", "quickstart"], ["'a' is no seed"]),
        (["train", "seed=[1"], ["seed=[1"]),
        (["train", "--config", "missing.yaml"], ["missing.yaml"]),
        (["train", "--profiles-dir", "missing"], ["missing"]),
        (["config", "where", "trainer.max_epoch"], ["trainer.max_epoch", "max_epochs"]),
        (["profiles", "new", "../evil"], ["../evil"]),
        (["profiles", "list", "trianer"], ["trianer", "trainer"]),
        (["runs", "--state", "runing"], ["runing", "running"]),
        (["show", "nothing"], ["nothing"]),
        (["watch", "missing/events.jsonl"], ["missing/events.jsonl"]),
        (["completion", "tcsh"], ["tcsh", "bash"]),
        (["train", "model._target_=os.system"], ["os.system"]),
        (["train", "+evil=${oc.env:HOME}"], ["oc.env"]),
    ],
)
def test_a_mistake_is_named_and_nothing_is_started(
    deck: Any, args: list[str], says: list[str]
) -> None:
    done = deck(*args, code=2)
    assert done.stdout == ""
    for text in says:
        assert text in done.stderr
    assert len(done.stderr) < 3000, "a message, not a wall"
    assert not deck.runs_dir.exists()


def test_all_problems_are_told_at_once(deck: Any) -> None:
    done = deck(
        "train", "trainer.max_epoch=3", "dataloader.batch_size=-1", "trainer=ci_fats", code=2
    )
    for name in ("max_epochs", "batch_size", "ci_fast"):
        assert name in done.stderr


def test_a_dry_run_shows_everything_and_makes_nothing(deck: Any) -> None:
    done = deck("train", "quickstart", "optimizer.config.lr=0.00123", "--dry-run")
    assert "0.00123" in done.stdout
    assert "override optimizer.config.lr=0.00123" in done.stdout
    assert "traindeck train quickstart optimizer.config.lr=0.00123" in done.stdout
    assert not deck.runs_dir.exists()


def test_a_broken_profile_is_named_with_its_line(deck: Any) -> None:
    folder = Path(deck.folder) / "profiles" / "trainer"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("# mine\nmax_epochs: 3\nmax_epochs: [\n")
    done = deck("config", "validate", "trainer=mine", code=2)
    assert "trainer/mine.yaml:" in done.stderr


def test_control_characters_typed_or_read_never_come_back_raw(deck: Any) -> None:
    done = deck("train", "\x1b]52;c;aGk=\x07evil", code=2)
    assert "\x1b" not in done.stderr
    assert "\x07" not in done.stderr


def test_validate_as_json(deck: Any) -> None:
    import json

    done = deck("config", "validate", "trainer.max_epoch=3", "--json", code=2)
    told = json.loads(done.stdout)
    assert told["valid"] is False
    assert told["problems"][0]["where"]
