"""The source documents that keys come from, and how tables name them."""

from __future__ import annotations

from dataclasses import dataclass

OWN = "own"
"""Marks what no document asks for."""


@dataclass(frozen=True, slots=True)
class Document:
    """A source document.

    Attributes:
        project: The project whose documentation it is.
        title: Its title.
        about: What of it concerns keys.
    """

    project: str
    title: str
    about: str


DOCUMENTS: dict[str, Document] = {
    "000": Document(
        "SpectraMind",
        "Trainer Configurations",
        "profiles of the group `trainer`, overrides, limits of time and memory, records of a run",
    ),
    "001": Document(
        "SpectraMind",
        "Training Configurations",
        "the values of those profiles, the terms of the loss, symbolic rules, ablation",
    ),
    "002": Document(
        "EulerAudioBackbone",
        "Trainer Configuration Guide",
        "optimiser, scheduler, losses in groups, loggers, checkpoints",
    ),
    "003": Document(
        "brain_gen",
        "Training configuration (dataloader, lightning, trainer)",
        "loaders, warmup, resuming with other settings, early stopping",
    ),
    "004": Document(
        "hafs",
        "Configuration-Based Training System",
        "hardware, LoRA, experts, hyperparameters",
    ),
}
"""Every source document by the first digits of its name."""


def named(numbers: str) -> str:
    """Write documents as tables show them: `SpectraMind 000 001, brain_gen 003`.

    Args:
        numbers: Their numbers, separated by blanks; empty for what no document asks for.
    """
    by_project: dict[str, list[str]] = {}
    for number in numbers.split():
        by_project.setdefault(DOCUMENTS[number].project, []).append(number)
    return ", ".join(" ".join([name, *found]) for name, found in by_project.items()) or OWN
