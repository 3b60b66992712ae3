"""Counts the memory of tensors while operations make and drop them, without asking a device."""

from __future__ import annotations

import weakref
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from trainer.engine.recurrent import scratch, with_workspace


class Allocated(TorchDispatchMode):
    """Keeps count of the bytes of all storages that operations inside it have made and that live.

    A storage counts once, however many tensors look at it, from the operation that gave it until
    nobody holds it: saved for the backward pass, kept as a gradient or state, or a temporary. What
    an operation takes and gives back within itself is not seen, except an LSTM's.

    Attributes:
        live: Bytes that live now.
        peak: The most since `peak` was last set.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = 0
        self.peak = 0
        self._known: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation and count what it gives."""
        given = with_workspace(func, args, func(*args, **(kwargs or {})))
        self.note(given)
        self.peak = max(self.peak, self.live + scratch(func, args))
        return given

    def note(self, tree: Any) -> None:
        """Count the tensors of a tree that are not counted yet."""
        for tensor in tree_iter(tree):
            if isinstance(tensor, Tensor):
                self._add(tensor)

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return

        def gone(_: Any) -> None:
            del self._known[key]
            self.live -= size

        self._known[key] = weakref.ref(storage, gone)
        self.live += size
        self.peak = max(self.peak, self.live)
