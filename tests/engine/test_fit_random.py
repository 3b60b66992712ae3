"""Random states: kept apart, captured and put back."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from trainer.engine import rng


def draw():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def seed(number=3):
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def test_a_captured_state_gives_the_same_again(tmp_path):
    seed()
    np.random.normal()  # leaves a second value waiting in numpy
    torch.save(rng.capture(), tmp_path / "state")
    expected = [draw() for _ in range(3)], np.random.normal()

    seed(99)
    rng.restore(torch.load(tmp_path / "state", weights_only=True))

    assert ([draw() for _ in range(3)], np.random.normal()) == expected


def test_a_seeded_moment_disturbs_nothing():
    seed()
    expected = [draw(), draw()]
    seed()
    found = [draw()]
    with rng.seeded(5, keep=True):
        inside = draw()
    found.append(draw())
    with rng.seeded(5, keep=True):
        assert draw() == inside

    assert found == expected


def test_an_error_inside_puts_everything_back():
    seed()
    expected = draw()
    seed()
    with pytest.raises(ZeroDivisionError), rng.seeded(5, keep=True):
        1 / 0  # noqa: B018

    assert draw() == expected


def test_a_stream_goes_on_where_it_was():
    def several(between):
        stream = rng.Stream(8)
        values = []
        for _ in range(3):
            with stream:
                values.append(draw())
            between()
        return values

    seed()
    assert several(draw) == several(lambda: None)


def test_neighbouring_seeds_are_unrelated():
    numbers = [rng.mix(7, epoch, batch) for epoch in range(50) for batch in range(50)]

    assert len(set(numbers)) == len(numbers)
    bits = np.array([[n >> i & 1 for i in range(64)] for n in numbers]).mean(axis=0)
    assert np.all(np.abs(bits - 0.5) < 0.06)
