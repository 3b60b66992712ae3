"""Losses and data that make a training ill."""

from __future__ import annotations

import torch
from enginelab.tiny import Loss
from torch import nn


class BreaksAt(nn.Module):
    """Mean square, and NaN at one batch of training."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step, self.batch, self.loss = step, 0, Loss()

    def forward(self, model, batch):
        loss, metrics = self.loss(model, batch)
        if torch.is_grad_enabled():
            self.batch += 1
            if self.batch == self.step:
                loss = loss * torch.nan
        return loss, metrics
