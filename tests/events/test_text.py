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


def test_prose_keeps_its_lines_and_tabs():
    assert clean("a\r\nb\rc\td\x1b[2J\u2028e", keep_newlines=True) == "a\nb\nc\td\ne"
    assert clean("open\x1b]0;x\nnext line", keep_newlines=True) == "open\nnext line"


@given(st.text(alphabet=st.characters(codec=None, max_codepoint=0x2100)), st.booleans())
def test_nothing_gets_through_and_cleaning_twice_changes_nothing(text, keep):
    cleaned = clean(text, keep_newlines=keep)
    allowed = "\n\t" if keep else ""
    assert not [c for c in cleaned if c not in allowed and re.match(r"[\x00-\x1f\x7f-\x9f]", c)]
    assert clean(cleaned, keep_newlines=keep) == cleaned


def test_a_long_hostile_text_takes_no_quadratic_time():
    text = "\x1b]" * 500_000
    assert clean(text) == ""
    assert clean("\x1b[" * 500_000) == ""
