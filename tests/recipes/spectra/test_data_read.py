"""`SpectraData`: samples, sides, what is kept on disk, and what is said of files that are not right."""

from __future__ import annotations

import fcntl
import pickle
import re
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch.utils.data import DataLoader

from trainer.errors import ConfigError
from trainer.recipes.spectra import cache, generate, parquet, write
from trainer.recipes.spectra.data import SpectraData
from trainer.recipes.spectra.samples import star_features


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """A cache for what no test changes."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def data(made, shared, tmp_path):
    """Makes `SpectraData` on planets of 32 frames; changed ones have a cache of the test's own."""

    def build(root=made, **settings):
        folder = shared if root == made else tmp_path / "cache"
        return SpectraData(str(root), **{"time_bins": 8, "cache_dir": str(folder), **settings})

    return build


def problems_of(spectra):
    with pytest.raises(ConfigError) as raised:
        spectra.prepare()
    return [str(problem) for problem in raised.value.problems]


def planet(root, number):
    return root / "train" / str(generate.planet_id(5, number))


def test_samples_are_what_the_model_expects(data):
    spectra = data()
    samples = [*spectra.train_dataset(), *spectra.val_dataset()]
    for sample in samples:
        number = int(sample["planet_id"])
        drawn = next(generate.draw(5, n) for n in range(4) if generate.planet_id(5, n) == number)
        assert {name: tuple(value.shape) for name, value in sample.items()} == {
            "airs": (8, 282),
            "fgs": (8, 1),
            "star": (8,),
            "target": (283,),
            "molecules": (5,),
            "planet_id": (),
        }
        dtypes = {value.dtype for name, value in sample.items() if name != "planet_id"}
        assert dtypes == {torch.float32}
        assert sample["planet_id"].dtype == torch.int64
        assert sample["molecules"].tolist() == [float(share > 0) for share in drawn.mixing]
        # The transit is there, about as deep as the target says.
        depth = 1.0 - sample["airs"][3:5].mean()
        assert depth == pytest.approx(sample["target"][1:].mean(), rel=0.4, abs=3e-4)
    assert spectra.wavelengths.shape == (283,)


def test_naive_figures_are_those_of_the_training_planets(data):
    spectra = data()
    targets = torch.stack([sample["target"] for sample in spectra.train_dataset()]).double()
    assert spectra.naive_mean == pytest.approx(targets.mean().item())
    assert spectra.naive_sigma == pytest.approx(targets.std(correction=0).item())
    np.testing.assert_allclose(spectra.naive_spectrum, targets.mean(0))


@pytest.mark.parametrize("count", [2, 3, None])
@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99])
def test_both_sides_have_planets(data, count, fraction):
    train, val = data(max_items=count, val_fraction=fraction).planet_ids()
    assert train
    assert val
    assert not set(train) & set(val)
    assert len(train) + len(val) == (count or 4)


def test_sides_follow_the_seed_alone(data):
    train, val = data(seed=1).planet_ids()
    assert data(seed=1, time_bins=16).planet_ids() == (train, val)
    assert len({str(data(seed=seed).planet_ids()) for seed in range(8)}) > 1


def test_curves_are_kept_and_read_back(data, monkeypatch):
    first = data().train_dataset()[0]
    monkeypatch.setattr(cache.calibrate, "light_curves", None)
    again = data().train_dataset()[0]
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_another_setting_or_another_file_is_calibrated_anew(data, planets, tmp_path):
    folder = tmp_path / "cache" / "curves"
    before = data(planets).train_dataset()[0]
    names = {path.name for path in folder.glob("*.npy")}
    assert len(names) == 4
    data(planets, aperture=8).prepare()
    assert len(list(folder.glob("*.npy"))) == 8  # both ways are kept
    number = int(before["planet_id"])
    flat = planets / "train" / str(number) / "AIRS-CH0_calibration_0" / "flat.parquet"
    table = pq.read_table(flat)
    bent = np.stack([column.to_numpy() for column in table.columns], 1)
    bent = bent * np.linspace(0.5, 1.5, len(bent))[:, None]
    write._write_columns(flat, bent)
    after = data(planets).train_dataset()[0]
    assert not torch.equal(before["airs"], after["airs"])
    # What was made from the file as it was is gone.
    assert len(list(folder.glob("*.npy"))) == 8
    assert len(names - {path.name for path in folder.iterdir()}) == 1


