"""The keys of `dataloader` reach torch, and each kind of loader gives what it promises."""

from __future__ import annotations

from itertools import chain

import pytest
import torch
import yaml
from enginelab import loaders, tiny

from trainer.config.compose import compose
from trainer.config.schema_parts import Dataloader
from trainer.engine import loaders as engine_loaders
from trainer.engine.data import EngineData
from trainer.engine.fit import fit
from trainer.engine.mixup import mu_law
from trainer.errors import ConfigError

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

MIX = {"type": "MixupDataLoader", "mixup_alpha": 0.5, "num_classes": 3, "batch_size": 4}
QUANTIZED = MIX | {"quantize": True, "mu": 31, "max_val": 3.0}

# Document 003, word for word.
MINIMAL = """\
dataloader:
  batch_size: 4
  num_workers: 16
  prefetch_factor: 4
  pin_memory: true
  persistent_workers: true
"""


def batches(source, section, epoch=0, start=0):
    data = EngineData(source, section, seed=7)
    data.seek(epoch, start, None)
    return [data.on_before_batch_transfer(batch, 0) for batch in data.train_dataloader()]


def validation(source, section):
    made = EngineData(source, section, seed=7).val_dataloader()
    return [list(loader) for loader in (made if isinstance(made, list) else [made])]


def same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other) and one.dtype == other.dtype
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.fixture
def received(monkeypatch):
    """What torch's DataLoader is made with, as on a machine with a GPU."""
    made = []
    torch_s_own = torch.utils.data.DataLoader

    def loader(*args, **keywords):
        made.append(keywords)
        return torch_s_own(*args, **keywords)

    monkeypatch.setattr(engine_loaders, "DataLoader", loader)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    return made


def keywords_of(received, **section):
    received.clear()
    EngineData(tiny.Data(), section, seed=7).train_dataloader()
    return received[0]


@pytest.mark.proves(
    "dataloader.num_workers",
    "dataloader.prefetch_factor",
    "dataloader.pin_memory",
    "dataloader.persistent_workers",
)
@pytest.mark.parametrize(
    ("name", "value", "default"),
    [("num_workers", 3, 0), ("prefetch_factor", 5, 2), ("pin_memory", True, False),
     ("persistent_workers", True, False)],
)  # fmt: skip
def test_a_key_of_torch_reaches_torch(received, name, value, default):
    section = Dataloader().model_dump() | {"num_workers": 2 if name != "num_workers" else 0}
    assert keywords_of(received, **section)[name] == default
    assert keywords_of(received, **(section | {name: value}))[name] == value


@pytest.mark.proves("dataloader.batch_size", "dataloader.drop_last")
def test_batch_size_and_drop_last_reach_the_order_of_batches(received):
    order = keywords_of(received, batch_size=8)["batch_sampler"]
    assert [len(batch) for batch in order] == [8] * 5 + [4]
    order = keywords_of(received, batch_size=8, drop_last=True)["batch_sampler"]
    assert [len(batch) for batch in order] == [8] * 5


def test_a_stream_gets_the_keys_as_well(received):
    section = {"batch_size": 3, "drop_last": True, "num_workers": 1, "prefetch_factor": 4}
    EngineData(loaders.Streams(), section, seed=7).train_dataloader()
    assert {key: received[0][key] for key in section} == section


def test_without_workers_torch_is_told_nothing_of_them(received):
    # It would refuse them; the documents' defaults name a prefetch_factor beside num_workers 0.
    made = keywords_of(received, **Dataloader().model_dump())
    assert "prefetch_factor" not in made
    assert "persistent_workers" not in made


