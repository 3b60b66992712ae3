"""Optimisers, and every scheduler that moves by itself with the keywords it needs."""

from __future__ import annotations

from typing import Any

ADAMW = {"type": "AdamW", "config": {"lr": 0.1, "weight_decay": 0.1}, "no_decay": True}
MUON = {"type": "Muon", "config": {"lr": 0.02, "adamw": {"lr": 0.001}}, "no_decay": True}
NEEDED: dict[str, dict[str, Any]] = {
    "ConstantLR": {"factor": 0.5, "total_iters": 700},
    "CosineAnnealingLR": {"T_max": 700},
    "CosineAnnealingWarmRestarts": {"T_0": 100, "T_mult": 2},
    "CyclicLR": {"base_lr": 0.01, "max_lr": 1.0, "step_size_up": 130, "step_size_down": 40},
    "ExponentialLR": {"gamma": 0.999},
    "InverseLR": {"inv_gamma": 50.0, "warmup": 0.99, "final_lr": 0.02},
    "LinearLR": {"total_iters": 900},
    "MultiStepLR": {"milestones": [300, 1500]},
    "OneCycleLR": {"max_lr": 1.0, "total_steps": 5000},
    "PolynomialLR": {"total_iters": 3000, "power": 2.0},
    "StepLR": {"step_size": 400, "gamma": 0.5},
}
