"""The memory of the CPU's kernel for LSTMs, which no shape tells of.

For the backward pass it keeps a workspace, larger than all else of such a layer. oneDNN decides how
large it is, by the processor too. So the kernel is asked: it is run for real over
few time steps, and what it keeps grows by the same with each further one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, unset_fake_temporarily

# Time steps of the two small runs: many, since each part is rounded up to whole pages.
_FEW = (32, 64)
# Where the kernel's arguments and results have their place.
_INPUT, _TENSORS, _SIZES, _WORKSPACE = 0, 7, 8, 3


def with_workspace(func: Any, args: Sequence[Any], given: Any) -> Any:
    """Give a kernel what it would keep; what is no LSTM's, or has been run for real, stays as it is.

    Args:
        func: An operation.
        args: Its arguments.
        given: What it gave on shapes.
    """
    if func is not torch.ops.aten.mkldnn_rnn_layer.default:
        return given
    if not isinstance(given[_WORKSPACE], FakeTensor) or args[_SIZES]:
        return given
    tensors = tuple((tuple(each.shape), each.dtype) for each in args[:_TENSORS])
    size = workspace(tensors, tuple(args[_TENSORS:_SIZES]), tuple(args[_SIZES + 1 :]))
    if given[_WORKSPACE].nbytes >= size:
        return given
    kept = given[_WORKSPACE].new_empty(size, dtype=torch.uint8)
    return (*given[:_WORKSPACE], kept, *given[_WORKSPACE + 1 :])


def scratch(func: Any, args: Sequence[Any]) -> int:
    """Give the bytes that an LSTM's kernel takes and gives back within itself, forward or backward.

    Measured with torch 2.13 in fp32: the gates of all time steps, and its weights twice, in orders of
    its own. In half precision it does with less than a tenth of that, which is left out.

    Args:
        func: An operation; of any other there is nothing to say.
        args: Its arguments.
    """
    kernels = torch.ops.aten
    if func not in (
        kernels.mkldnn_rnn_layer.default,
        kernels.mkldnn_rnn_layer_backward.default,
    ):
        return 0
    batch, *weights = args[:3]
    if batch.dtype != torch.float32:
        return 0
    gates = batch.shape[0] * batch.shape[1] * weights[0].shape[0] * batch.element_size()
    return int(gates + 2 * sum(each.nbytes for each in weights))


@cache
def workspace(
    tensors: tuple[tuple[tuple[int, ...], torch.dtype], ...],
    before: tuple[Any, ...],
    after: tuple[Any, ...],
) -> int:
    """Give the bytes that the kernel keeps of one layer.

    Args:
        tensors: Shape and type of input (time, batch, values), four weights and two states.
        before: The kernel's arguments between these and the batch sizes.
        after: Those behind them.
    """

    def run(steps: int) -> int:
        def made(number: int, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
            shape = (steps, *shape[1:]) if number == _INPUT else shape
            return torch.zeros(shape, dtype=dtype)

        real = [made(number, *each) for number, each in enumerate(tensors)]
        given = torch.ops.aten.mkldnn_rnn_layer.default(*real, *before, [], *after)
        return int(given[_WORKSPACE].nbytes)

    steps = tensors[_INPUT][0][0]
    # Without gradients the kernel keeps nothing.
    with unset_fake_temporarily(), torch.enable_grad():
        if steps <= _FEW[1]:
            return run(steps)
        low, high = (run(few) for few in _FEW)
    return high + (high - low) // (_FEW[1] - _FEW[0]) * (steps - _FEW[1])
