"""Text by channel becomes tokens, a mask and the channel of each token."""

from __future__ import annotations

import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.engine.text_batches import TextBatches
from trainer.errors import ConfigError

tokenizers = pytest.importorskip("tokenizers", reason="needs the extra hf")
SPECIAL = ["[UNK]", "[PAD]", "[SEP]", "[BOS]"]


def trained(kind="bytes", special=SPECIAL):
    """Train a small tokenizer: on bytes with merges, or on whole words."""
    texts = ["the cat sat", "on the mat", "ÄÖ ßé 日本"] * 20
    if kind == "bytes":
        made = tokenizers.Tokenizer(tokenizers.models.BPE())
        made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=320, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        )
    elif kind == "no boundaries":  # merges may run over blanks
        made = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="[UNK]"))
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=60, special_tokens=special, show_progress=False
        )
    else:
        made = tokenizers.Tokenizer(tokenizers.models.WordLevel(unk_token="[UNK]"))
        made.normalizer = tokenizers.normalizers.Lowercase()
        made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
        trainer = tokenizers.trainers.WordLevelTrainer(special_tokens=special, show_progress=False)
    made.train_from_iterator(texts, trainer)
    return made


BYTES = trained()


def slow_row(tokenizer, sample):
    """Tokenise string by string: with `[BOS]` between groups no token reaches over a border."""
    ids, channels, channel = [], [], 0
    for number, group in enumerate(sample):
        if number:
            ids.append(tokenizer.token_to_id("[BOS]"))
            channels.append(-1)
        for place, string in enumerate(group):
            if place:
                ids.append(tokenizer.token_to_id("[SEP]"))
                channels.append(-1)
            own = tokenizer.encode(string, add_special_tokens=False).ids
            ids += own
            channels += [channel] * len(own)
            channel += 1
    return ids, channels


STRINGS = st.text(st.characters(codec="utf-8", exclude_characters="[]\0"), max_size=6)
SAMPLES = st.lists(st.lists(STRINGS, max_size=3), max_size=4)


@settings(deadline=None, max_examples=60)
@given(st.lists(SAMPLES, min_size=1, max_size=3), st.none() | st.integers(1, 12))
def test_a_batch_is_what_the_strings_give_one_by_one(samples, max_length):
    batch = TextBatches(BYTES, max_length=max_length)(samples)
    width = batch["input_ids"].shape[1]
    lengths = []
    for at, sample in enumerate(samples):
        ids, channels = (part[:max_length] for part in slow_row(BYTES, sample))
        lengths.append(len(ids))
        pad = width - len(ids)
        assert batch["input_ids"][at].tolist() == ids + [BYTES.token_to_id("[PAD]")] * pad
        assert batch["channel_ids"][at].tolist() == channels + [-1] * pad
        assert batch["attention_mask"][at].tolist() == [1] * len(ids) + [0] * pad
    assert width == max(1, *lengths)
    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}


@settings(deadline=None, max_examples=60)
@given(SAMPLES)
def test_with_blanks_the_text_is_tokenised_as_a_whole(sample):
    for tokenizer in (BYTES, trained("no boundaries")):
        batch = TextBatches(tokenizer, use_separator=False)([sample])
        text = " ".join("[SEP]".join(group) for group in sample)
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert batch["input_ids"][0].tolist()[: len(ids)] == ids
        assert int(batch["attention_mask"].sum()) == len(ids)
        channels = batch["channel_ids"][0].tolist()[: len(ids)]
        # Channels come in order, and separators belong to none.
        known = [channel for channel in channels if channel >= 0]
        assert known == sorted(known)
        strings = [string for group in sample for string in group]
        assert all(strings[channel] for channel in known)
        separator = tokenizer.token_to_id("[SEP]")
        assert all(c == -1 for i, c in zip(ids, channels, strict=True) if i == separator)


