"""Instructions and answers as sequences of tokens, from files or made from the standard library."""

from __future__ import annotations

import platform
from array import array
from collections.abc import Callable, Sequence
from functools import cached_property
from heapq import nsmallest
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from trainer.config.prompt_template import Template
from trainer.engine.phase import telling
from trainer.errors import ConfigError, Problem
from trainer.events.text import clean
from trainer.paths import at_home
from trainer.recipes.lora import hub, instruct
from trainer.recipes.lora.generated import cache_home, settings_of
from trainer.recipes.lora.packing import packs
from trainer.recipes.lora.records import Record, Records, read
from trainer.recipes.lora.samples import Sample, Samples, Side
from trainer.recipes.sources import standard_library

#: A label that no loss counts.
IGNORE = -100
# Samples that are turned into tokens at once: their texts and tokens as Python has them take a
# hundred times the memory of what is kept.
_AT_ONCE = 2048
# So many take minutes, and are worth a word.
_MANY = 100_000
# What a side is for; and bytes beyond which a file is not looked at whether it is blank.
_BLANK = {"val": "validate", "test": "evaluate"}
_SMALL = 4096
# Domains that are named where none of the asked ones is there.
_NAMED = 8


class Instructions:
    """Samples of instruction, input and answer, each put into a prompt template.

    A batch is a dict of tensors: `input_ids` (rows, length), padded on the right; `positions` and
    `labels` (rows, targets), the places whose next token counts and that token, -100 where a row has
    fewer than the longest; with `packing` also `position_ids` (rows, length), which begin anew with
    each sample. Pads are never looked at: attention goes back only.

    Args:
        root: Folder of the files; None makes instructions from the standard library of this Python,
            kept in the cache.
        tokenizer: Whose tokenizer: a base model, as `model.base_model`.
        revision: Its version on the hub.
        trust_remote_code: Whether code that comes with it may run.
        template: The prompt template; None for the usual one.
        train_split: File of the training samples.
        val_split: File of the validation samples; None for none.
        test_split: File of the samples for evaluation; None for none.
        quality_threshold: Least quality score of a sample that is used; None uses all.
        domains: Domains that are used; None uses all.
        sequence_length: Tokens after which a sample is cut; the row length where samples are packed.
        context_window: A longer `sequence_length` is refused; None allows any.
        response_only: Count the loss on answers alone.
        packing: Put several samples into a row, as many as fit.
        max_items: Most samples of each file; None uses all.

    Raises:
        ConfigError: A value is out of bounds, or the template is none.
    """

    def __init__(
        self,
        root: str | None = None,
        *,
        tokenizer: str | None = None,
        revision: str | None = None,
        trust_remote_code: bool = False,
        template: str | None = None,
        train_split: str = "train.jsonl",
        val_split: str | None = "val.jsonl",
        test_split: str | None = "test.jsonl",
        quality_threshold: float | None = None,
        domains: Sequence[str] | None = None,
        sequence_length: int = 1024,
        context_window: int | None = None,
        response_only: bool = True,
        packing: bool = False,
        max_items: int | None = None,
    ) -> None:
        if sequence_length < 2:
            raise ConfigError(
                Problem("`sequence_length` must be at least 2.", key="data.sequence_length")
            )
        if context_window is not None and sequence_length > context_window:
            raise ConfigError(
                Problem(
                    f"Sequences of {sequence_length} tokens are longer than the expert's context "
                    f"window of {context_window}.",
                    remedy=f"Set data.sequence_length to {context_window} or less.",
                    key="data.sequence_length",
                )
            )
        self.root = at_home(root) if root else None
        self.template = Template.of(template)
        self.splits = {"train": train_split, "val": val_split, "test": test_split}
        # Who splits few samples may have none for a side: it is as if the side were not named.
        self._blank = [
            side
            for side in ("val", "test")
            if self.root and _is_blank(self.root, self.splits[side])
        ]
        self.splits |= dict.fromkeys(self._blank)
        self.quality_threshold = quality_threshold
        self.domains = list(domains) if domains else None
        self.sequence_length = sequence_length
        self.response_only = response_only
        self.packing = packing
        self.max_items = max_items
        self._base = (tokenizer, revision, trust_remote_code)
        self._beside: hub.Base | None = None
        #: Told what takes its time; the engine puts its own in this place.
        self.say: Callable[[str], Any] = _print

    def prepare(self) -> None:
        """Make instructions where no folder is named; once a machine."""
        _ = self.folder

    @cached_property
    def folder(self) -> Path:
        """The folder of the files, made if none was named."""
        if self.root is not None:
            return self.root
        # Another standard library, another folder.
        sources = instruct.sources_digest(instruct.modules(standard_library()))
        name = f"stdlib-v{instruct.VERSION}-py{platform.python_version()}-{sources}"
        place = cache_home() / "instruct" / name
        with telling(self.say) as say:
            if settings_of(place) is None:
                say("preparing: instructions from the standard library")
            new = instruct.write(None, place)
        if new:
            self.say(f"data.root is not set: instructions from the standard library, in {place}")
        return place

    @cached_property
    def tokenizer(self) -> Any:
        """The base model's tokenizer."""
        name, revision, code = self._base
        try:
            base = hub.find(
                name, revision=revision, say=self.say, trust_remote_code=code, weights=False
            )
        except ConfigError:
            if self._beside is None:
                raise
            base = self._beside
            self.say(f"'{name}' is not here: the tokenizer is that of '{base.name}'")
        return hub.load_tokenizer(base, trust_remote_code=code)

    def see_base(self, base: hub.Base) -> None:
        """Take the tokenizer from this base where the one that was named has gone, as after a move."""
        self._beside = base

    def train_dataset(self) -> Rows:
        """Give the training rows.

        Raises:
            ConfigError: No sample is left.
        """
        return self._rows("train")

    def val_dataset(self) -> Rows | None:
        """Give the validation rows; None without a file of them."""
        for side in self._blank:
            self.say(f"{side}: the file is empty; there is nothing to {_BLANK[side]} on")
        return self._rows("val") if self.splits["val"] else None

    def test_dataset(self) -> Rows | None:
        """Give the rows for evaluation; None without a file of them."""
        return self._rows("test") if self.splits["test"] else None

    def example_batch(self, size: int) -> dict[str, Tensor]:
        """Give the rows of training that take most memory together: the longest ones."""
        rows = self._rows("train")
        lengths = rows.lengths()
        chosen = nsmallest(size, range(len(rows)), key=lambda number: -lengths[number])
        longest = [rows[number] for number in chosen]
        return self.collate((longest * size)[:size])

    def side(self, split: str) -> Side:
        """Give the samples of `train`, `val` or `test`, tokens and all.

        Raises:
            ConfigError: The file cannot be read, or no sample of it is left.
        """
        if split not in self._sides:
            self._sides[split] = self._load(split)
        return self._sides[split]

    def prompt(self, record: Record) -> list[int]:
        """Give the tokens of a sample's prompt, as training has them."""
        return self._prompts([self.template.prompt(record.instruction, record.given)])[0]

    def collate(self, rows: Sequence[list[Sample]]) -> dict[str, Tensor]:
        """Make a batch of rows, each of one or several samples; see the class."""
        length = max(sum(len(each.tokens) for each in row) for row in rows)
        pad = self.tokenizer.pad_token_id
        pad = self.tokenizer.eos_token_id if pad is None else pad
        ids = torch.full((len(rows), length), int(pad), dtype=torch.int64)
        places = torch.zeros((len(rows), length), dtype=torch.int64)
        positions: list[Tensor] = []
        labels: list[Tensor] = []
        for number, row in enumerate(rows):
            start = 0
            at: list[Tensor] = []
            for each in row:
                end = start + len(each.tokens)
                ids[number, start:end] = each.tokens
                places[number, start:end] = torch.arange(end - start)
                # What is predicted at a place is the next token; nothing predicts a sample's first.
                first = start + (max(each.prompt, 1) if self.response_only else 1)
                at.append(torch.arange(first - 1, end - 1))
                start = end
            positions.append(torch.cat(at))
            labels.append(ids[number, positions[-1] + 1])
        batch = {
            "input_ids": ids,
            "positions": torch.nn.utils.rnn.pad_sequence(positions, batch_first=True),
            "labels": torch.nn.utils.rnn.pad_sequence(
                labels, batch_first=True, padding_value=IGNORE
            ),
        }
        if self.packing:
            batch["position_ids"] = places
        return batch

    @cached_property
    def _sides(self) -> dict[str, Side]:
        return {}

    def _rows(self, split: str) -> Rows:
        sequences = self.side(split).sequences
        if not self.packing:
            return Rows(sequences)
        return Rows(sequences, packs(sequences.lengths(), self.sequence_length))

    def _load(self, split: str) -> Side:
        name = self.splits[split]
        assert name is not None
        path = self.folder / name
        records = read(
            path,
            quality_threshold=self.quality_threshold,
            domains=self.domains,
            max_items=self.max_items,
        )
        if len(records.kept) >= _MANY:
            self.say(f"{split}: {len(records.kept)} samples are turned into tokens")
        with hub.all_threads():
            side = self._tokens(records)
        if not side.sequences:
            raise ConfigError(_nothing_left(path, records, side.dropped))
        for text in _told(split, side, self.sequence_length):
            self.say(text)
        return side

    def _tokens(self, records: Records) -> Side:
        template, end = self.template, int(self.tokenizer.eos_token_id)
        sequences, kept, cut, dropped = Samples(), array("q"), 0, 0
        reading = iter(records.kept)
        for first in range(0, len(records.kept), _AT_ONCE):
            texts = list(islice(reading, _AT_ONCE))
            prompts = self._prompts([template.prompt(r.instruction, r.given) for r in texts])
            answers = self._ids([template.answer(r.output) for r in texts], special=False)
            pairs = zip(prompts, answers, strict=True)
            for number, (prompt, answer) in enumerate(pairs, first):
                whole = [*prompt, *answer, end]
                if len(prompt) >= self.sequence_length or len(whole) < 2:
                    dropped += 1
                    continue
                cut += len(whole) > self.sequence_length
                sequences.add(whole[: self.sequence_length], len(prompt))
                kept.append(number)
        return Side(records, sequences, kept, cut, dropped)

    def _prompts(self, texts: list[str]) -> list[list[int]]:
        end = self.tokenizer.eos_token_id
        # With what the tokenizer puts in front of a text, and without what it puts behind one.
        found = self._ids(texts, special=True)
        return [each[:-1] if each and each[-1] == end else each for each in found]

    def _ids(self, texts: list[str], *, special: bool) -> list[list[int]]:
        if not texts:
            return []
        found: list[list[int]] = self.tokenizer(
            texts, add_special_tokens=special, return_attention_mask=False, verbose=False
        )["input_ids"]
        return found


