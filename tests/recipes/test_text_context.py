"""Positions of both kinds, a context that grows, and corrupted inputs of the small GPT."""

from __future__ import annotations

import pytest
import torch

from trainer.errors import ConfigError
from trainer.recipes.text.corruption import TokenCorruption
from trainer.recipes.text.data import PyStdlib
from trainer.recipes.text.model import GPT


def small(**settings):
    torch.manual_seed(0)
    return GPT(**{"vocab_size": 50, "context": 16, "dim": 16, "layers": 2, "heads": 2, **settings})


TOKENS = torch.arange(16)[None] % 50


@pytest.mark.parametrize("positions", ["rotary", "learned"])
def test_what_was_learned_stays_when_the_context_grows(positions):
    model = small(positions=positions).eval()
    before = model(TOKENS)
    model.resize_context(max_position_embeddings=40)
    assert model.context == 40
    assert torch.equal(model(TOKENS), before)
    assert model(torch.zeros(1, 40, dtype=torch.long)).shape == (1, 40, 50)


def test_learned_positions_end_at_the_context():
    with pytest.raises(ConfigError, match="16 positions and is given 17 tokens"):
        small(positions="learned")(torch.zeros(1, 17, dtype=torch.long))
    with pytest.raises(ConfigError, match="no positions 'sinusoidal'"):
        small(positions="sinusoidal")


def test_another_base_of_the_rotation_is_that_of_a_new_model():
    model = small()
    model.resize_context(rope_theta=5e4)
    assert torch.equal(model.cos, small(rope_theta=5e4).cos)
    assert not torch.equal(model.cos, small().cos)


def test_data_gives_longer_windows_and_never_shorter_ones():
    data = PyStdlib(context=16)
    data.resize_context(max_position_embeddings=24)
    assert data.context == 24
    data.resize_context(input_shape=[8])
    assert data.context == 24


def test_corruption_is_for_training_and_follows_it():
    corrupt = TokenCorruption(50, p_start=1.0, p_end=0.0)
    tokens = torch.full((4, 500), 7)
    assert torch.equal(corrupt.eval()(tokens), tokens)
    corrupt.train()
    shares = []
    for done in (0.0, 0.5, 1.0):
        corrupt.progress(done)
        shares.append(float((corrupt(tokens) != 7).float().mean()))
    # Any token may come, and one in fifty is the one that was there.
    assert shares == pytest.approx([0.98, 0.49, 0.0], abs=0.04)
    assert corrupt(tokens).dtype == torch.long


def test_without_corruption_nothing_is_drawn():
    model = small(token_corruption={"enabled": False, "p_start": 0.5}).train()
    before = torch.get_rng_state()
    model(TOKENS)
    assert torch.equal(torch.get_rng_state(), before)
    assert small().own_token_corruption()["enabled"] is False


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"p_start": 2}, "is a probability, not 2"),
        ({"p_end": "much"}, "is a probability, not 'much'"),
        ({"p_begin": 0.1}, "takes no 'p_begin'"),
    ],
)
def test_wrong_settings_are_named(written, said):
    with pytest.raises(ConfigError, match=said):
        small(token_corruption=written)
