"""What a model is worth: its perplexity on samples that it has not seen, and what it answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from trainer.engine.phase import Pace
from trainer.events.text import clean
from trainer.recipes.lora.data import IGNORE, Instructions
from trainer.recipes.lora.model import LoraModel
from trainer.recipes.lora.samples import Sample

#: Something to compute in, such as an autocast.
Within = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Answer:
    """One instruction, answered.

    Attributes:
        instruction: What was to be done.
        given: What with.
        expected: The answer of the data.
        base: What the base answers.
        adapter: What the adapted model answers.
    """

    instruction: str
    given: str
    expected: str
    base: str
    adapter: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of a base and of the same with its adapter, on the same tokens.

    Attributes:
        split: Which samples.
        samples: How many.
        tokens: Tokens that were predicted.
        base_loss: Mean cross entropy of the base over all of them, nats.
        adapter_loss: That of the adapted model.
        answers: What both answer to a few.
    """

    split: str
    samples: int
    tokens: int
    base_loss: float
    adapter_loss: float
    answers: tuple[Answer, ...] = ()

    @property
    def base_perplexity(self) -> float:
        """Perplexity of the base."""
        return _perplexity(self.base_loss)

    @property
    def adapter_perplexity(self) -> float:
        """Perplexity of the adapted model."""
        return _perplexity(self.adapter_loss)

    def plain(self) -> dict[str, Any]:
        """Give it as plain data, for files."""
        found = asdict(self)
        found["answers"] = [asdict(each) for each in self.answers]
        return {
            **found,
            "base_perplexity": round(self.base_perplexity, 4),
            "adapter_perplexity": round(self.adapter_perplexity, 4),
        }


def evaluate(
    model: LoraModel,
    data: Instructions,
    *,
    split: str = "test",
    max_samples: int | None = None,
    answers: int = 3,
    max_new_tokens: int = 128,
    batch_size: int = 8,
    within: Within = nullcontext,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], Any] = lambda _: None,
) -> Evaluation | None:
    """Measure a base and its adapter on a split, and let both answer a few of its instructions.

    Args:
        model: Both.
        data: Where the samples come from.
        split: `test` or `val`; the other one where the data have no such file.
        max_samples: Most samples, spread evenly over the split; None takes all.
        answers: How many are answered.
        max_new_tokens: Tokens after which an answer is cut.
        batch_size: Samples that are measured at once.
        within: What is computed in.
        stop: Asked between batches; ends the evaluation without a result.
        say: Told what is measured, and how far it is.

    Returns:
        The figures; None if there is neither split, or it was stopped.
    """
    other = "val" if split == "test" else "test"
    split = split if data.splits.get(split) else other
    if not data.splits.get(split):
        return None
    side = data.side(split)
    count = len(side.sequences) if max_samples is None else min(max_samples, len(side.sequences))
    chosen = _spread(len(side.sequences), count)
    samples = [side.sequences[number] for number in chosen]
    say(f"evaluating: {len(samples)} samples of the {split} split, without the adapter and with it")
    pace = Pace("evaluating: sample", 2 * len(samples), say)
    with _quietly(model), torch.no_grad(), within():
        losses = []
        for adapted in (False, True):
            with nullcontext() if adapted else model.base_alone():
                before = len(samples) if adapted else 0
                loss, tokens = _loss(
                    model, data, samples, batch_size, stop, at=partial(_at, pace, before)
                )
            if stop():
                return None
            losses.append(loss)
        told: list[Answer] = []
        for place in _spread(len(chosen), min(answers, len(chosen))):
            if stop():
                return None
            say(f"evaluating: answer {len(told) + 1} of {min(answers, len(chosen))}")
            record = side.records.kept[side.kept[chosen[place]]]
            prompt = data.prompt(record)
            with model.base_alone():
                base = generate(model, data, prompt, max_new_tokens)
            own = generate(model, data, prompt, max_new_tokens)
            todo, given, wanted = map(_shown, (record.instruction, record.given, record.output))
            told.append(Answer(todo, given, wanted, base, own))
    return Evaluation(split, len(samples), tokens, losses[0], losses[1], tuple(told))


def generate(model: LoraModel, data: Instructions, prompt: Sequence[int], length: int) -> str:
    """Give what the model answers: the likeliest token each time, up to the end of text.

    Args:
        model: In evaluation mode.
        data: Whose tokenizer it is.
        prompt: The prompt's tokens.
        length: Most tokens of the answer; fewer where the model's context is full before.
    """
    if model.longest:
        length = min(length, model.longest - len(prompt))
    if length < 1:
        return ""
    device = next(model.parameters()).device
    given = torch.tensor([list(prompt)], device=device)
    tokenizer = data.tokenizer
    pad = tokenizer.pad_token_id
    made = model.network.generate(
        input_ids=given,
        attention_mask=torch.ones_like(given),
        max_new_tokens=length,
        do_sample=False,
        temperature=None,
        top_p=None,
        top_k=None,
        # Many a base asks for it in its files; the likeliest token is asked for here.
        repetition_penalty=1.0,
        use_cache=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id if pad is None else pad,
    )
    return _shown(tokenizer.decode(made[0, given.shape[1] :], skip_special_tokens=True))


def _loss(
    model: LoraModel,
    data: Instructions,
    samples: Sequence[Sample],
    batch_size: int,
    stop: Callable[[], bool],
    *,
    at: Callable[[int], Any],
) -> tuple[float, int]:
    """Give the mean loss over all tokens that count, and their number; tells `at` how far it is."""
    device = next(model.parameters()).device
    # Samples of like length together: fewer pads. Each counts by its tokens, in whatever order.
    ordered = sorted(samples, key=lambda each: len(each.tokens))
    total = torch.zeros((), dtype=torch.float32 if device.type == "mps" else torch.float64)
    total, tokens = total.to(device), 0
    for start in range(0, len(ordered), batch_size):
        if stop():
            break
        batch = data.collate([[each] for each in ordered[start : start + batch_size]])
        labels = batch["labels"]
        tokens += int((labels != IGNORE).sum())
        logits = model(batch["input_ids"].to(device), batch["positions"].to(device))
        loss: Tensor = functional.cross_entropy(
            logits.flatten(0, -2).float(),
            labels.flatten().to(device),
            ignore_index=IGNORE,
            reduction="sum",
        )
        total += loss
        at(min(start + batch_size, len(ordered)))
    return float(total) / max(1, tokens), tokens


@contextmanager
def _quietly(model: LoraModel) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def _at(pace: Pace, before: int, done: int) -> None:
    pace.at(before + done)


def _spread(size: int, count: int) -> list[int]:
    """Choose so many of the numbers below `size`, evenly."""
    return [size * number // count for number in range(count)] if count else []


def _perplexity(loss: float) -> float:
    return math.exp(loss) if loss < 700 else math.inf


def _shown(text: str) -> str:
    return clean(text, keep_newlines=True)