class Rows(Dataset[list[Sample]]):
    """Rows of one or several samples, by number.

    Args:
        sequences: The samples.
        rows: Which of them are in each row; None for one in each.
    """

    def __init__(self, sequences: Samples, rows: list[list[int]] | None = None) -> None:
        self.sequences = sequences
        self.rows = rows

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self.sequences if self.rows is None else self.rows)

    def __getitem__(self, index: int) -> list[Sample]:
        """Give the samples of one row."""
        numbers = [index] if self.rows is None else self.rows[index]
        return [self.sequences[number] for number in numbers]

    def lengths(self) -> list[int]:
        """Give how many tokens each row has."""
        each = self.sequences.lengths()
        return each if self.rows is None else [sum(each[n] for n in row) for row in self.rows]


def _told(split: str, side: Side, length: int) -> list[str]:
    """Say what was left out and what was cut; nothing if nothing was."""
    records, said = side.records, []
    if records.low or records.other:
        said.append(
            f"{split}: {len(records.kept)} of {records.read} samples are used; {records.low} are below "
            f"the quality threshold, {records.other} of other domains"
        )
    if side.cut or side.dropped:
        said.append(
            f"{split}: of {len(records.kept)} samples {side.cut} are cut after {length} tokens and "
            f"{side.dropped} left out, since their prompt alone is longer (data.sequence_length)"
        )
    return said


