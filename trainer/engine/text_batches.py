"""Tokens of strings by channel: how `TextDataLoader` makes a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainer.errors import ConfigError, Problem
from trainer.paths import at_home

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: Between the strings of a group, and between groups.
SEP, BOS = "[SEP]", "[BOS]"
#: The channel of tokens that belong to none.
NO_CHANNEL = -1


class TextBatches:
    """A collate function that turns samples of text into a batch of tokens.

    A sample is a sequence of groups, and a group a sequence of strings, one for each channel:
    `[["left", "right"], ["front"]]`. Strings of a group are joined with `[SEP]` and groups with
    `[BOS]`, or with a blank, and the whole is tokenised; nothing else is added.

    A batch is a dict of int64 tensors of shape (batch, tokens), padded on the right:

    * `input_ids`;
    * `attention_mask`: 1 for tokens, 0 for padding;
    * `channel_ids`: the number of the string within its sample, counted from 0 through all groups;
      -1 for separators and padding.

    Args:
        tokenizer: Any tokenizer of Hugging Face's `tokenizers`; its own truncation and padding are
            switched off.
        max_length: Tokens after which a sample is cut; None keeps all.
        use_separator: Join groups with `[BOS]`; else with a blank.

    Raises:
        ConfigError: The tokenizer lacks a separator, or draws random numbers of its own.
    """

    def __init__(
        self, tokenizer: Tokenizer, *, max_length: int | None = None, use_separator: bool = True
    ) -> None:
        tokenizer.no_truncation()
        pad = (tokenizer.padding or {}).get("pad_id", tokenizer.token_to_id("[PAD]"))
        tokenizer.no_padding()
        self.tokenizer = tokenizer
        self.max_length = max_length
        #: Padding is told by the mask: where the tokenizer has no token for it, any will do.
        self.pad_id = pad or 0
        self._between = BOS if use_separator else " "
        found = {name: tokenizer.token_to_id(name) for name in (SEP, BOS)}
        needed = (SEP, BOS) if use_separator else (SEP,)
        if missing := [name for name in needed if _splits(tokenizer, name) is None]:
            raise _refusal(
                f"the tokenizer has no special token {' and none '.join(missing)}.",
                "Add it to the tokenizer: tokenizer.add_special_tokens([...]).",
            )
        if getattr(tokenizer.model, "dropout", None):
            raise _refusal(
                "the tokenizer drops merges by chance (`dropout`), which no seed governs.",
                'Set "dropout": null in its tokenizer.json.',
            )
        self._separators = frozenset(found.values()) - {None}

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> TextBatches:
        """Make it from the config's `dataloader` section.

        Raises:
            ConfigError: The tokenizer is not there or cannot be read, or `tokenizers` is missing.
        """
        try:
            from tokenizers import Tokenizer
        except ModuleNotFoundError as error:
            raise ConfigError(
                Problem(
                    "TextDataLoader needs the library `tokenizers`, which is not installed.",
                    "",
                    "Install traindeck[hf].",
                    "dataloader.type",
                )
            ) from error
        if not section.get("tokenizer_path"):
            raise _refusal("TextDataLoader needs a tokenizer.", "Set dataloader.tokenizer_path.")
        folder = at_home(section["tokenizer_path"]) / "tokenizer"
        file = folder / "tokenizer.json"
        if not file.is_file():
            raise _refusal(
                f"there is no tokenizer.json in {folder}.",
                "Save the trained tokenizer there, as `save_pretrained` does.",
            )
        try:
            tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises nothing more special
            raise _refusal(f"{file} cannot be read: {error}.", "Save the tokenizer anew.") from None
        return cls(
            tokenizer,
            max_length=section.get("max_length"),
            use_separator=section.get("use_separator", True),
        )

    def __call__(self, samples: Sequence[Any]) -> dict[str, Tensor]:
        """Make a batch.

        Raises:
            ConfigError: A sample is not made of groups of strings.
        """
        rows = [self._row(sample) for sample in samples]
        # A model can do nothing with a batch of no tokens at all.
        width = max(1, *(len(ids) for ids, _ in rows))
        batch = {
            "input_ids": torch.full((len(rows), width), self.pad_id),
            "attention_mask": torch.zeros((len(rows), width), dtype=torch.int64),
            "channel_ids": torch.full((len(rows), width), NO_CHANNEL),
        }
        for at, (ids, channels) in enumerate(rows):
            batch["input_ids"][at, : len(ids)] = torch.tensor(ids, dtype=torch.int64)
            batch["attention_mask"][at, : len(ids)] = 1
            batch["channel_ids"][at, : len(ids)] = torch.tensor(channels, dtype=torch.int64)
        return batch

    def _row(self, sample: Any) -> tuple[list[int], list[int]]:
        """Give the tokens of a sample and the channel of each."""
        _check(sample)
        text = self._between.join(SEP.join(group) for group in sample)
        # Alone rather than many at once: the library's threads do not survive a fork.
        encoded = self.tokenizer.encode(text, add_special_tokens=False)
        ids, spans = encoded.ids[: self.max_length], encoded.offsets[: self.max_length]
        strings = self._strings(sample)
        channels, at = [], 0
        for token, (start, end) in zip(ids, spans, strict=True):
            while at < len(strings) and strings[at][1] <= start:
                at += 1
            # A token may take in the blank before a string, and still is the string's.
            inside = at < len(strings) and strings[at][0] < end and token not in self._separators
            channels.append(strings[at][2] if inside else NO_CHANNEL)
        return ids, channels

    def _strings(self, sample: Sequence[Sequence[str]]) -> list[tuple[int, int, int]]:
        """Give each string that holds anything: where it begins and ends in the text, its channel."""
        found, at, channel = [], 0, 0
        for number, group in enumerate(sample):
            at += len(self._between) if number else 0
            for place, string in enumerate(group):
                at += len(SEP) if place else 0
                if string:
                    found.append((at, at + len(string), channel))
                at += len(string)
                channel += 1
        return found


def _splits(tokenizer: Tokenizer, name: str) -> int | None:
    """Give a token's number if it is one token wherever it stands; else None."""
    added = tokenizer.get_added_tokens_decoder()
    return next((number for number, token in added.items() if token.content == name), None)


def _check(sample: Any) -> None:
    is_list = isinstance(sample, Sequence) and not isinstance(sample, str)
    if is_list and all(isinstance(g, Sequence) and not isinstance(g, str) for g in sample):
        wrong = [s for s in chain.from_iterable(sample) if not isinstance(s, str)]
        if not wrong:
            return
        found = f"a {type(wrong[0]).__name__} in a group"
    elif is_list:
        inner = next(g for g in sample if not isinstance(g, Sequence) or isinstance(g, str))
        found = f"a {type(inner).__name__} in the place of a group"
    else:
        found = f"a {type(sample).__name__} in the place of a sample"
    raise ConfigError(
        Problem(
            f"TextDataLoader takes samples made of groups of strings, and got {found}.",
            "",
            'Let the data set give a list of lists of strings: [["left", "right"], ["front"]].',
            "data",
        )
    )


def _refusal(what: str, remedy: str) -> ConfigError:
    return ConfigError(Problem(what, "", remedy, "dataloader.tokenizer_path"))
