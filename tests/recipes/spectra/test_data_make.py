"""Making planets: the layout, determinism, going on after an interruption, respect for others' data."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from trainer.errors import ConfigError
from trainer.recipes.spectra import generate, layout, parquet, write
from trainer.recipes.spectra import make as making
from trainer.recipes.spectra.bands import BANDS
from trainer.recipes.spectra.make import make


def files(root):
    """Every file below a folder, with its content."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def deck(*words, **options):
    command = [sys.executable, "-m", "trainer.cli", "data", "make-spectra", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_the_layout_is_the_challenges(made):
    planet = made / "train" / str(generate.planet_id(5, 0))
    assert sorted(path.name for path in made.iterdir() if path.name[0] != ".") == [
        "adc_info.csv",
        "axis_info.parquet",
        "generated.json",
        "star_info.csv",
        "train",
        "train.csv",
        "truth.csv",
        "wavelengths.csv",
    ]
    assert sorted(str(path.relative_to(planet)) for path in planet.rglob("*.parquet")) == sorted(
        [f"{name}_signal_0.parquet" for name in ("AIRS-CH0", "FGS1")]
        + [
            f"{name}_calibration_0/{frame}.parquet"
            for name in ("AIRS-CH0", "FGS1")
            for frame in ("dark", "dead", "flat", "linear_corr", "read")
        ]
    )
    for name, pixels, columns in (("AIRS-CH0", 32 * 356, 356), ("FGS1", 32 * 32, 32)):
        signal_file = pq.ParquetFile(planet / f"{name}_signal_0.parquet")
        assert signal_file.metadata.num_columns == pixels
        assert signal_file.metadata.num_rows == 32
        assert set(map(str, signal_file.schema_arrow.types)) == {"uint16"}
        shapes = {
            frame: pq.read_table(planet / f"{name}_calibration_0/{frame}.parquet").shape
            for frame in ("dark", "dead", "flat", "linear_corr", "read")
        }
        assert shapes.pop("linear_corr") == (6 * 32, columns)
        assert set(shapes.values()) == {(32, columns)}


def test_the_tables_say_what_the_planets_are(made):
    def rows(name):
        with (made / name).open(newline="") as file:
            return list(csv.DictReader(file))

    labels = [f"wl_{n}" for n in range(1, 284)]
    assert list(rows("train.csv")[0]) == ["planet_id", *labels]
    (wavelengths,) = rows("wavelengths.csv")
    values = [float(wavelengths[name]) for name in labels]
    assert values[0] == 0.705
    assert values[1:] == sorted(values[1:])
    assert (values[1], values[-1]) == (1.95, pytest.approx(3.9))
    for row, star, truth in zip(
        rows("train.csv"), rows("star_info.csv"), rows("truth.csv"), strict=True
    ):
        planet = int(row["planet_id"])
        number = next(n for n in range(4) if generate.planet_id(5, n) == planet)
        drawn = generate.draw(5, number)
        assert {star["planet_id"], truth["planet_id"]} == {row["planet_id"]}
        assert [truth[name] for name in BANDS] == [str(int(m > 0)) for m in drawn.mixing]
        assert float(star["sma"]) == pytest.approx(drawn.sma)
        assert 0.0001 < float(row["wl_1"]) < 0.03


def test_planets_are_worth_looking_at():
    drawn = [generate.draw(0, number) for number in range(200)]
    assert len({generate.planet_id(0, number) for number in range(200)}) == 200
    assert all(1.5 <= planet.duration <= 4.2 for planet in drawn)
    assert all(300.0 < planet.temperature < 3000.0 for planet in drawn)
    counts = np.array([[share > 0 for share in planet.mixing] for planet in drawn]).sum(0)
    assert ((counts > 60) & (counts < 140)).all()


def test_a_planet_depends_on_its_seed_and_number_alone(made, tmp_path):
    make(tmp_path / "two", 2, seed=5, frames=32, fgs_frames=32, jobs=2)
    assert files(tmp_path / "two" / "train").items() < files(made / "train").items()
    make(tmp_path / "other", 1, seed=6, frames=32, fgs_frames=32)
    assert not set(files(tmp_path / "other" / "train")) & set(files(made / "train"))


def test_a_set_is_enlarged_and_never_shrinks(made, planets):
    before = {path: path.stat().st_mtime_ns for path in planets.glob("train/*/*.parquet")}
    assert make(planets, 5, seed=5, frames=32, fgs_frames=32) == 1
    assert make(planets, 2, seed=5, frames=32, fgs_frames=32) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len((planets / "train.csv").read_text().splitlines()) == 6
    assert files(made / "train").items() < files(planets / "train").items()


def test_an_interrupted_making_leaves_no_half_planet_and_goes_on(made, tmp_path, monkeypatch):
    root = tmp_path / "planets"
    whole, left = write._write_calibration, [6]

    def interrupted(*words):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        whole(*words)

    monkeypatch.setattr(write, "_write_calibration", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make(root, 4, seed=5, frames=32, fgs_frames=32)
    monkeypatch.undo()
    assert len(list((root / "train").iterdir())) == 2
    assert not (root / "train.csv").exists()
    # What a killed process leaves is swept away.
    (root / "train" / ".making-1-2").mkdir()
    assert make(root, 4, seed=5, frames=32, fgs_frames=32) == 2
    assert files(root) == files(made)


def test_others_data_are_left_alone(tmp_path):
    (tmp_path / "train" / "123").mkdir(parents=True)
    with pytest.raises(ConfigError, match="not generated: 123"):
        make(tmp_path, 2, frames=32)
    assert [path.name for path in tmp_path.iterdir()] == ["train"]
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="it is a file"):
        make(tmp_path / "file", 2, frames=32)


def test_who_comes_while_another_begins_finds_no_others_data(tmp_path, monkeypatch):
    root = tmp_path / "planets"
    (root / "train").mkdir(parents=True)
    # What a process that was killed in its first moment leaves.
    (root / ".generated.json.12345").write_text("{")
    making._check_place(root)
    listed = Path.iterdir

    def look(path):
        # Another one marks the place between two looks of this one.
        if path == root:
            (root / making.MARKER).write_text("{}")
            (root / "train" / ".making-1-1").mkdir(exist_ok=True)
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", look)
    making._check_place(root)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"seed": 6}, "seed 5, not 6"),
        ({"frames": 34}, "frames 32, not 34"),
        ({"noise": 0.5}, r"noise 1\.0, not 0\.5"),
    ],
)
def test_planets_of_other_settings_are_not_mixed(planets, other, told):
    settings = {"seed": 5, "frames": 32, "fgs_frames": 32, **other}
    before = files(planets)
    with pytest.raises(ConfigError, match=f"other settings: {told}[.]"):
        make(planets, 5, **settings)
    assert files(planets) == before


