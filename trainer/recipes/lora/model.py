"""A pretrained language model with an adapter: the only part of it that is trained and saved."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from trainer.engine.phase import telling
from trainer.errors import ConfigError, Problem, RunError
from trainer.recipes.lora import adapter, hub, probe


class LoraModel(nn.Module):
    """A causal language model of transformers with a LoRA adapter of PEFT's.

    The base is frozen, and no part of checkpoints: these hold the adapter, the base's name and a
    hash of its weights, and are refused with a base of another hash.

    Args:
        base_model: A local folder, or a name on the hub; None means the small base that is trained
            here on first use.
        lora: Keywords of PEFT's `LoraConfig`.
        revision: Version of the base on the hub.
        gradient_checkpointing: Compute activations again in the backward pass, which saves memory.
        attention: How the base computes attention; None as transformers chooses.
        trust_remote_code: Whether code that comes with the base may run.
        dtype: What the frozen weights are kept in: `float32`, `bfloat16` or `float16`; None as they
            were saved. The adapter is kept in fp32 all the same.

    Raises:
        ConfigError: The base cannot be had, it reads what comes after, or PEFT refuses the adapter.
    """

    def __init__(
        self,
        base_model: str | None = None,
        *,
        lora: Mapping[str, Any] | None = None,
        revision: str | None = None,
        gradient_checkpointing: bool | None = None,
        attention: str | None = None,
        trust_remote_code: bool = False,
        dtype: str | None = None,
    ) -> None:
        super().__init__()
        with telling(_print) as say:
            self.base = hub.find(
                base_model, revision=revision, say=say, trust_remote_code=trust_remote_code
            )
        loaded = hub.load_model(
            self.base, dtype=dtype, attention=attention, trust_remote_code=trust_remote_code
        )
        if gradient_checkpointing:
            enable = getattr(loaded, "activation_checkpointing_enable", None)
            # The other kind needs inputs with gradients, which a frozen embedding does not give.
            (enable or loaded.gradient_checkpointing_enable)({"use_reentrant": False})
        self.longest = int(getattr(loaded.config, "max_position_embeddings", 0) or 0)
        self.network = adapter.adapted(loaded, dict(lora or {}))
        if not probe.looks_back_only(self.network):
            raise ConfigError(
                Problem(
                    f"'{self.base.name}' reads what comes after a word too: it cannot learn to write.",
                    str(self.base.folder),
                    "Take a causal language model, such as those of Qwen, Llama or GPT-2.",
                    hub.KEY,
                )
            )
        self._own = adapter.own_values(self.network)
        self._flat = probe.flash(self.network)
        self.digest = self.base.digest()
        taken = inspect.signature(loaded.forward).parameters
        self._picks = "logits_to_keep" in taken and probe.picks_places(self.network)
        self._takes_positions = "position_ids" in taken
        self._prefix = ""
        self.register_state_dict_post_hook(_leave_base_out)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_note_prefix)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_post_hook(_base_is_there)  # type: ignore[no-untyped-call]

    def forward(
        self, input_ids: Tensor, positions: Tensor, position_ids: Tensor | None = None
    ) -> Tensor:
        """Give logits at some places; those of the others are not computed.

        Args:
            input_ids: Tokens, int64 (rows, length), padded on the right.
            positions: Places, int64 (rows, targets).
            position_ids: Places in the samples of packed rows, int64 (rows, length); None where a
                row is one sample.

        Returns:
            Shape (rows, targets, vocabulary).
        """
        if self._flat and position_ids is not None and len(input_ids) > 1:
            return self._in_one_row(input_ids, positions, position_ids)
        # No mask: pads lie behind all that counts, and attention goes back only.
        more = {} if position_ids is None else {"position_ids": position_ids}
        if self._picks:
            logits: Tensor = self.network(
                input_ids=input_ids, use_cache=False, logits_to_keep=positions, **more
            ).logits
            return logits
        logits = self.network(input_ids=input_ids, use_cache=False, **more).logits
        return torch.take_along_dim(logits, positions[..., None], dim=1)

    def base_alone(self) -> AbstractContextManager[None]:
        """Let it be the base for now, as it was before training."""
        return adapter.without(self.network, self._own)

    def _in_one_row(self, input_ids: Tensor, positions: Tensor, position_ids: Tensor) -> Tensor:
        """Compute packed rows one behind the other: flash attention tells samples apart in one only."""
        rows, length = input_ids.shape
        first = torch.arange(rows, device=positions.device)[:, None] * length
        logits: Tensor = self(
            input_ids.view(1, -1), (positions + first).view(1, -1), position_ids.view(1, -1)
        )
        return logits.view(rows, -1, logits.shape[-1])

    def see_data(self, data: Any) -> None:
        """Make sure that the base can take the data's sequences.

        Raises:
            ConfigError: They are too long, or would run into each other where they are packed.
        """
        if hasattr(data, "see_base"):
            data.see_base(self.base)
        length = getattr(data, "sequence_length", None)
        if self.longest and length is not None and length > self.longest:
            raise ConfigError(
                Problem(
                    f"'{self.base.name}' takes {self.longest} tokens, and data.sequence_length is "
                    f"{length}.",
                    remedy=f"Set data.sequence_length to {self.longest} or less.",
                    key="data.sequence_length",
                )
            )
        if getattr(data, "packing", False) and not self._keeps_apart():
            raise ConfigError(
                Problem(
                    f"In packed rows '{self.base.name}' would look from one sample at another.",
                    remedy="Set data.packing=false, or model.attention=sdpa.",
                    key="data.packing",
                )
            )

    def trained_names(self) -> set[str]:
        """Name the parameters that are trained."""
        return {name for name, p in self.named_parameters() if p.requires_grad}

    def get_extra_state(self) -> dict[str, Any]:
        """Give which base the adapter belongs to, for checkpoints."""
        return {"base": self.base.name, "digest": self.digest}

    def set_extra_state(self, state: Any) -> None:
        """Make sure that a checkpoint's adapter was trained beside this base.

        Raises:
            RunError: It was another one.
        """
        if isinstance(state, Mapping) and state.get("digest") != self.digest:
            raise RunError(
                Problem(
                    f"The checkpoint's adapter belongs to the base '{state.get('base')}', and "
                    f"'{self.base.name}' has other weights.",
                    remedy="Resume with the base model that it was trained from.",
                    key="model.base_model",
                )
            )

    def _keeps_apart(self) -> bool:
        return self._takes_positions and probe.keeps_apart(self.network)


def _leave_base_out(module: nn.Module, state: Any, prefix: str, _: Any) -> None:
    assert isinstance(module, LoraModel)
    kept = {f"{prefix}{name}" for name in (*module.trained_names(), "_extra_state")}
    for name in [each for each in state if each.startswith(prefix) and each not in kept]:
        del state[name]


def _note_prefix(module: nn.Module, _: Any, prefix: str, *__: Any) -> None:
    assert isinstance(module, LoraModel)
    module._prefix = prefix


def _base_is_there(module: nn.Module, incompatible: Any) -> None:
    assert isinstance(module, LoraModel)
    trained = {f"{module._prefix}{name}" for name in (*module.trained_names(), "_extra_state")}
    missing: list[str] = incompatible.missing_keys
    missing[:] = [
        name for name in missing if name in trained or not name.startswith(module._prefix)
    ]


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
