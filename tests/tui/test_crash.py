"""An error of the app's own leaves few words, no secrets, and a report."""

from __future__ import annotations

from pathlib import Path

import pytest
from tuilab import context

from tui import crash, memory
from tui.app import Deck


def failed(text: str) -> BaseException:
    token = "hf_" + "a" * 34
    try:
        assert token
        raise RuntimeError(text)
    except RuntimeError as error:
        return error


def test_the_report_names_the_error_and_no_variables() -> None:
    words = crash.report(failed("odd thing\x1b]52;c;eA==\x07"))
    assert words[0] == "traindeck: the app failed: RuntimeError: odd thing"
    assert "go on untouched" in words[1]
    (file,) = memory.folder().glob("crash-*.txt")
    assert str(file) in words[2]
    told = file.read_text()
    assert "in failed" in told
    assert "hf_aaa" not in told
    assert "\x1b" not in told


def test_without_a_place_for_it_the_report_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null/nowhere")
    assert "in failed" in crash.report(failed("odd"))[2]


async def test_the_app_ends_with_these_words(runs_dir: Path) -> None:
    app = Deck(context(runs_dir))

    async def use() -> None:
        async with app.run_test(size=(80, 24)) as pilot:
            app.call_later(lambda: 1 / 0)
            await pilot.pause()
            await pilot.pause()

    with pytest.raises(ZeroDivisionError):
        await use()
    assert app.return_code == 1
    assert "ZeroDivisionError" in app.last_words[0]
