"""Host memory that is used for one snapshot after another.

Memory that a process has never touched is slow to write to: the kernel has to find and clear every
page first, which takes many times as long as the copy itself. So the memory of a snapshot is kept
for the next one, and made ready beside training before the first. Where the state lies on a GPU
the memory is page-locked, so that copies into it need not be waited for.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import sys
import threading
from collections import deque
from collections.abc import Iterable
from itertools import chain
from typing import Any

import torch
from torch import Tensor

#: Bytes; the start of each tensor, for vector instructions and for every dtype.
_ALIGNED = 64
#: Bytes; the least that is asked of the system at once.
_BLOCK = 64 << 20
#: Bytes made ready at once: while that goes on, other threads wait to map memory of their own.
_SLICE = 4 << 20
#: Bytes; less is not worth another thread.
_SMALL = 128 << 10
#: More threads than this no longer make a copy faster: memory is the limit.
_MOST_THREADS = 8
_MADV_POPULATE_WRITE = 23  # Linux 5.14; Python's mmap module lacks it


class HostMemory:
    """Tensors in memory that is kept.

    `begin` takes back everything that was given out; nobody may read it any more. Between `begin`
    and `end`, `tensor` gives it out anew. The same sequence of sizes gets the same memory.
    """

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._index = 0
        self._thread: threading.Thread | None = None

    @property
    def size(self) -> int:
        """Bytes that are held."""
        return sum(block.size for block in self._blocks)

    def prepare(self, size: int, device: torch.device | None = None) -> None:
        """Get memory for a snapshot and make it ready in a thread; for a moment before the first.

        Where the system has none to give, the first snapshot asks again.

        Args:
            size: Bytes that will be wanted, about.
            device: The GPU that will write to it, if one will.
        """
        if self._blocks or size < _SLICE:
            return
        try:
            block = self._grow(size, device, lock=False)
        except OSError:
            return
        self._thread = threading.Thread(
            target=block.make_ready, name="traindeck-host-memory", daemon=True
        )
        self._thread.start()

    def begin(self) -> None:
        """Take back everything."""
        self._index = 0
        for block in self._blocks:
            block.used = 0

    def tensor(self, count: int, dtype: torch.dtype, device: torch.device | None = None) -> Tensor:
        """Give a flat tensor with a storage of its own; its values are whatever lies there.

        Args:
            count: Elements, at least one.
            dtype: Their type.
            device: The GPU that will write to it, if one will.

        Raises:
            OSError: The system has no memory left.
        """
        size = count * dtype.itemsize
        while self._index < len(self._blocks) and not self._blocks[self._index].has(size):
            self._index += 1
        if self._index == len(self._blocks):
            self._grow(max(size, _BLOCK), device)
        return self._blocks[self._index].tensor(count, dtype)

    def end(self) -> None:
        """Give memory that this snapshot did not need back to the system."""
        needed = self._index + 1
        surplus, self._blocks = self._blocks[needed:], self._blocks[:needed]
        for block in surplus:
            self._free(block)

    def release(self) -> None:
        """Give everything back to the system, once nobody uses a tensor of it any more."""
        blocks, self._blocks, self._index = self._blocks, [], 0
        for block in blocks:
            self._free(block)

    def _grow(self, size: int, device: torch.device | None, *, lock: bool = True) -> _Block:
        block = _Block(size, device)
        if lock:
            block.lock()
        self._blocks.append(block)
        return block

    def _free(self, block: _Block) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        block.unlock()


def copy_together(pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Copy host tensors with as many threads as torch uses, at most eight.

    Each thread takes the next piece when it is done with one. torch's own parallel copy ends every
    single tensor with all threads waiting for the slowest, which takes ten times as long where
    other processes want the same cores.

    Args:
        pairs: Target and source: contiguous, of one dtype and size.
    """
    large: list[tuple[Tensor, Tensor]] = []
    for target, source in pairs:
        if source.nbytes < _SMALL:
            target.copy_(source)
        else:
            large.append((target, source))
    pieces = deque(chain.from_iterable(_pieces(*pair) for pair in large))

    def work() -> None:
        with contextlib.suppress(IndexError):
            while True:
                ctypes.memmove(*pieces.popleft())  # without holding Python's lock

    count = min(torch.get_num_threads(), _MOST_THREADS, len(pieces)) - 1
    helpers = [threading.Thread(target=work, name="traindeck-copy") for _ in range(count)]
    for helper in helpers:
        helper.start()
    work()
    for helper in helpers:
        helper.join()


def _pieces(target: Tensor, source: Tensor) -> Iterable[tuple[int, int, int]]:
    to, start, size = target.data_ptr(), source.data_ptr(), source.nbytes
    for offset in range(0, size, _SLICE):
        yield to + offset, start + offset, min(_SLICE, size - offset)


class _Block:
    """One piece of memory. It goes when it and all its tensors are forgotten."""

    def __init__(self, size: int, device: torch.device | None) -> None:
        self.size = size
        self.used = 0
        self._device = device
        self._locked = False
        # Private, or it would count as shared memory, which has limits of its own in containers.
        private = getattr(mmap, "MAP_PRIVATE", 0) | getattr(mmap, "MAP_ANONYMOUS", 0)
        self._map = mmap.mmap(-1, size, flags=private) if private else mmap.mmap(-1, size)
        # Large pages: hundreds of times fewer to find. Not for loader workers: their parent would
        # have to copy each page that it writes to while one of them lives.
        for advice in ("MADV_HUGEPAGE", "MADV_DONTFORK"):
            with contextlib.suppress(AttributeError, OSError):
                self._map.madvise(getattr(mmap, advice))
        self._start = torch.frombuffer(self._map, dtype=torch.uint8, count=1).data_ptr()

    def has(self, size: int) -> bool:
        return self.used + size <= self.size

    def tensor(self, count: int, dtype: torch.dtype) -> Tensor:
        given = torch.frombuffer(self._map, dtype=dtype, count=count, offset=self.used)
        self.used += -(-count * dtype.itemsize // _ALIGNED) * _ALIGNED
        return given

    def make_ready(self) -> None:
        """Let the kernel find all pages now; changes nothing in them, whoever writes meanwhile."""
        if sys.platform == "linux":
            advise = ctypes.CDLL(None).madvise  # without holding Python's lock, unlike mmap's own
            for offset in range(0, self.size, _SLICE):
                start = ctypes.c_void_p(self._start + offset)
                length = ctypes.c_size_t(min(_SLICE, self.size - offset))
                if advise(start, length, _MADV_POPULATE_WRITE):
                    break  # an older kernel: the first snapshot takes longer
        self.lock()

    def lock(self) -> None:
        """Lock the pages for the GPU. Where the system refuses, copies are waited for instead."""
        if self._device is not None and self._device.type == "cuda":
            # CUDA remembers a refusal for the thread that asked, and torch would take it for the
            # failure of the next kernel of that thread.
            asking = threading.Thread(target=self._register, args=(self._device,))
            asking.start()
            asking.join()

    def _register(self, device: torch.device) -> None:
        with torch.cuda.device(device):
            runtime: Any = torch.cuda.cudart()  # type: ignore[no-untyped-call]
            portable = 1
            self._locked = int(runtime.cudaHostRegister(self._start, self.size, portable)) == 0

    def unlock(self) -> None:
        if self._locked and self._device is not None:
            with torch.cuda.device(self._device):
                runtime: Any = torch.cuda.cudart()  # type: ignore[no-untyped-call]
                runtime.cudaHostUnregister(self._start)
            self._locked = False
