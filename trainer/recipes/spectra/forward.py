"""How a batch of planets meets the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from trainer.engine.losses.outputs import ForwardPass, Outputs
from trainer.errors import ConfigError, Problem


class SpectraPass(ForwardPass):
    """Calls the model with both light curves and the star, and gives spectra in a handy unit.

    Depths are numbers like 0.01 whose features are a hundred times smaller: in squares of those no
    term would be felt beside the likelihood. In units of 10 ppm, which is how well the challenge's
    ideal model knows a depth, weights of terms mean about what they say.

    Args:
        unit_ppm: Unit in which terms see μ, σ and the target, in parts per million.
    """

    def __init__(self, unit_ppm: float = 10.0) -> None:
        super().__init__()
        if not unit_ppm > 0:
            raise ConfigError(
                Problem(f"unit_ppm is {unit_ppm:g}, and must be above 0.", key="loss.unit_ppm")
            )
        self.unit = unit_ppm * 1e-6

    def forward(self, model: nn.Module, batch: Any) -> Outputs:
        """Run the model.

        Args:
            model: Gives μ and σ, depths (batch, wavelengths), for `airs`, `fgs` and `star`.
            batch: A mapping with these, and with `target` (batch, wavelengths), depths.
        """
        missing = [n for n in ("airs", "fgs", "star", "target") if n not in batch]
        if not isinstance(batch, Mapping) or missing:
            raise ConfigError(
                Problem(
                    f"A batch of planets lacks {', '.join(missing) or 'names'}.",
                    "",
                    "Choose data of spectra, such as data=spectra.",
                    "data",
                )
            )
        mu, sigma = model(batch["airs"], batch["fgs"], batch["star"])
        return Outputs(
            prediction=mu / self.unit,
            target=batch["target"] / self.unit,
            extra={"sigma": sigma / self.unit, "unit": self.unit},
        )
