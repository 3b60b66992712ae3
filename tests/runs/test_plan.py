"""What would be launched, told before it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.config.compose import compose, defaults_of
from trainer.config.diff import Change, diff
from trainer.runs.layout import RunFolder
from trainer.runs.plan import (
    cells,
    default_name,
    diff_lines,
    dry_run_lines,
    text_of,
    train_command,
    untold,
    words_of,
)


def test_the_command_names_only_what_is_not_usual() -> None:
    assert train_command(["quickstart"]) == ["traindeck", "train", "quickstart"]
    assert train_command(["a=1"], runs_dir=Path("runs")) == ["traindeck", "train", "a=1"]
    whole = train_command(
        ["a=1"],
        Path("my.yaml"),
        Path("mine"),
        runs_dir=Path("/data/runs"),
        name="first",
        tags=["x", "y"],
        queue=True,
    )
    assert whole[2:] == [
        *("a=1", "--config", "my.yaml", "--profiles-dir", "mine", "--runs-dir", "/data/runs"),
        *("--name", "first", "--tag", "x", "--tag", "y", "--queue"),
    ]


def test_a_run_is_called_after_its_preset_or_its_trainer() -> None:
    assert default_name(compose(["quickstart"])) == "quickstart"
    assert default_name(compose(["trainer=ci_fast"])) == "ci_fast"
    assert default_name(compose(["seed=3"])) == "spectra"


def test_what_nobody_named_is_told() -> None:
    for words in ([], ["trainer=ci_fast"], ["optimizer=adamw", "data.planets=8"]):
        assert "spectra of generated planets (preset spectramind)" in untold(compose(words))
    assert "spectra of planets" in untold(compose(["data.root=planets"]))
    for words in (["spectramind"], ["quickstart"], ["model=spectra_tiny"], ["data=pystdlib"]):
        assert not untold(compose(words, check=False))


def test_a_change_is_four_texts() -> None:
    assert cells(Change("a.b", "changed", 1, None)) == ["~", "a.b", "1 → null", ""]
    assert cells(Change("a.b", "changed", 1, 2), "->")[2] == "1 -> 2"
    assert cells(Change("k", "added", None, [1, "x"]))[:3] == ["+", "k", '[1, "x"]']
    assert cells(Change("k", "removed", True, None))[:3] == ["-", "k", "true"]
    assert "\x1b" not in text_of("\x1b[31mred")
    assert diff_lines([]) == ["no difference"]


def test_a_dry_run_tells_everything() -> None:
    composed = compose(["quickstart", "optimizer.config.lr=0.02"])
    changes = diff(defaults_of(composed), composed)
    lines = dry_run_lines(composed, changes, ["traindeck", "train", "a='b c'"])
    text = "\n".join(lines)
    assert "# config\nseed: 42" in text
    assert "0.004 → 0.02" in text
    assert composed.hash in lines
    assert all(f"note: {note}" in lines for note in composed.notes)
    assert lines[-1].startswith("traindeck train '")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a=1\n- quickstart\n", ["a=1", "quickstart"]),
        ("- a=1\n- logger.wandb.api_key=***\n- 3\n", ["a=1"]),
        ("[]\n", []),
        ("a: 1\n", []),
        ("[[[", []),
        ("\x00", []),
    ],
)
def test_a_runs_words_are_read_and_masked_ones_left_out(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    run = RunFolder(tmp_path)
    assert words_of(run) == []
    run.overrides.write_text(text)
    assert words_of(run) == words
