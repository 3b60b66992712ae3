"""The terms that a loss may be summed of, by the names that profiles use.

One row a term: where its class is, which keywords it takes. Nothing is imported here, so that a slip is found before anything is launched; a test holds the keywords against
the classes. A recipe brings a term of its own by adding a row; anybody else's is named by `_target_`.
"""

from __future__ import annotations

from dataclasses import dataclass

_GENERIC = "trainer.engine.losses.generic."
_SPECTRA = "trainer.recipes.spectra."


@dataclass(frozen=True, slots=True)
class TermKind:
    """One row of the table.

    Attributes:
        target: The dotted path of its class; empty if no recipe of this version has it.
        doc: What it measures, for the documentation.
        keywords: The keywords that its class takes.
        required: Those of them that must be given.
        measure: Whether it only measures, in `eval_loss`, and cannot be minimised.
        source: The documents that name it, by the first digits of their names.
    """

    target: str
    doc: str
    keywords: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    source: str = ""
    measure: bool = False


TERMS: dict[str, TermKind] = {
    "mse": TermKind(
        f"{_GENERIC}MSE", "Mean (or sum) of squared errors.", ("reduction",), source="002"
    ),
    "l1": TermKind(
        f"{_GENERIC}L1",
        "Mean (or sum) of absolute errors; on audio, time-domain L1.",
        ("reduction",),
        source="002",
    ),
    "huber": TermKind(
        f"{_GENERIC}Huber",
        "Squared for errors below `delta`, linear above.",
        ("delta", "reduction"),
    ),
    "cross_entropy": TermKind(
        f"{_GENERIC}CrossEntropy",
        "Cross entropy of logits over their last dimension, in nats.",
        ("label_smoothing", "ignore_index"),
    ),
    "smoothness": TermKind(
        f"{_GENERIC}Smoothness",
        "Mean squared first or second difference of the prediction along its last dimension.",
        ("order", "skip"),
        source="001",
    ),
    "fft": TermKind(
        f"{_GENERIC}HighFrequency",
        "Power of the mean-removed prediction above `cutoff_freq` (cycles per sample, 0 to 0.5).",
        ("cutoff_freq", "skip"),
        source="001",
    ),
    "nonnegativity": TermKind(
        f"{_GENERIC}Nonnegativity",
        "Barrier against negative predictions: `hinge`, `softplus` or `exp` of the negated "
        "prediction.",
        ("barrier", "sharpness"),
        source="001",
    ),
    "value": TermKind(
        "trainer.engine.losses.terms.ValueLoss",
        "A number that the model gives by itself, by its `key` in `loss_info`.",
        ("key",),
        ("key",),
        source="002",
    ),
    "gll": TermKind(
        f"{_SPECTRA}terms.GLL",
        "Gaussian log-likelihood of the target under a model's own mean and sigma, negated.",
        ("sigma_floor",),
        source="001",
    ),
    "asymmetry": TermKind(
        f"{_SPECTRA}terms.Asymmetry",
        "How little a spectrum equals its mirror image within the windows of molecular bands.",
        ("p", "molecules"),
        source="001",
    ),
    "score": TermKind(
        f"{_SPECTRA}score.ChallengeScore",
        "For `eval_loss`: likelihood between a naive model (0) and an ideal one (1), the challenge's score.",
        ("sigma_true", "naive_mean", "naive_sigma"),
        source="000 001",
        measure=True,
    ),
    # Named by the documents; each comes with its recipe.
    "stft_mse": TermKind("", "Squared error of spectrograms.", source="002"),
    "multi_resolution_stft": TermKind("", "STFT loss at several resolutions.", source="002"),
    "adversarial": TermKind("", "A discriminator's verdict.", source="002"),
    "sisdr": TermKind("", "Scale-invariant signal-to-distortion ratio, dB.", source="002"),
    "stft": TermKind("", "Distance of spectrograms.", source="002"),
    "mel": TermKind("", "Distance of mel spectrograms.", source="002"),
}
"""Every term by name."""

BOTTLENECK = "bottleneck"
"""The group whose weights are those of values that the model's bottleneck gives."""

BOTTLENECK_VALUES = ("kl",)
"""Values of a bottleneck that may have a weight. A model without them ignores the weight."""
