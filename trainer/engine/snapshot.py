"""A checkpoint's contents as plain host data, independent of the live training."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainer.engine.hostmem import HostMemory, copy_together

_PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.Size)


@dataclass(frozen=True)
class Snapshot:
    """State at one instant.

    Attributes:
        data: Nested plain data and host tensors; whole once `wait` has returned.
        dropped: The paths of things that no checkpoint can hold; they are None in `data`.
    """

    data: Any
    dropped: list[str] = field(default_factory=list)
    _copied: tuple[torch.cuda.Event, ...] = ()

    def wait(self) -> None:
        """Wait until GPUs have copied everything; for the thread that writes."""
        for event in self._copied:
            event.synchronize()


def take(value: Any, memory: HostMemory | None = None) -> Snapshot:
    """Copy nested state to the host, as data that `torch.load(weights_only=True)` accepts.

    Tensors that share memory (tied weights) go on sharing it, and a view brings no more of its
    storage along than it shows.

    Host tensors are copied here and now. Copies from a GPU are put into the queue of the stream
    that training runs on: whatever training starts later comes after them, so nothing can be
    overwritten before it is copied, and the calling thread waits for nothing.

    Args:
        value: Nested containers of tensors and plain values.
        memory: Where tensors go; the last snapshot in it is given up. None for new memory.

    Returns:
        The same structure; nothing in it changes when training goes on.

    Raises:
        OSError: There is no memory left.
    """
    if memory is not None:
        memory.begin()
    copier = _Copier(memory)
    data = copier.copy(value, "")
    copy_together(copier.pairs)
    if memory is not None:
        memory.end()
    return Snapshot(data, copier.dropped, copier.events())


def to_host(value: Any) -> Any:
    """Copy nested state to the host and wait for it; see `take`."""
    snapshot = take(value)
    snapshot.wait()
    return snapshot.data


def size_of(tensors: Iterable[Tensor]) -> int:
    """Give about how many bytes a snapshot of tensors takes; shared memory counts once."""
    storages = {
        (storage.data_ptr(), storage.device): storage.nbytes() + 64
        for storage in (t.untyped_storage() for t in tensors if type(t.detach()) is Tensor)
    }
    return sum(storages.values())


class _Copier:
    def __init__(self, memory: HostMemory | None) -> None:
        self.dropped: list[str] = []
        self.pairs: list[tuple[Tensor, Tensor]] = []
        self._memory = memory
        self._known: dict[Any, Tensor] = {}
        self._gpus: set[torch.device] = set()

    def events(self) -> tuple[torch.cuda.Event, ...]:
        """Mark, on each GPU in use, the point at which everything is copied."""
        marks = []
        for device in self._gpus:
            mark = torch.cuda.Event()  # type: ignore[no-untyped-call]
            mark.record(torch.cuda.current_stream(device))
            marks.append(mark)
        return tuple(marks)

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
        tensor = tensor.detach().resolve_conj().resolve_neg()
        if (
            type(tensor) is not Tensor
            or tensor.layout is not torch.strided
            or tensor.is_quantized
            or tensor.device.type not in ("cpu", "cuda")
            or tensor.numel() == 0
        ):
            return tensor.to("cpu", copy=True)
        storage, itemsize = tensor.untyped_storage(), tensor.dtype.itemsize
        place = (storage.data_ptr(), storage.nbytes(), tensor.device, tensor.dtype)
        size, stride, offset = tensor.size(), tensor.stride(), tensor.storage_offset()
        known = self._known.get(place)
        if known is None and storage.nbytes() <= tensor.numel() * itemsize:
            flat = tensor.as_strided((storage.nbytes() // itemsize,), (1,), 0)
            known = self._known[place] = self._copied(flat)
        if known is not None:
            return known.as_strided(size, stride, offset)
        # A view: its own elements only, or a small slice would drag a large storage along.
        view = (*place, size, stride, offset)
        known = self._known.get(view)
        if known is None:
            known = self._known[view] = self._copied(tensor)
        return known

    def _copied(self, tensor: Tensor) -> Tensor:
        gpu = tensor.device if tensor.is_cuda else None
        if gpu is not None:
            self._gpus.add(gpu)
        if self._memory is None:
            copy = torch.empty(tensor.shape, dtype=tensor.dtype)
        else:
            flat = self._memory.tensor(tensor.numel(), tensor.dtype, gpu)
            copy = flat.view(tensor.shape)
        if gpu is None and tensor.is_contiguous():
            self.pairs.append((copy, tensor))  # for later, all together
        else:
            copy.copy_(tensor, non_blocking=gpu is not None)
        return copy
