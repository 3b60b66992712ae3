"""The smallest recipe's data, which stalls until a gate is opened: training lasts as long as it must."""

from __future__ import annotations

import time
from pathlib import Path

from enginelab.tiny import Data, Points


class Gated(Points):
    """Points that come quickly for an epoch and a half, and then slowly until there is a file `gate`."""

    served = 0

    def __getitem__(self, index: int):
        self.served += 1
        deadline = time.monotonic() + 1.0
        while self.served > 66 and time.monotonic() < deadline and not Path("gate").exists():
            time.sleep(0.05)
        return super().__getitem__(index)


class GatedData(Data):
    """Data behind the gate."""

    def train_dataset(self) -> Gated:
        return Gated(self.count)
