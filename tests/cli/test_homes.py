"""A `~name` of a person that there is not is a folder like any other, and no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.cli import main
from trainer.paths import at_home

NOBODY = "~nobody-of-this-name/x"


def test_only_whom_there_is_has_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert at_home("~/runs") == Path("/home/me/runs")
    assert at_home(Path("runs/~")) == Path("runs/~")
    assert at_home(NOBODY) == Path(NOBODY)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["runs", "--runs-dir", NOBODY], 0),
        (["ablate", "--list", "--runs-dir", NOBODY], 0),
        (["show", NOBODY], 2),
        (["merge", NOBODY, "--out", "x"], 2),
        (["train", "quickstart", "--config", f"{NOBODY}.toml", "--dry-run"], 2),
        (["train", "lora", f"data.root='{NOBODY}'"], 2),
        (["train", "lora", f"model.base_model='{NOBODY}'"], 2),
    ],
)
def test_commands_tell_that_it_is_not_there(
    words: list[str],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        main(words)
    told = capsys.readouterr().err
    assert (ended.value.code or 0) == code, told
    assert NOBODY in told
