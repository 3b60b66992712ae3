"""Tensors become numbers without making the training thread wait for a device.

A GPU works behind the Python program: asking for a number (`tensor.item()`) stops the program until
the GPU has caught up. Here many scalars are joined on their device and copied to the host together,
and the copy is looked at only once it is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence


class Readback:
    """One copy of many scalar tensors to the host.

    Args:
        tensors: Tensors of one element each, of any dtypes and on any devices.
    """

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        # One entry a group: the places of its members in the result, the host copy, its event.
        self._groups: list[tuple[Sequence[int], Tensor, Any]] = []
        self._length = len(tensors)
        if not tensors:
            return
        try:
            # The usual case, one device and dtype, without looking at each tensor. Stacking mixed
            # devices or shapes is an error, mixed dtypes are promoted.
            self._begin(range(self._length), torch.stack(list(tensors)))
        except (RuntimeError, TypeError):
            self._groups.clear()
            self._begin_groups(tensors)

    def _begin_groups(self, tensors: Sequence[Tensor]) -> None:
        places: dict[torch.device, list[int]] = {}
        for place, tensor in enumerate(tensors):
            places.setdefault(tensor.device, []).append(place)
        for members in places.values():
            flat = [tensors[place].reshape(-1)[:1] for place in members]
            self._begin(members, torch.cat(flat))

    def _begin(self, places: Sequence[int], joined: Tensor) -> None:
        joined = joined.reshape(len(places))
        if joined.is_cuda:
            host = torch.empty(joined.shape, dtype=joined.dtype, pin_memory=True)
            host.copy_(joined, non_blocking=True)
            event: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch has no types here
            event.record(torch.cuda.current_stream(joined.device))
            self._groups.append((places, host, event))
        else:
            self._groups.append((places, joined, None))

    @property
    def ready(self) -> bool:
        """Whether `values` would answer without waiting."""
        return all(event is None or event.query() for _, _, event in self._groups)

    def values(self) -> list[float]:
        """Give the numbers in the order of the tensors, waiting for the copy if need be."""
        for _, _, event in self._groups:
            if event is not None:
                event.synchronize()
        if len(self._groups) == 1:
            numbers: list[float] = self._groups[0][1].tolist()
            return numbers
        result = [0.0] * self._length
        for places, host, _ in self._groups:
            for place, number in zip(places, host.tolist(), strict=True):
                result[place] = number
        return result
