"""The pictures are what the app shows today, and tell nothing of the machine that made them."""

from __future__ import annotations

import asyncio
import gzip
import re
from pathlib import Path

import pytest

from screenshots.record import HOST, RECORDINGS, SWEEP, recorded
from screenshots.render import studio
from screenshots.scenes import FILM, SCENES, Scene, film

PICTURES = Path(__file__).parents[2] / "screenshots"
RENEW = "draw the pictures anew with `make screenshots`, and look at them"

#: Folders of machines, addresses, and what keys and tokens of well-known services look like.
PRIVATE = re.compile(
    r"/(?:root|tmp|work|mnt|var|Users|private)/|/home/(?!you/)"
    r"|\b(?:\d{1,3}\.){3}\d{1,3}:\d+|[\w.]+@[\w-]+\.\w+"
    r"|\b(?:sk|ghp|gho|hf|xox[bap])[-_]\w{16,}|AKIA\w{12,}|BEGIN [A-Z ]*PRIVATE KEY"
    r"|(?i:password|passwd|api_?key|secret)\W{1,4}\w{6,}"
)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_picture_is_what_the_app_shows(scene: Scene) -> None:
    with studio() as place:
        drawn = asyncio.run(scene.draw(place))
    compare(scene.name, drawn)


@pytest.mark.slow
def test_the_film_is_what_the_app_shows() -> None:
    with studio() as place:
        drawn = asyncio.run(film(place))
    compare(FILM, drawn)
    assert len(drawn.encode()) < 500_000


def compare(name: str, drawn: str) -> None:
    path = PICTURES / f"{name}.svg"
    # Whole files of SVG side by side would say nothing.
    same = path.exists() and path.read_text() == drawn
    assert same, f"screenshots/{path.name} is not what the app shows now: {RENEW}"
    assert not PRIVATE.search(drawn)
    assert "traindeck-" not in drawn, "the picture shows the folder that it was drawn in"


def test_no_picture_is_left_over() -> None:
    known = {scene.name for scene in SCENES} | {FILM}
    assert {path.stem for path in PICTURES.glob("*.svg")} == known


def test_the_terminal_and_the_person_change_no_picture(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config" / "traindeck"
    config.mkdir(parents=True)
    (config / "settings.yaml").write_text("theme: ansi-light\nglyphs: ascii\n")
    (tmp_path / "a folder with a name of some length").mkdir()
    for name, value in {
        "NO_COLOR": "1",
        "TERM": "dumb",
        "COLORTERM": "",
        "COLORFGBG": "0;15",
        "COLUMNS": "40",
        "TZ": "Pacific/Auckland",
        "HOME": "/",
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "TMPDIR": str(tmp_path / "a folder with a name of some length"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(tmp_path)
    for scene in SCENES:
        if scene.name in ("runs", "launch"):
            with studio() as place:
                compare(scene.name, asyncio.run(scene.draw(place)))


@pytest.mark.parametrize("recording", sorted(RECORDINGS.iterdir()), ids=lambda path: path.name)
def test_a_recording_tells_nothing_of_its_machine(recording: Path) -> None:
    assert recorded(recording.name)["host"] == HOST
    neutral(recording)


def test_the_recorded_sweep_tells_nothing_of_its_machine() -> None:
    assert len(list(SWEEP.glob("trial-*"))) > 1
    neutral(SWEEP)


def neutral(recording: Path) -> None:
    for packed in recording.rglob("*.gz"):
        text = gzip.decompress(packed.read_bytes()).decode()
        found = PRIVATE.search(text)
        assert found is None, f"{packed.name}: {found}"
        assert set(re.findall(r'"host": ?"([^"]*)"', text)) <= {HOST}
        assert set(re.findall(r'"boot_id": ?"([^"]*)"', text)) <= {"recorded"}
    assert sum(path.stat().st_size for path in recording.rglob("*") if path.is_file()) < 200_000