@pytest.mark.parametrize("noise", [math.nan, math.inf, -1.0, 1e300])
def test_noise_that_is_no_factor_makes_nothing(tmp_path, noise):
    with pytest.raises(ConfigError, match=r"--noise: noise of .* is none\. Give 0 to 1000"):
        make(tmp_path / "out", 1, noise=noise)
    assert not (tmp_path / "out").exists()


def test_all_that_is_wrong_is_said_at_once(tmp_path):
    with pytest.raises(ConfigError) as raised:
        make(tmp_path / "new", 0, seed=-1, frames=17)
    assert len(raised.value.problems) == 3
    assert not (tmp_path / "new").exists()


def test_a_disk_that_is_too_small_is_known_before(tmp_path, monkeypatch):
    usage = making.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(making.shutil, "disk_usage", lambda _: usage._replace(free=10**7))
    with pytest.raises(ConfigError, match="GB are free"):
        make(tmp_path / "new", 50)


def test_the_command_makes_and_adds(tmp_path):
    words = (tmp_path / "planets", "--frames=16", "--fgs-frames=16", "--jobs=1")
    done = deck(*words, "--planets=1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 planets, 1 of them new" in done.stdout
    again = deck(*words, "--planets=2", "--json")
    row = json.loads(again.stdout)
    assert (row["planets"], row["new"]) == (2, 1)
    assert len(layout.observations(tmp_path / "planets")) == 2


def test_the_command_tells_what_is_wrong(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    done = deck(tmp_path, "--planets=1")
    assert done.returncode == 2
    assert "letter.txt" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_can_be_interrupted(tmp_path):
    command = [sys.executable, "-m", "trainer.cli", "data", "make-spectra", str(tmp_path / "p")]
    process = subprocess.Popen(
        [*command, "--planets=200", "--frames=16", "--jobs=1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    train = tmp_path / "p" / "train"
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            if train.is_dir() and any(path.name.isdecimal() for path in train.iterdir()):
                break
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "goes on with what is missing" in said
    assert all(path.name.isdecimal() for path in train.iterdir())
    assert all(len(list(path.glob("*.parquet"))) == 2 for path in train.iterdir())


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"traindeck\[spectra\]"):
        make(tmp_path, 2)
