"""STFT settings of training and evaluation, side by side."""

from __future__ import annotations

from typing import Any

import pytest

from trainer.config import spectra
from trainer.config.compose import compose

STFT = {"fft_size": 2048, "hop_size": 512, "win_length": 2048}
# As the document has it, but for the values.
EVALUATION = {
    "sisdr": {"zero_mean": True, "reduction": "mean"},
    "stft": {"sample_rate": 44100, **STFT},
    "mel": {**STFT, "n_mels": 128},
}


def config(training: Any, evaluation: Any = EVALUATION) -> dict[str, Any]:
    return {
        "loss": {"groups": {"spectral": {"stft_mse": {"config": training}}}},
        "eval_loss": evaluation,
    }


@pytest.mark.parametrize(
    "training",
    [
        STFT,
        {"n_fft": 2048, "hop_length": 512},
        {"fft_sizes": [512, 2048], "hop_sizes": [128, 512], "win_lengths": [512, 2048]},
        {"resolutions": [{"n_fft": 512, "hop_length": 99}, {"n_fft": 2048, "hop_length": 512}]},
        {"reduction": "mean"},
    ],
)
def test_settings_that_agree(training: Any) -> None:
    assert spectra.clashes(config(training)) == []


@pytest.mark.parametrize(
    ("training", "names"),
    [
        ({**STFT, "hop_size": 256}, ("hop_size", 256, 512)),
        ({"n_fft": 1024, "hop_length": 512}, ("fft_size", 1024, 2048)),
        ({"fft_sizes": [512, 1024], "hop_sizes": [128, 512]}, ("fft_size", 1024, 2048)),
    ],
)
def test_settings_that_clash(training: Any, names: tuple[str, Any, Any]) -> None:
    found = spectra.clashes(config(training))
    assert [clash.key for clash in found] == ["eval_loss.stft", "eval_loss.mel"]
    assert found[0].other == "loss.groups.spectral.stft_mse.config"
    assert found[0].names == (names,)


def test_what_is_switched_off_does_not_count() -> None:
    off = {"stft": {**STFT, "hop_size": 1, "enabled": False}}
    assert spectra.evaluation(config(STFT, off)) == []


def test_pre_transforms_are_found_at_any_depth() -> None:
    found = spectra.pre_transforms(
        {
            "model": {"autoencoder": {"pre_transform": {"n_fft": 2}}},
            "eval_loss": {"x": [{"pre_transform": "y"}], "z": {"pre_transform": None}},
        }
    )
    assert found == {
        "model.autoencoder.pre_transform": {"n_fft": 2},
        "eval_loss.x.0.pre_transform": "y",
    }


@pytest.mark.parametrize("odd", [None, 3, [], [[]], {"fft_size": []}, {"fft_size": [1], "n": {}}])
def test_odd_values_do_no_harm(odd: Any) -> None:
    spectra.clashes({"loss": odd, "model": odd, "eval_loss": {"a": odd}})


def test_the_spellings_of_the_document_are_compared() -> None:
    composed = compose(
        [
            "trainer.loss_config.spectral.stft_mse.config.fft_size=1024",
            "trainer.loss_config.spectral.weights.stft_mse=1.0",
            "trainer.eval_loss_config.stft.fft_size=2048",
        ],
        check=False,
    )
    (clash,) = spectra.clashes(composed.config)
    assert clash.names == (("fft_size", 1024, 2048),)
