"""The small GPT, its loss, and what it writes."""

from __future__ import annotations

import math

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from trainer.engine.callbacks import script
from trainer.engine.session import Session
from trainer.errors import ConfigError
from trainer.recipes.text.loss import NextByteLoss
from trainer.recipes.text.model import GPT, rotate, rotations
from trainer.recipes.text.sample import SampleText, generate


def small(**settings):
    torch.manual_seed(0)
    return GPT(**{"vocab_size": 50, "context": 16, "dim": 16, "layers": 2, "heads": 2, **settings})


def test_a_token_sees_only_those_before_it():
    model = small().eval()
    tokens = torch.randint(50, (2, 12))
    changed = tokens.clone()
    changed[:, 7] = (changed[:, 7] + 1) % 50
    one, other = model(tokens), model(changed)
    assert one.shape == (2, 12, 50)
    assert torch.allclose(one[:, :7], other[:, :7], atol=1e-6)
    assert not torch.allclose(one[:, 7:], other[:, 7:], atol=1e-4)


def test_positions_are_relative():
    cos_sin = rotations(40, 8)
    q, k = torch.randn(8), torch.randn(8)

    def score(i, j):
        rows = torch.zeros(40, 8)
        rows[i], other = q, torch.zeros(40, 8)
        other[j] = k
        return float(rotate(rows, cos_sin)[i] @ rotate(other, cos_sin)[j])

    assert score(5, 2) == pytest.approx(score(33, 30), abs=1e-4)
    assert score(5, 2) != pytest.approx(score(5, 4), abs=1e-3)


def test_longer_than_in_training():
    model = small().eval()
    tokens = torch.randint(50, (1, 40))
    assert torch.allclose(model(tokens)[:, :16], model(tokens[:, :16]), atol=1e-5)


def test_embeddings_are_shared_and_all_weights_learn():
    model = small()
    assert model.head.weight is model.embedding.weight
    model(torch.randint(50, (2, 8))).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_used_first_in_evaluation_it_can_still_be_trained():
    model = small()
    with torch.inference_mode():
        model(torch.randint(50, (1, 8)))
    model(torch.randint(50, (1, 8))).sum().backward()


def test_a_width_that_does_not_fit_says_so():
    with pytest.raises(ConfigError, match="cannot be divided"):
        small(dim=18)
    with pytest.raises(ConfigError, match="multiple of 4"):
        small(dim=6)


def test_an_untrained_model_knows_nothing():
    loss, _ = NextByteLoss()(small(), (torch.randint(50, (8, 16)), torch.randint(50, (8, 16))))
    assert float(loss) == pytest.approx(math.log(50), rel=0.02)


def test_bits_per_byte_are_nats_in_another_unit():
    model = small().eval()
    batch = (torch.randint(50, (2, 8)), torch.randint(50, (2, 8)))
    loss, metrics = NextByteLoss()(model, batch)
    log_odds = model(batch[0]).log_softmax(-1).gather(-1, batch[1][..., None])
    assert float(loss) == pytest.approx(-float(log_odds.mean()), rel=1e-5)
    assert float(metrics["bits_per_byte"]) == pytest.approx(float(loss) / math.log(2))
    model.train()
    assert NextByteLoss()(model, batch)[1] == {}


def test_smoothing_is_for_training_only():
    batch = (torch.randint(50, (2, 8)), torch.randint(50, (2, 8)))
    model = small().eval()
    assert NextByteLoss(0.3)(model, batch)[0] == NextByteLoss()(model, batch)[0]
    model.train()
    assert NextByteLoss(0.3)(model, batch)[0] != NextByteLoss()(model, batch)[0]


class Counter(nn.Module):
    """Is sure that the next token is one more."""

    context = 4

    def forward(self, tokens):
        assert tokens.shape[1] <= self.context
        return 50.0 * nn.functional.one_hot((tokens + 1) % 256, 256).float()


@pytest.mark.parametrize("settings", [{"temperature": 0.0}, {"top_k": 1}, {"temperature": 0.5}])
def test_it_goes_on_from_the_prompt(settings):
    start = torch.tensor([[65, 66], [97, 98]])
    made = generate(Counter(), start, 6, **settings)
    assert bytes(made[0].tolist()) == b"ABCDEFGH"
    assert bytes(made[1].tolist()) == b"abcdefgh"


def test_a_sample_is_the_same_again_and_leaves_other_random_numbers_alone():
    model = small()
    start = torch.tensor([[1]])
    state = torch.get_rng_state()
    first = generate(model, start, 20, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(generate(model, start, 20, seed=3), first)
    assert not torch.equal(generate(model, start, 20, seed=4), first)
    assert model.training


def test_a_model_that_diverged_writes_something_all_the_same():
    class Broken(nn.Module):
        def forward(self, tokens):
            return torch.full((*tokens.shape, 256), float("nan"))

    assert generate(Broken(), torch.tensor([[65]]), 5, top_k=3).shape == (1, 6)


def test_control_characters_of_a_sample_are_harmless():
    class Hostile(nn.Module):
        def forward(self, tokens):
            order = list(b"x\x1b[31m\x07\x9b\ny")
            nxt = [order[(order.index(t) + 1) % len(order)] for t in tokens[0].tolist()]
            return 50.0 * nn.functional.one_hot(torch.tensor([nxt]), 256).float()

    text = SampleText(prompt="x", length=14, temperature=0.0).write(Hostile())
    assert text.startswith("x")
    assert not set(text) & set("\x1b\x07\x9b\0")
    assert "\n" in text


class Trained(pl.LightningModule):
    """As the engine's module: it holds the network as `model`."""

    def __init__(self):
        super().__init__()
        self.model = Counter()


class Trainer:
    """What the callback asks of a trainer."""

    is_global_zero = True

    def __init__(self, session, folder):
        self.traindeck, self.default_root_dir = session, str(folder)


def test_the_sample_is_printed_kept_and_told(tmp_path, capsys):
    run = script.new_folder(tmp_path, "x", [])
    session = script.open_session(run, 0.1)
    sample = SampleText(prompt="AB", length=4, temperature=0.0)
    sample.on_train_end(Trainer(session, tmp_path), Trained())
    script.close_session(session, "completed", "", 0)
    assert "ABCDEF" in capsys.readouterr().out
    assert (run.outputs / "sample.txt").read_text() == "ABCDEF\n"
    assert "ABCDEF" in run.events.read_text()


def test_a_training_that_was_asked_to_stop_ends_without(tmp_path):
    session = Session(folder=tmp_path, config={}, events=None)
    session.requests.stop("step", "please")
    SampleText().on_train_end(Trainer(session, tmp_path), Trained())
    assert not (tmp_path / "outputs").exists()


def test_without_a_session_it_lies_in_the_trainers_folder(tmp_path):
    SampleText(prompt="A", length=2, temperature=0.0).on_train_end(
        Trainer(None, tmp_path), Trained()
    )
    assert (tmp_path / "outputs" / "sample.txt").read_text() == "ABC\n"