def test_a_half_written_curve_is_made_again(data, tmp_path):
    folder = str(tmp_path)
    whole = data(cache_dir=folder).train_dataset()[0]
    for path in (tmp_path / "curves").glob("*.npy"):
        path.write_bytes(path.read_bytes()[:100])
    again = data(cache_dir=folder).train_dataset()[0]
    assert torch.equal(again["airs"], whole["airs"])


def test_a_cache_that_cannot_be_written_is_done_without(data, tmp_path):
    (tmp_path / "file").write_text("in the way")
    spectra = data(cache_dir=str(tmp_path / "file"))
    assert spectra.train_dataset()[0]["airs"].shape == (8, 282)


def test_a_dataset_holds_no_curves(data):
    dataset = data().train_dataset()
    before = len(pickle.dumps(dataset))
    _ = [dataset[number] for number in range(len(dataset))]
    assert len(pickle.dumps(dataset)) == before
    batch = next(iter(DataLoader(dataset, batch_size=2, num_workers=1)))
    assert batch["airs"].shape == (2, 8, 282)


def test_the_names_of_the_year_before_serve_as_well(data, planets):
    plain = data(planets).train_dataset()[0]
    for folder in (planets / "train").iterdir():
        for path in sorted(folder.iterdir()):
            path.rename(folder / path.name.replace("_0", ""))
        folder.rename(planets / folder.name)
    (planets / "train").rmdir()
    (planets / "train.csv").rename(planets / "train_labels.csv")
    (planets / "star_info.csv").unlink()
    (planets / "truth.csv").unlink()
    ids = [path.name for path in planets.iterdir() if path.name.isdecimal()]
    head, row = (planets / "adc_info.csv").read_text().split()
    table = [f"planet_id,{head}", *(f"{number},{row}" for number in ids)]
    (planets / "adc_info.csv").rename(planets / "train_adc_info.csv")
    (planets / "train_adc_info.csv").write_text("\n".join(table) + "\n")
    old = data(planets).train_dataset()[0]
    assert torch.equal(old["airs"], plain["airs"])
    assert torch.equal(old["target"], plain["target"])
    assert old["star"].tolist() == [0.0] * 8
    assert old["molecules"].tolist() == [-1.0] * 5


def test_a_second_observation_is_a_sample_on_the_same_side(data, planets):
    number = data(planets).planet_ids()[0][0]
    folder = planets / "train" / str(number)
    for path in sorted(folder.glob("*_0*")):
        target = folder / path.name.replace("_0", "_1")
        if path.is_dir():
            target.mkdir()
            for frame in path.iterdir():
                (target / frame.name).write_bytes(frame.read_bytes())
        else:
            target.write_bytes(path.read_bytes())
    spectra = data(planets)
    samples = [sample["planet_id"].item() for sample in spectra.train_dataset()]
    assert samples.count(number) == 2
    assert number not in spectra.planet_ids()[1]


def test_every_bad_file_is_named(data, planets):
    missing = planet(planets, 0) / "FGS1_calibration_0" / "dark.parquet"
    missing.unlink()
    cut = planet(planets, 1) / "AIRS-CH0_signal_0.parquet"
    cut.write_bytes(cut.read_bytes()[:-1000])
    odd = planet(planets, 2) / "FGS1_signal_0.parquet"
    odd.write_bytes((planet(planets, 2) / "AIRS-CH0_signal_0.parquet").read_bytes())
    empty = planet(planets, 3) / "AIRS-CH0_calibration_0" / "linear_corr.parquet"
    write._write_columns(empty, np.zeros((10, 356)))
    told = problems_of(data(planets))
    assert len(told) == 4
    assert f"{missing}: the file is missing" in told[0]
    for path, what in (
        (cut, "truncated"),
        (odd, "11392 columns, not 32 x 32"),
        (empty, "is 10 x 356, not 192 x 356"),
    ):
        (line,) = [line for line in told if str(path) in line]
        assert what in line
    assert "data.skip_bad=true" in told[-1]


