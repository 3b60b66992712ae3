"""What the recipe needs that the base install lacks."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from trainer.errors import ConfigError, Problem

_NEEDED = ("transformers", "peft", "tokenizers", "safetensors")


def need_hf() -> None:
    """Make sure that Hugging Face's libraries are installed; imports none of them.

    Raises:
        ConfigError: One is not.
    """
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        lacks = " and ".join(missing)
        raise ConfigError(
            Problem(
                f"LoRA needs {lacks}, which the base install leaves out.",
                sys.executable,
                "Install it: pip install 'traindeck[hf]'",
            )
        )
