"""The split of a recipe's items into training and validation, by what they are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

#: Whatever the items are called by.
Item = TypeVar("Item")


def split_by_digest(
    digests: Mapping[Item, bytes], val_fraction: float, max_items: int | None
) -> tuple[list[Item], list[Item]]:
    """Split items so that each stays on its side whatever else is there.

    Args:
        digests: For each of at least two items 16 bytes of a hash of its name: the first 8 choose
            its side, the others its place, so that a prefix of either side is a fair sample.
        val_fraction: Share of the items to validate on, 0 to 1.
        max_items: Most items of both sides together, at least 2; None takes all.

    Returns:
        The items to train on and those to validate on; neither is empty.
    """
    ordered = sorted(digests, key=lambda item: digests[item][8:])
    bound = int(val_fraction * 2**64)
    val = [item for item in ordered if int.from_bytes(digests[item][:8], "big") < bound]
    train = [item for item in ordered if int.from_bytes(digests[item][:8], "big") >= bound]
    # A few items may leave a side empty by chance.
    if not val:
        val = [train.pop()]
    if not train:
        train = [val.pop()]
    if max_items is not None and max_items < len(digests):
        share = round(max_items * val_fraction)
        count = max(1, min(share, len(val), max_items - 1))
        val, train = val[:count], train[: max_items - count]
    return train, val
