"""Python sources as data: which files, which side, which windows."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.errors import ConfigError
from trainer.recipes.text.data import PyStdlib, Windows


@pytest.fixture
def sources(tmp_path):
    """Forty small files, some of which are not data."""
    for number in range(40):
        path = tmp_path / f"package{number % 4}" / f"module{number}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"value_{number} = {number}\n" * (number + 1))
    for folder in ("test", "site-packages", "__pycache__", "package0/tests"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "other.py").write_text("not data\n")
    (tmp_path / "package1" / "empty.py").write_text("")
    (tmp_path / "package1" / "notes.txt").write_text("not Python\n")
    return tmp_path


def test_the_library_of_this_machine():
    train, val = PyStdlib().files()
    assert not set(train) & set(val)
    assert len(train) > len(val) > 0
    root = Path(sysconfig.get_path("stdlib"))
    assert all(path.is_relative_to(root) and path.suffix == ".py" for path in (*train, *val))
    assert root / "this.py" in (*train, *val)
    assert not any(
        {"site-packages", "test", "__pycache__"} & set(path.parts[len(root.parts) :])
        for path in (*train, *val)
    )


def test_every_file_is_on_one_side(sources):
    train, val = PyStdlib(str(sources)).files()
    assert len(train) + len(val) == 40
    assert not set(train) & set(val)


def test_a_files_side_depends_on_its_path_alone(sources):
    _, before = PyStdlib(str(sources)).files()
    kept = before[0]
    for path in sources.rglob("module*.py"):
        if path != kept and path.name not in {"module1.py", "module2.py"}:
            path.unlink()
    (sources / "package9").mkdir()
    (sources / "package9" / "new.py").write_text("new = 1\n")
    _, after = PyStdlib(str(sources)).files()
    assert kept in after


@pytest.mark.parametrize("count", [2, 3, 5, 39])
@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.9])
def test_a_few_files_have_both_sides(sources, count, fraction):
    train, val = PyStdlib(str(sources), max_items=count, val_fraction=fraction).files()
    assert len(train) >= 1
    assert len(val) >= 1
    assert len(train) + len(val) <= count


def test_the_same_few_files_every_time(sources):
    first = PyStdlib(str(sources), max_items=6).files()
    assert PyStdlib(str(sources), max_items=6).files() == first
    assert set(first[0]) <= set(PyStdlib(str(sources), max_items=12).files()[0])


def test_two_files_are_enough(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.py").write_text(f"{name} = 1\n" * 50)
    for fraction in (0.001, 0.999):
        train, val = PyStdlib(str(tmp_path), val_fraction=fraction).files()
        assert (len(train), len(val)) == (1, 1)


@pytest.mark.parametrize("root", ["nowhere", "."])
def test_no_library_says_where_and_what_to_do(tmp_path, root):
    with pytest.raises(ConfigError) as caught:
        PyStdlib(str(tmp_path / root)).files()
    (problem,) = caught.value.problems
    assert str(tmp_path) in problem.what
    assert "data.root" in problem.remedy


def test_all_that_is_wrong_is_named_at_once():
    with pytest.raises(ConfigError) as caught:
        PyStdlib(context=0, val_fraction=1.0, max_items=1, stride=0, val_windows=0)
    assert {problem.key for problem in caught.value.problems} == {
        "data.context",
        "data.val_fraction",
        "data.max_items",
        "data.stride",
        "data.val_windows",
    }


def test_too_little_text_for_one_window(sources):
    with pytest.raises(ConfigError, match="too few"):
        PyStdlib(str(sources), context=10**6).train_dataset()


def test_targets_are_one_byte_further(sources):
    data = PyStdlib(str(sources), context=16)
    dataset = data.train_dataset()
    inputs, targets = data.collate(dataset.__getitems__([0, 3]))
    assert inputs.dtype == targets.dtype == torch.int64
    assert inputs.shape == targets.shape == (2, 16)
    assert torch.equal(inputs[:, 1:], targets[:, :-1])
    whole = bytes(dataset.data.tolist())
    assert bytes(inputs[1].tolist()) == whole[48:64]
    assert bytes(targets[1].tolist()) == whole[49:65]
    # A loader that asks one by one gives the same.
    assert torch.equal(data.collate([dataset[0], dataset[3]])[0], inputs)


@settings(max_examples=50, deadline=None)
@given(size=st.integers(2, 300), context=st.integers(1, 40), stride=st.integers(1, 60))
def test_each_byte_is_predicted_at_most_once_and_in_order(size, context, stride):
    context = min(context, size - 1)
    stride = max(stride, context)
    windows = Windows(torch.arange(size) % 256, context, stride)
    predicted = [int(i * stride + j + 1) for i in range(len(windows)) for j in range(context)]
    assert len(set(predicted)) == len(predicted)
    assert max(predicted) < size
    assert len(windows) == (size - context - 1) // stride + 1
    for index in range(len(windows)):
        expected = (torch.arange(context + 1) + index * stride) % 256
        assert torch.equal(windows[index], expected)


def test_validation_windows_are_spread_over_all_files(sources):
    every = PyStdlib(str(sources), context=8, val_fraction=0.5)
    some = PyStdlib(str(sources), context=8, val_fraction=0.5, val_windows=10)
    whole, few = every.val_dataset(), some.val_dataset()
    assert len(few) == 10
    assert torch.equal(few[0], whole[0])
    assert torch.equal(few[9], whole[len(whole) - 1])
    assert len(some.train_dataset()) == len(every.train_dataset())


def test_a_sequence_length_shortens_the_windows_and_never_makes_them_longer(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.py").write_text("x = 1\n" * 50)

    def width(**keywords):
        return PyStdlib(str(tmp_path), context=16, **keywords).train_dataset()[0].shape[0]

    assert width() == width(sequence_length=None) == width(sequence_length=99) == 17
    assert width(sequence_length=8) == 9
