"""A checkpoint's contents as plain host data, independent of the live training."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor

_PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.Size)


def to_host(value: Any, dropped: list[str] | None = None, where: str = "") -> Any:
    """Copy nested state to the host, as data that `torch.load(weights_only=True)` accepts.

    Tensors that share memory (tied weights) go on sharing it.

    Args:
        value: Nested containers of tensors and plain values.
        dropped: Takes the paths of things that are neither; they become None.
        where: The path of `value`.

    Returns:
        The same structure; nothing in it changes when training goes on.
    """
    return _Copier([] if dropped is None else dropped).copy(value, where)


class _Copier:
    def __init__(self, dropped: list[str]) -> None:
        self.dropped = dropped
        self._storages: dict[Any, Tensor] = {}

    def copy(self, value: Any, where: str) -> Any:
        # Exact types first: a subclass of str or int may be something that cannot be loaded.
        if type(value) in _PLAIN:
            return value
        if isinstance(value, Tensor):
            return self._tensor(value)
        if isinstance(value, Counter):
            return Counter({key: int(count) for key, count in value.items()})
        if isinstance(value, Mapping):
            items = {self._key(k): self.copy(v, f"{where}.{k}") for k, v in value.items()}
            if not isinstance(value, OrderedDict):
                return items
            ordered = OrderedDict(items)
            if hasattr(value, "_metadata"):  # versions of modules, in a module's state
                ordered._metadata = self.copy(value._metadata, where)  # type: ignore[attr-defined]
            return ordered
        if isinstance(value, list | tuple):
            items_ = [self.copy(item, f"{where}.{i}") for i, item in enumerate(value)]
            return tuple(items_) if isinstance(value, tuple) else items_
        if isinstance(value, set | frozenset):
            return {self.copy(item, where) for item in value}
        if isinstance(value, Enum):
            return self.copy(value.value, where)
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray) and value.dtype != object:
            return torch.from_numpy(value.copy())
        for plain in (bool, int, float, str):
            if isinstance(value, plain):
                return plain(value)
        if isinstance(value, PurePath):
            return str(value)
        self.dropped.append(f"{where.lstrip('.')} ({type(value).__name__})")
        return None

    def _key(self, key: Any) -> Any:
        return key if type(key) in _PLAIN or isinstance(key, tuple) else self.copy(key, "")

    def _tensor(self, tensor: Tensor) -> Tensor:
        tensor = tensor.detach()
        if tensor.layout is not torch.strided or tensor.device.type == "meta":
            return tensor.to("cpu", copy=True)
        storage = tensor.untyped_storage()
        key = (storage.data_ptr(), storage.nbytes(), tensor.device)
        whole = storage.nbytes() == tensor.numel() * tensor.element_size()
        if not whole or storage.nbytes() == 0:
            # A view: its own elements only, or a small slice would drag a large storage along.
            return tensor.to("cpu", copy=True)
        known = self._storages.get(key)
        if known is not None and known.dtype == tensor.dtype:
            return known.as_strided(tensor.size(), tensor.stride(), tensor.storage_offset())
        copy = tensor.to("cpu", copy=True)
        if copy.stride() == tensor.stride():
            self._storages[key] = copy
        return copy
