import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.events.text import clean


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain, ünïcode, 漢字 🙂", "plain, ünïcode, 漢字 🙂"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("a\x1b]52;c;ZXZpbA==\x07b", "ab"),
        ("a\x1b]0;title\x1b\\b", "ab"),
        ("a\x1bPdevice\x1b\\b", "ab"),
        ("\x9b31mred", "red"),
        ("\x9d0;title\x9cb", "b"),
        ("a\x1b(Bb", "ab"),
        ("a\x1b", "a"),
        ("a\x1b]never closed", "a"),
        ("tab\tnew\nline", "tab new line"),
        ("bell\x07 del\x7f nul\x00", "bell del nul"),
        ("evil\u202etxt.exe", "eviltxt.exe"),
        ("half\ud800", "half"),
    ],
)
def test_what_could_steer_a_terminal_is_gone(text, expected):
    assert clean(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\U0001f469\U0001f467"),
        ("a\u200d\u65e5\u200d\u65e5", "a\u65e5\u65e5"),
        ("\u2764\ufe0f 1\ufe0f\u20e3", "\u2764 1\u20e3"),
        ("\U0001f44d\U0001f3fd", "\U0001f44d"),
        ("\U0001f1e9\U0001f1ea", "DE"),
        ("so\u00adft\u200b\u2060\u180e", "soft"),
        ("Z" + "\u0301\u0489" * 50 + "!", "Z\u0301\u0489\u0301\u0489!"),
        (
            "e\u0301\u0323 \u0e01\u0e33 \u0915\u094d\u0937\u093f",
            "e\u0301\u0323 \u0e01\u0e33 \u0915\u094d\u0937\u093f",
        ),
        ("\u2014\u2026\u2192\u2500\u2588" * 3, "\u2014\u2026\u2192\u2500\u2588" * 3),
    ],
)
def test_what_terminals_measure_differently_is_gone(text, expected):
    assert clean(text) == expected
    assert clean(expected) == expected


def test_prose_keeps_its_lines_and_tabs():
    assert clean("a\r\nb\rc\td\x1b[2J\u2028e", keep_newlines=True) == "a\nb\nc\td\ne"
    assert clean("open\x1b]0;x\nnext line", keep_newlines=True) == "open\nnext line"


@given(
    st.text(alphabet=st.characters(codec=None, max_codepoint=0x2100))
    | st.text(alphabet="a\x1b[m\u0301\u200d\u200b\x07\ufe0f\u0489 \n\u4e00\U0001f1e9"),
    st.booleans(),
)
def test_nothing_gets_through_and_cleaning_twice_changes_nothing(text, keep):
    cleaned = clean(text, keep_newlines=keep)
    allowed = "\n\t" if keep else ""
    assert not [c for c in cleaned if c not in allowed and re.match(r"[\x00-\x1f\x7f-\x9f]", c)]
    assert clean(cleaned, keep_newlines=keep) == cleaned


def test_a_long_hostile_text_takes_no_quadratic_time():
    text = "\x1b]" * 500_000
    assert clean(text) == ""
    assert clean("\x1b[" * 500_000) == ""
