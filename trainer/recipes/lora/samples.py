"""Samples as tokens, close together: a million of them take little more memory than their tokens."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.recipes.lora.records import Records


@dataclass(frozen=True, slots=True)
class Sample:
    """Tokens of one sample.

    Attributes:
        tokens: int32, shape (length,): prompt, answer, end of text.
        prompt: How many of them are the prompt.
    """

    tokens: Tensor
    prompt: int


class Samples:
    """The tokens of many samples, one behind the other."""

    def __init__(self) -> None:
        self._tokens = array("i")
        self._ends = array("q", [0])
        self._prompts = array("i")

    def add(self, tokens: Sequence[int], prompt: int) -> None:
        """Put one behind the others.

        Args:
            tokens: Its tokens.
            prompt: How many of them are the prompt.
        """
        self._tokens.extend(tokens)
        self._ends.append(len(self._tokens))
        self._prompts.append(prompt)

    def __len__(self) -> int:
        """Give how many there are."""
        return len(self._prompts)

    def __getitem__(self, number: int) -> Sample:
        """Give one, as a copy.

        Raises:
            IndexError: There is none of this number.
        """
        if not 0 <= number < len(self):
            raise IndexError(number)
        start, end = self._ends[number], self._ends[number + 1]
        tokens = torch.tensor(self._tokens[start:end], dtype=torch.int32)
        return Sample(tokens, self._prompts[number])

    def __iter__(self) -> Iterator[Sample]:
        """Give one after the other."""
        return (self[number] for number in range(len(self)))

    def lengths(self) -> list[int]:
        """Give how many tokens each has."""
        ends = self._ends
        return [ends[number + 1] - ends[number] for number in range(len(self))]


@dataclass(frozen=True, slots=True)
class Side:
    """The samples of one file, ready to be put into batches.

    Attributes:
        records: What was read.
        sequences: The tokens of each sample that fits, none longer than asked for.
        kept: Which of the records they are of.
        cut: How many were cut at the end.
        dropped: How many were left out because their prompt alone is too long.
    """

    records: Records
    sequences: Samples
    kept: Sequence[int]
    cut: int
    dropped: int