def test_an_example_by_hand():
    words = trained("words")
    number = words.token_to_id
    sample = [["The cat", "sat"], ["on"], ["", "mat"]]
    batch = TextBatches(words)([sample, [["cat"]]])
    assert batch["input_ids"].tolist()[0] == [
        *map(number, ["the", "cat", "[SEP]", "sat", "[BOS]", "on", "[BOS]", "[SEP]", "mat"])
    ]
    assert batch["channel_ids"].tolist()[0] == [0, 0, -1, 1, -1, 2, -1, -1, 4]
    assert batch["input_ids"].tolist()[1] == [number("cat"), *[number("[PAD]")] * 8]
    assert batch["attention_mask"].tolist()[1] == [1] + [0] * 8

    blank = TextBatches(words, use_separator=False)([sample])
    assert blank["input_ids"].tolist()[0] == [
        *map(number, ["the", "cat", "[SEP]", "sat", "on", "[SEP]", "mat"])
    ]
    assert blank["channel_ids"].tolist()[0] == [0, 0, -1, 1, 2, -1, 4]


def test_a_separator_in_the_data_belongs_to_no_channel():
    batch = TextBatches(trained("words"))([[["cat [SEP] mat"]]])
    assert batch["channel_ids"].tolist() == [[0, -1, 0]]


def test_what_the_tokenizer_would_do_by_itself_is_left_out():
    words = trained("words")
    plain = TextBatches(trained("words"))([[["cat sat"]]])
    words.post_processor = tokenizers.processors.TemplateProcessing(
        single="[BOS] $A [SEP]",
        special_tokens=[(name, words.token_to_id(name)) for name in ("[BOS]", "[SEP]")],
    )
    words.enable_truncation(1)
    words.enable_padding(length=9, pad_id=2)
    made = TextBatches(words)
    batch = made([[["cat sat"]]])
    assert all(torch.equal(batch[name], plain[name]) for name in plain)
    assert made.pad_id == 2  # its own choice of a token for padding counts


def test_a_tokenizer_without_padding_pads_with_0():
    made = TextBatches(trained("words", ["[UNK]", "[SEP]", "[BOS]"]))
    assert made.pad_id == 0


@pytest.mark.parametrize(
    ("special", "told"),
    [
        (["[UNK]", "[PAD]", "[SEP]"], r"no special token \[BOS\]"),
        (["[UNK]", "[PAD]"], r"no special token \[SEP\] and none \[BOS\]"),
    ],
)
def test_missing_separators_are_told(special, told):
    with pytest.raises(ConfigError, match=told):
        TextBatches(trained("words", special))
    if "[SEP]" in special:
        TextBatches(trained("words", special), use_separator=False)


def test_a_tokenizer_that_draws_by_chance_is_refused():
    made = trained()
    made.model.dropout = 0.1
    with pytest.raises(ConfigError, match="no seed governs"):
        TextBatches(made)


@pytest.mark.parametrize(
    ("sample", "told"),
    [
        ("cat", "a str in the place of a sample"),
        (["cat", "mat"], "a str in the place of a group"),
        ([["cat", 3]], "a int in a group"),
        (torch.zeros(3), "a Tensor in the place of a sample"),
        ((["cat"], 3), "a int in the place of a group"),
    ],
)
def test_samples_of_another_form_are_told(sample, told):
    with pytest.raises(ConfigError, match=told):
        TextBatches(BYTES)([sample])


def test_it_is_made_from_the_config(tmp_path):
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    section = {"tokenizer_path": str(tmp_path), "max_length": 2, "use_separator": False}
    with pytest.raises(ConfigError, match=r"no tokenizer\.json in"):
        TextBatches.of(section)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ConfigError, match="cannot be read"):
        TextBatches.of(section)
    trained("words").save(str(folder / "tokenizer.json"))
    made = TextBatches.of(section)
    number = made.tokenizer.token_to_id
    batch = made([[["cat"], ["mat"], ["sat"]]])
    assert batch["input_ids"].tolist() == [[number("cat"), number("mat")]]
    with pytest.raises(ConfigError, match="needs a tokenizer"):
        TextBatches.of({})


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ConfigError, match=r"Install traindeck\[hf\]"):
        TextBatches.of({"tokenizer_path": "/nowhere"})
