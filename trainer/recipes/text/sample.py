"""After training, the model writes something."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from trainer.engine.session import Session
from trainer.events import clean


class SampleText(pl.Callback):
    """Prints what the trained model writes and keeps it in the run's `outputs/sample.txt`.

    A training that somebody asked to stop ends without a sample: it should end soon.

    Args:
        prompt: What the model goes on from.
        length: Bytes to write.
        temperature: 1.0 draws as the model predicts, less is more cautious, 0 takes the likeliest.
        top_k: Draw only among so many likeliest bytes; None for all.
        seed: For the drawing, which leaves training's random numbers alone.
    """

    def __init__(
        self,
        prompt: str = "def ",
        length: int = 400,
        temperature: float = 0.7,
        top_k: int | None = 40,
        seed: int = 0,
    ) -> None:
        self.prompt = prompt
        self.length = length
        self.temperature = temperature
        self.top_k = top_k
        self.seed = seed

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the sample, on the first rank."""
        session = Session.of(trainer)
        stopped = session is not None and session.requests.stop_asked is not None
        if not trainer.is_global_zero or stopped or self.length < 1:
            return
        model: Any = getattr(pl_module, "model", pl_module)
        text = self.write(model, pl_module.device)
        folder = Path(session.folder) if session is not None else Path(trainer.default_root_dir)
        path = folder / "outputs" / "sample.txt"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n", "utf-8")
        except OSError as error:
            # The weights matter more than the sample: a full disk must not fail the run here.
            print(f"The sample could not be kept in {path}: {error}", flush=True)
        print(f"\nA sample of what the model writes:\n\n{text}\n", flush=True)
        if session is not None:
            session.events.log("info", f"A sample of what the model writes:\n{text}")

    def write(self, model: nn.Module, device: torch.device | str = "cpu") -> str:
        """Give the prompt and what the model makes of it, without control characters."""
        # A line's start is what the model knows a prompt from; it is not shown.
        tokens = list(f"\n{self.prompt}".encode())
        start = torch.tensor([tokens], device=device)
        made = generate(
            model,
            start,
            self.length,
            temperature=self.temperature,
            top_k=self.top_k,
            seed=self.seed,
        )
        raw = bytes(made[0].tolist()[1:]).decode("utf-8", "replace")
        return clean(raw, keep_newlines=True)


@torch.no_grad()
def generate(
    model: nn.Module,
    tokens: Tensor,
    length: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
) -> Tensor:
    """Extend sequences of tokens, one at a time, by what the model predicts.

    Args:
        model: Gives logits (batch, length, vocabulary); its `context` bounds what it is shown.
        tokens: int64, shape (batch, given), at least one given.
        length: Tokens to add.
        temperature: See `SampleText`.
        top_k: See `SampleText`.
        seed: Of the drawing.

    Returns:
        int64, shape (batch, given + length).
    """
    context = int(getattr(model, "context", 0)) or tokens.shape[1] + length
    generator = torch.Generator().manual_seed(seed)
    was_training = model.training
    model.eval()
    try:
        for _ in range(length):
            logits = model(tokens[:, -context:])[:, -1].float().cpu()
            if top_k is not None and top_k < logits.shape[-1]:
                least = logits.topk(top_k, dim=-1).values[:, -1:]
                logits = logits.masked_fill(logits < least, float("-inf"))
            if temperature <= 0.0 or not bool(torch.isfinite(logits).any()):
                drawn = logits.argmax(dim=-1, keepdim=True)
            else:
                odds = torch.softmax(logits / temperature, dim=-1).nan_to_num(0.0)
                drawn = torch.multinomial(odds + 1e-12, 1, generator=generator)
            tokens = torch.cat((tokens, drawn.to(tokens.device)), dim=1)
    finally:
        model.train(was_training)
    return tokens