def test_memory_is_pinned_only_for_a_gpu(received, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert keywords_of(received, pin_memory=True)["pin_memory"] is False


def test_003_the_minimal_example_reaches_torch(received, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(MINIMAL)
    section = compose((), config_file=file, cwd=tmp_path).config["dataloader"]
    made = keywords_of(received, **section)
    wanted = yaml.safe_load(MINIMAL)["dataloader"]
    assert made["batch_sampler"].batch_size == wanted.pop("batch_size")
    assert {key: made[key] for key in wanted} == wanted


@pytest.mark.proves(
    "dataloader.type",
    "dataloader.mixup_alpha",
    "dataloader.mixup_prob",
    "dataloader.num_classes",
    "dataloader.quantize",
    "dataloader.mu",
    "dataloader.max_val",
)
@pytest.mark.parametrize(
    "change",
    [{"mixup_alpha": 3.0}, {"mixup_prob": 0.2}, {"num_classes": 5}, {"quantize": False},
     {"mu": 15}, {"max_val": 1.0}, {"type": "DataLoader"}],
)  # fmt: skip
def test_a_key_of_mixup_changes_the_batches(change):
    before, after = (
        batches(loaders.Signals(), QUANTIZED),
        batches(loaders.Signals(), QUANTIZED | change),
    )
    assert not same(before, after)


def test_the_same_batches_whatever_the_workers_and_the_start():
    whole = batches(loaders.Signals(), QUANTIZED)
    assert same(whole, batches(loaders.Signals(), QUANTIZED))
    assert same(whole, batches(loaders.Signals(), QUANTIZED | {"num_workers": 2}))
    assert same(whole[5:], batches(loaders.Signals(), QUANTIZED, start=5))
    assert not same(whole, batches(loaders.Signals(), QUANTIZED, epoch=1))


def test_training_is_mixed_and_validation_only_quantised():
    for inputs, targets in batches(loaders.Signals(), QUANTIZED):
        assert inputs[0].dtype == torch.int64
        assert 0 <= int(inputs[0].min()) <= int(inputs[0].max()) <= 31
        assert inputs[1].dtype == torch.float32
        assert targets.shape == (len(inputs[0]), 3)
    plain = {k: v for k, v in QUANTIZED.items() if k != "type"}
    for (got, classes), (want, known) in zip(
        *(validation(loaders.Signals(), section)[0] for section in (QUANTIZED, plain)), strict=True
    ):
        assert torch.equal(got[0], mu_law(want[0], 31, 3.0))
        assert same(got[1:], want[1:])
        assert torch.equal(classes, known)
        assert classes.dtype == torch.int64


@pytest.mark.parametrize("kind", ["stock", "stream", "weighted", "list"])
def test_loaders_of_ones_own_are_mixed_and_quantised(kind):
    for inputs, targets in batches(loaders.Module(kind), QUANTIZED):
        assert inputs[0].dtype == torch.int64
        assert targets.is_floating_point()
    found = validation(loaders.Module(kind), QUANTIZED)
    assert len(found) == 2
    for inputs, targets in chain.from_iterable(found):
        assert inputs[0].dtype == torch.int64
        assert targets.dtype == torch.int64


@pytest.mark.parametrize("workers", [0, 2])
def test_streams_are_mixed_and_quantised(workers):
    section = QUANTIZED | {"num_workers": workers}
    for inputs, targets in batches(loaders.Streams(), section):
        assert inputs[0].dtype == torch.int64
        assert targets.is_floating_point()
    for inputs, _ in validation(loaders.Streams(), section)[0]:
        assert inputs[0].dtype == torch.int64


def test_batches_of_a_stream_do_not_share_a_weight():
    class Units(loaders.Streams):
        def train_dataset(self):
            return Rows()

    class Rows(torch.utils.data.IterableDataset):
        def __iter__(self):
            yield from ((torch.eye(4)[i % 4], torch.tensor(0.0)) for i in range(24))

    weights = {float(x[0, 0]) for x, _ in batches(Units(), MIX)}
    assert len(weights) > 3


@pytest.mark.parametrize("workers", [0, 2])
def test_integer_targets_without_classes_end_before_training(lab, capsys, workers):
    folder = lab(
        "run",
        data={"_target_": "enginelab.loaders.Signals"},
        model={"_target_": "enginelab.loaders.Classifier"},
        loss={"_target_": "enginelab.loaders.CrossEntropy"},
        dataloader={"type": "MixupDataLoader", "mixup_alpha": 0.2, "batch_size": 4}
        | {"num_workers": workers},
    )
    assert fit(folder) == 2
    told = capsys.readouterr().err
    assert "Set dataloader.num_classes" in told
    assert "Traceback" not in told


def test_signals_are_trained_on_as_tokens(lab, events):
    folder = lab(
        "run",
        data={"_target_": "enginelab.loaders.Signals"},
        model={"_target_": "enginelab.loaders.Classifier", "tokens": 32},
        loss={"_target_": "enginelab.loaders.CrossEntropy"},
        dataloader=QUANTIZED,
    )
    assert fit(folder) == 0
    assert any("val/loss" in event["metrics"] for event in events(folder, "metrics"))


@pytest.fixture
def tokenizer(tmp_path):
    tokenizers = pytest.importorskip("tokenizers", reason="needs the extra hf")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    special = ["[UNK]", "[PAD]", "[SEP]", "[BOS]"]
    trainer = tokenizers.trainers.WordLevelTrainer(special_tokens=special, show_progress=False)
    made.train_from_iterator(["cat mat sat on the"], trainer)
    folder = tmp_path / "trained" / "tokenizer"
    folder.mkdir(parents=True)
    made.save(str(folder / "tokenizer.json"))
    return str(folder.parent)


def text(path, **more):
    return {"type": "TextDataLoader", "tokenizer_path": path, "batch_size": 4} | more


@pytest.mark.proves(
    "dataloader.tokenizer_path", "dataloader.max_length", "dataloader.use_separator"
)
def test_a_key_of_text_changes_the_batches(tokenizer):
    before = batches(loaders.Texts(), text(tokenizer))
    assert before[0].keys() == {"input_ids", "attention_mask", "channel_ids"}
    assert same(before, batches(loaders.Texts(), text(tokenizer, num_workers=2)))
    assert not same(before, batches(loaders.Texts(), text(tokenizer, use_separator=False)))
    short = batches(loaders.Texts(), text(tokenizer, max_length=3))
    assert {batch["input_ids"].shape[1] for batch in short} == {3}
    assert validation(loaders.Texts(), text(tokenizer))[0][0].keys() == before[0].keys()


@pytest.mark.parametrize("workers", [0, 1])
def test_text_is_trained_on(lab, tokenizer, workers, capsys):
    model = {"_target_": "enginelab.loaders.NextToken"}
    loss = {"_target_": "enginelab.loaders.NextTokenLoss"}
    section = text(tokenizer, num_workers=workers)
    data = {"_target_": "enginelab.loaders.Texts"}
    assert fit(lab("run", data=data, model=model, loss=loss, dataloader=section)) == 0
    other = lab("other", model=model, loss=loss, dataloader=section)  # samples are no text
    assert fit(other) == 2
    assert "takes samples made of groups of strings" in capsys.readouterr().err


def test_a_stream_of_text(tokenizer):
    class Rows(torch.utils.data.IterableDataset):
        def __iter__(self):
            yield from loaders.Texts().train_dataset()

    class Streamed(loaders.Texts):
        def train_dataset(self):
            return Rows()

    assert batches(Streamed(), text(tokenizer, num_workers=1))[0].keys() >= {"channel_ids"}


def test_batches_of_ones_own_and_text_are_refused_together(tokenizer):
    with pytest.raises(ConfigError, match=r"OwnBatches.collate\(\) and TextDataLoader"):
        EngineData(loaders.OwnBatches(), text(tokenizer), seed=7)
    with pytest.raises(ConfigError, match="Module makes loaders of its own"):
        EngineData(loaders.Module(), text(tokenizer), seed=7)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("workers", [0, 2])
def test_mixed_batches_are_pinned_and_refusals_are_told(workers):
    section = QUANTIZED | {"num_workers": workers, "pin_memory": True}
    for inputs, targets in batches(loaders.Signals(), section):
        assert inputs[0].is_pinned()
        assert targets.is_pinned()
    with pytest.raises(ConfigError, match="how many classes"):
        batches(loaders.Signals(), section | {"num_classes": None})