def _print(text: str) -> None:
    print(text, flush=True)


def _is_blank(folder: Path, name: str | None) -> bool:
    """Tell whether a file is there and empty, but for blank lines."""
    path = folder / (name or "")
    if not path.is_file() or path.stat().st_size > _SMALL:
        return False
    return not path.read_bytes().strip()


def _nothing_left(path: Path, records: Records, dropped: int) -> Problem:
    """Say why no sample of a file is used, and what of that can be changed."""
    if not records.read:
        return Problem("The file holds no sample.", str(path), "", "data.root")
    why = (
        f"{records.read} read, {records.low} below the quality threshold, {records.other} of other "
        f"domains, {dropped} with too long a prompt"
    )
    ways = ["lower data.quality_threshold"] if records.low else []
    if records.others:
        most = nsmallest(_NAMED, records.others, key=lambda name: (-records.others[name], name))
        more = ", …" if len(records.others) > len(most) else ""
        names = ", ".join(clean(name)[:40] for name in most)
        ways.append(f"name other data.domains (there are {names}{more})")
    ways += ["raise data.sequence_length"] if dropped else []
    remedy = f"{' or '.join(ways)}." if ways else ""
    what = f"No sample is left to use ({why})."
    return Problem(what, str(path), f"{remedy[:1].upper()}{remedy[1:]}", "data.root")