def frames_of(path, change):
    """Change an instrument's frames, as an array of shape (frames, pixels)."""
    table = pq.read_table(path)
    values = np.stack([column.to_numpy() for column in table.columns], 1)
    write._write_columns(path, change(values))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda values: values[:-1], "has 31 frames, which make no pairs"),
        (lambda values: values * 0, "holds no light"),
        (lambda values: np.where(values > 3000, np.nan, values), "no finite number"),
        (lambda values: values.astype(str), "damaged|no numbers|no table"),
    ],
)
def test_frames_that_cannot_be_are_named(data, planets, change, what):
    path = planet(planets, 0) / "FGS1_signal_0.parquet"
    frames_of(path, change)
    (told,) = problems_of(data(planets))
    assert str(path) in told
    assert re.search(what, told)


def test_a_file_that_is_damaged_in_its_middle_is_named(data, planets):
    path = planet(planets, 0) / "AIRS-CH0_signal_0.parquet"
    content = bytearray(path.read_bytes())
    content[4:500_000] = bytes(499_996)
    path.write_bytes(content)
    (told,) = problems_of(data(planets))
    assert str(path) in told
    assert "damaged" in told


def test_bad_planets_are_left_out_on_request(data, planets, capsys):
    (planet(planets, 0) / "FGS1_signal_0.parquet").unlink()
    spectra = data(planets, skip_bad=True)
    train, val = spectra.planet_ids()
    assert len(train) + len(val) == 3
    assert f"planet {generate.planet_id(5, 0)} is left out" in capsys.readouterr().out
    for number in (1, 2):
        (planet(planets, number) / "FGS1_signal_0.parquet").unlink()
    told = problems_of(data(planets, skip_bad=True))
    assert told[0] == (
        "1 planet is left for training and validation; data.skip_bad has left out the others."
    )
    assert all("FGS1_signal_0.parquet: the file is missing." in each for each in told[1:])
    assert len(told) == 4


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("wavelengths.csv", None, "the file is missing"),
        ("wavelengths.csv", "wl_1,wl_2\n0.7,1.9\n", "lacks wl_3, wl_4, wl_5, wl_6 and 277 more"),
        ("train.csv", "", "has no row"),
        ("train.csv", "planet,wl_1\nearth,0.1\n", "no whole number as planet_id in line 2"),
        ("adc_info.csv", None, "the file is missing"),
        ("adc_info.csv", "FGS1_adc_gain\nx\n", "lacks AIRS-CH0_adc_gain, AIRS-CH0_adc_offset"),
        ("axis_info.parquet", "nonsense", "no parquet file"),
        ("star_info.csv", "planet_id,Rs\n1,2\n", "lacks Ms, Ts, Mp, e and 3 more"),
    ],
)
def test_tables_that_are_not_right_are_named(data, planets, name, text, what):
    (planets / name).unlink()
    if text is not None:
        (planets / name).write_text(text)
    (told,) = problems_of(data(planets))
    assert str(planets / name) in told
    assert what in told


def test_all_tables_that_are_missing_are_named(data, tmp_path):
    (tmp_path / "empty").mkdir()
    told = problems_of(data(tmp_path / "empty"))
    names = ("wavelengths.csv", "axis_info.parquet", "train.csv", "adc_info.csv")
    assert len(told) == 4
    assert all(any(name in line for line in told) for name in names)
    (told,) = problems_of(data(tmp_path / "nowhere"))
    assert "there is no folder" in told


def test_a_planet_without_a_row_is_named(data, planets):
    rows = (planets / "train.csv").read_text().splitlines()
    (planets / "train.csv").write_text("\n".join(rows[:-1]) + "\n")
    (told,) = problems_of(data(planets))
    assert f"planet {rows[-1].split(',')[0]} has no row in train.csv" in told


def test_too_many_time_bins_are_refused(data):
    told = problems_of(data(time_bins=17, max_items=2))
    assert all("Set data.time_bins=16 or less" in line for line in told)


