"""A model that shows what it has learnt, and writes down how it was asked."""

from __future__ import annotations

from typing import Any

import torch
from enginelab.tiny import Net


class Drawing(Net):
    """The smallest network; its figures are whatever `gives` names."""

    def __init__(self, gives: str = "figure") -> None:
        super().__init__()
        self.gives = gives
        self.seen: Any = None

    def see_data(self, data: Any) -> None:
        self.seen = data

    def diagnostic_figures(self, data: Any) -> Any:
        from matplotlib.figure import Figure

        if self.gives == "nothing":
            return None
        if self.gives == "error":
            raise ZeroDivisionError("the plot divides by nothing")
        figure = Figure()
        weight = sum(float(p.abs().sum()) for p in self.state_dict().values())
        figure.told = (data, self.seen, self.training, torch.is_grad_enabled(), weight)
        return {"what it/learnt": figure}
