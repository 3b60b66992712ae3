"""A small language model to adapt, where no larger one can be had: Qwen2's architecture, trained here."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainer.engine.phase import Pace
from trainer.errors import ConfigError, Problem
from trainer.recipes.lora.generated import cache_home, made
from trainer.recipes.lora.hub import open_weights, quiet
from trainer.recipes.lora.instruct import modules, sources_digest, split_of
from trainer.recipes.lora.needs import need_hf
from trainer.recipes.sources import standard_library

VERSION = 1
#: Ends a text; it stands between files, and pads.
END = "<|endoftext|>"


@dataclass(frozen=True, slots=True)
class BaseSettings:
    """What decides the weights of a base, with the sources and the versions of the libraries.

    Attributes:
        steps: Steps of training.
        seed: Of the weights and of the windows' order.
        vocab_size: Tokens of its byte-level BPE.
        hidden_size: Width.
        layers: Transformer blocks.
        heads: Attention heads; half as many for keys and values.
        context: Longest sequence that it takes.
        window: Tokens of a sequence that it is trained on.
        batch_size: Windows in a step.
        learning_rate: Of AdamW, after a warmup, falling along a cosine to a tenth.
        threads: Threads that torch computes with: sums in another order round differently.
    """

    steps: int = 800
    seed: int = 0
    vocab_size: int = 2048
    hidden_size: int = 128
    layers: int = 4
    heads: int = 4
    context: int = 2048
    window: int = 128
    batch_size: int = 16
    learning_rate: float = 3e-3
    threads: int = 2

    def check(self) -> None:
        """Make sure that a model can be made of these.

        Raises:
            ConfigError: It cannot; names each reason.
        """
        least = {
            "steps": 0,
            "seed": 0,
            "vocab_size": 300,
            "hidden_size": 8,
            "layers": 1,
            "heads": 2,
            "context": 16,
            "window": 8,
            "batch_size": 1,
            "threads": 1,
        }
        problems = [
            Problem(f"{getattr(self, name)} is below {bound}.", f"--{name.replace('_', '-')}")
            for name, bound in least.items()
            if getattr(self, name) < bound
        ]
        if self.heads % 2 or self.hidden_size % (2 * self.heads):
            problems.append(
                Problem(
                    f"a width of {self.hidden_size} cannot be divided into {self.heads} heads.",
                    "--heads",
                    "Take an even number of heads, and a width that is a multiple of twice that.",
                )
            )
        if problems:
            raise ConfigError(*problems)


def default_base(say: Callable[[str], Any]) -> Path:
    """Give the folder of the base that is taken where none is named; trains it on first use.

    Args:
        say: Told that it takes its time, and how far it is.
    """
    folder = default_folder()
    make_base(None, folder, BaseSettings(), say)
    return folder


def default_folder() -> Path:
    """Give where that base is kept, once it is trained: other sources or libraries, another folder."""
    decides = _decides(_modules(standard_library()), BaseSettings())
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:12]
    return cache_home() / "base" / f"stdlib-v{VERSION}-py{platform.python_version()}-{digest}"


def make_base(
    root: Path | None, folder: Path, settings: BaseSettings, say: Callable[[str], Any]
) -> bool:
    """Train a small base and its tokenizer on Python sources, or find them made.

    It sees the modules that instructions for training are made from, and no other, so that figures
    on the test split are of unseen code. The folder is one that `AutoModelForCausalLM` and
    `AutoTokenizer` load. The same sources, settings and libraries give the same weights on the same
    kind of CPU.

    Args:
        root: A folder with Python files; None means the standard library of this Python.
        folder: Where to; new, empty or made by this with the same settings.
        settings: See `BaseSettings`.
        say: Told how far it is.

    Returns:
        Whether anything was written now.

    Raises:
        ConfigError: transformers lacks, there are too few sources, or the folder holds something else.
    """
    need_hf()
    settings.check()
    root = root or standard_library()
    found = _modules(root)
    if not found:
        raise ConfigError(Problem("no Python file to train on below it.", str(root), key="--root"))
    return made(
        folder,
        _decides(found, settings),
        partial(_train, found, settings, say),
        partial(say, "preparing: base model, which another process makes; waiting for it"),
    )


def _modules(root: Path) -> dict[str, Path]:
    return {name: path for name, path in modules(root).items() if split_of(name) == "train"}


def _decides(found: Mapping[str, Path], settings: BaseSettings) -> dict[str, Any]:
    """Give all that the weights depend on."""
    return {
        "what": "base",
        "version": VERSION,
        "python": platform.python_version(),
        "sources": sources_digest(found),
        **{name: version(name) for name in ("torch", "transformers", "tokenizers")},
        **asdict(settings),
    }


def _train(
    found: Mapping[str, Path], settings: BaseSettings, say: Callable[[str], Any], folder: Path
) -> dict[str, Any]:
    say(
        f"preparing: base model, a small one, in {settings.steps} steps on {len(found)} Python "
        "modules; once a machine"
    )
    texts = [path.read_text("utf-8", "replace") for path in found.values()]
    tokenizer = _tokenizer(texts, settings)
    tokens = _tokens(tokenizer, texts)
    threads = torch.get_num_threads()
    torch.set_num_threads(settings.threads)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            model, loss = _fit(tokens, tokenizer, settings, say)
    finally:
        torch.set_num_threads(threads)
    quiet()
    model.save_pretrained(folder)
    open_weights(folder)
    tokenizer.save_pretrained(folder)
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "tokens_of_sources": int(tokens.numel()),
        "loss": round(loss, 4),
    }


def _tokenizer(texts: list[str], settings: BaseSettings) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made_of = Tokenizer(models.BPE())
    # Runs of blanks stay whole: indentation is a token or two.
    made_of.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made_of.decoder = decoders.ByteLevel()
    made_of.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=settings.vocab_size,
            special_tokens=[END],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=made_of,
        eos_token=END,
        pad_token=END,
        model_max_length=settings.context,
        clean_up_tokenization_spaces=False,
    )


def _tokens(tokenizer: Any, texts: list[str]) -> Tensor:
    ids = tokenizer.backend_tokenizer.encode_batch(texts)
    end = int(tokenizer.eos_token_id)
    return torch.tensor([token for each in ids for token in (*each.ids, end)])


def _fit(
    tokens: Tensor, tokenizer: Any, settings: BaseSettings, say: Callable[[str], Any]
) -> tuple[Any, float]:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    end = int(tokenizer.eos_token_id)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        intermediate_size=settings.hidden_size * 8 // 3 // 16 * 16 or 16,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads // 2,
        max_position_embeddings=settings.context,
        tie_word_embeddings=True,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )
    model = Qwen2ForCausalLM(config)
    window = min(settings.window, settings.context)
    if tokens.numel() <= window:
        raise ConfigError(
            Problem(f"the sources have {tokens.numel()} tokens, too few for a window of {window}.")
        )
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.95), weight_decay=0.1
    )
    generator = torch.Generator().manual_seed(settings.seed)
    warmup = max(1, settings.steps // 20)
    offsets = torch.arange(window)
    mean = math.log(len(tokenizer))
    model.train()
    pace = Pace("preparing: base model, step", settings.steps, say)
    for step in range(settings.steps):
        share = step / max(1, settings.steps)
        rate = min(1.0, (step + 1) / warmup) * (0.55 + 0.45 * math.cos(math.pi * share))
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * rate
        starts = torch.randint(
            tokens.numel() - window, (settings.batch_size, 1), generator=generator
        )
        batch = tokens[starts + offsets]
        loss = model(input_ids=batch, labels=batch, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        mean += (loss.item() - mean) * 0.05
        pace.at(step + 1)
    model.train(False)
    return model, mean