def test_planets_are_generated_when_first_needed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    settings = {"planets": 3, "frames": 16, "fgs_frames": 16, "time_bins": 8}
    few = SpectraData(max_items=2, **settings)
    assert len(few.train_dataset()) == len(few.val_dataset()) == 1
    said = capsys.readouterr().out
    assert "data.root is not set: generating 2 planets" in said
    assert str(tmp_path / "traindeck" / "spectra") in said
    more = SpectraData(**settings)
    assert len(more.train_dataset()) + len(more.val_dataset()) == 3
    assert "generating 1 planets" in capsys.readouterr().out
    # Others' planets in the same cache change nothing.
    again = SpectraData(max_items=2, **settings)
    assert again.planet_ids() == few.planet_ids()
    assert capsys.readouterr().out == ""


def test_several_processes_generate_once(tmp_path):
    # Without torch, which takes longer to load than all the rest.
    code = (
        "from pathlib import Path\n"
        "from trainer.recipes.spectra import cache, calibrate, layout, make, tables\n"
        f"root = Path({str(tmp_path)!r})\n"
        "make.make(root / 'made', 2, frames=16, fgs_frames=16)\n"
        "seen, read = layout.observations(root / 'made'), tables.read(root / 'made')\n"
        "curves = cache.Curves(root / 'curves', read, calibrate.Settings(time_bins=8))\n"
        "print(sum(curves.get(each).sum(dtype=float) for each in seen))"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    sums = [process.communicate(timeout=120)[0].splitlines()[-1] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert len(set(sums)) == 1
    assert not [path for path in tmp_path.rglob(".*") if path.name != ".lock"]


def test_star_features_are_of_unit_size():
    rows = []
    for number in range(100):
        drawn = generate.draw(1, number)
        star = [drawn.star_radius, drawn.star_mass, drawn.star_temperature, drawn.mass, 0.0]
        rows.append(star_features(np.array([*star, drawn.period, drawn.sma, drawn.inclination])))
    features = np.stack(rows)
    assert np.abs(features).max() < 4.0
    assert (np.delete(features, 4, 1).std(0) > 0.2).all()
    assert not star_features(None).any()


@pytest.mark.parametrize(
    "settings",
    [
        {"planets": 1},
        {"max_items": 1},
        {"time_bins": 7},
        {"val_fraction": 0.0},
        {"val_fraction": 1.0},
        {"hot_sigma": 0.0},
        {"aperture": 0},
        {"jobs": 0},
    ],
)
def test_settings_out_of_bounds_are_refused(settings):
    with pytest.raises(ConfigError) as raised:
        SpectraData(**settings)
    assert [problem.key for problem in raised.value.problems] == [f"data.{next(iter(settings))}"]


def test_without_pyarrow_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(parquet, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"traindeck\[spectra\]"):
        SpectraData()


def test_trials_side_by_side_calibrate_once(data, planets, monkeypatch):
    made, whole = [], cache.calibrate.light_curves
    monkeypatch.setattr(
        cache.calibrate, "light_curves", lambda seen, *rest: made.append(seen) or whole(seen, *rest)
    )
    alone, other = cache.Curves.alone, [data(planets)]

    @contextmanager
    def behind_another(curves, waiting):
        if other:
            other.pop().prepare()
        with alone(curves, waiting):
            yield

    monkeypatch.setattr(cache.Curves, "alone", behind_another)
    data(planets).prepare()
    assert len(made) == 4


def test_who_waits_for_another_process_says_so(data, tmp_path):
    spectra = data()
    curves = cache.Curves(tmp_path / "curves", spectra._tables, spectra.settings)
    (tmp_path / "curves").mkdir()
    said = []
    with (tmp_path / "curves" / ".lock").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        def waiting():
            said.append("waits")
            fcntl.flock(other, fcntl.LOCK_UN)  # the other one is done

        with curves.alone(waiting):
            said.append("goes on")
    with curves.alone(waiting):
        said.append("at once")
    assert said == ["waits", "goes on", "at once"]
