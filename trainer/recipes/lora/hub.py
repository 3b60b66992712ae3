"""Pretrained language models: from a local folder, from Hugging Face's cache, or from the hub.

Nothing here waits for long where the hub is out of reach, and every refusal says how to point at a
local folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.config.base_model import cached, not_for_estimate
from trainer.errors import ConfigError, Problem
from trainer.events.text import clean
from trainer.paths import at_home
from trainer.recipes.lora.needs import need_hf

KEY = "model.base_model"
ADAPTER = "adapter_config.json"
#: Seconds in which the hub has to answer.
PATIENCE = 8.0
_LOCAL = (
    "Point at a folder with config.json, *.safetensors and the tokenizer's files: "
    "model.base_model=path/to/folder. `traindeck data make-base FOLDER` makes a small one."
)
_PARALLEL = "TOKENIZERS_PARALLELISM"
# As `false`, in a spelling that tells ours from a user's.
_NOT = "off"
# Of a large file so many blocks are read, spread evenly: reading all of it would take longer than
# loading it.
_BLOCKS, _BLOCK = 64, 1 << 20


@dataclass(frozen=True, slots=True)
class Base:
    """A base model that can be loaded without asking anybody.

    Attributes:
        name: As it was asked for.
        folder: Where its files lie.
        revision: The version on the hub; None for a local folder.
    """

    name: str
    folder: Path
    revision: str | None = None

    def digest(self) -> str:
        """Hash the weights: names and sizes of their files, and their bytes, of large files a part."""
        found = hashlib.sha256()
        for path in sorted(self.folder.iterdir()):
            if path.suffix not in (".safetensors", ".bin") or not path.is_file():
                continue
            size = path.stat().st_size
            found.update(f"{path.name} {size}\n".encode())
            with path.open("rb") as file:
                if size <= _BLOCKS * _BLOCK:
                    found.update(file.read())
                    continue
                for block in range(_BLOCKS):
                    file.seek((size - _BLOCK) * block // (_BLOCKS - 1))
                    found.update(file.read(_BLOCK))
        return found.hexdigest()[:32]


def find(
    name: str | None,
    *,
    revision: str | None = None,
    say: Callable[[str], Any],
    trust_remote_code: bool = False,
    weights: bool = True,
) -> Base:
    """Bring a base model to this machine, if it is not here, and give where it lies.

    Args:
        name: A local folder, or a name on the hub; None means the small base that is trained here
            on first use.
        revision: The version on the hub; None for the latest.
        say: Told what takes its time.
        trust_remote_code: Whether files with code are fetched too.
        weights: Whether its weights are needed, and not its tokenizer alone.

    Raises:
        ConfigError: There is none of this name, it is no language model, or the hub cannot be
            reached.
    """
    need_hf()
    if name is None:
        from trainer.recipes.lora.base import default_base, default_folder

        if only_shapes() and not (default_folder() / "config.json").is_file():
            raise _not_here("the small base that is trained here on first use")
        return Base("traindeck-stdlib-base", default_base(say))
    folder = at_home(name)
    if folder.is_dir():
        _check(folder, name)
        return Base(name, folder.absolute())
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or not name.strip():
        raise ConfigError(Problem(f"There is no folder '{name}'.", "", _LOCAL, KEY))
    return _from_hub(name, revision, say, trust_remote_code, weights and not only_shapes())


def only_shapes() -> bool:
    """Say whether models are built of shapes alone now, as for an estimate of their memory.

    Nothing is fetched or trained for that.
    """
    import torch

    return torch.get_default_device().type == "meta"


def load_tokenizer(base: Base, *, trust_remote_code: bool = False) -> Any:
    """Load the tokenizer of a base.

    Raises:
        ConfigError: It has none that transformers understands.
    """
    from transformers import AutoTokenizer

    quiet()
    try:
        found = AutoTokenizer.from_pretrained(
            base.folder, local_files_only=True, trust_remote_code=trust_remote_code
        )
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise _unfit(base, "has no tokenizer that can be loaded", error) from error
    if found.eos_token_id is None:
        raise ConfigError(
            Problem(
                f"The tokenizer of '{base.name}' has no token that ends a text.",
                str(base.folder),
                "Give it an `eos_token` in tokenizer_config.json.",
                KEY,
            )
        )
    return found


def load_model(
    base: Base,
    *,
    dtype: str | None = None,
    attention: str | None = None,
    trust_remote_code: bool = False,
) -> Any:
    """Load the language model of a base, on the CPU.

    Args:
        base: Where it lies.
        dtype: `float32`, `bfloat16` or `float16`; None as it was saved.
        attention: How it computes attention; None as transformers chooses.
        trust_remote_code: Whether code that comes with it may run.

    Raises:
        ConfigError: It is no causal language model that transformers can load.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    quiet()
    more: dict[str, Any] = {} if attention is None else {"attn_implementation": attention}
    try:
        if only_shapes():
            config = AutoConfig.from_pretrained(
                base.folder, local_files_only=True, trust_remote_code=trust_remote_code
            )
            saved = getattr(config, "dtype", None) or torch.float32
            return AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
                config,
                dtype=saved if dtype is None else getattr(torch, dtype),
                trust_remote_code=trust_remote_code,
                **more,
            )
        return AutoModelForCausalLM.from_pretrained(
            base.folder,
            local_files_only=True,
            dtype="auto" if dtype is None else getattr(torch, dtype),
            trust_remote_code=trust_remote_code,
            **more,
        )
    except (OSError, ValueError, ImportError, KeyError, RuntimeError) as error:
        if kind := _no_writer(base, error):
            raise ConfigError(
                Problem(
                    f"'{base.name}' is of the kind '{kind}', which is no causal language model: it does "
                    "not go on with a text.",
                    str(base.folder),
                    "Take one that does, such as those of Qwen, Llama or GPT-2.",
                    KEY,
                )
            ) from error
        raise _unfit(base, "is no language model that can be loaded", error) from error


def _no_writer(base: Base, error: BaseException) -> str:
    """Give the kind of a model that transformers knows, but not as one that writes; else nothing."""
    if "Unrecognized configuration class" not in str(error):
        return ""
    try:
        told = json.loads((base.folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    return clean(str(told.get("model_type") or "")) if isinstance(told, dict) else ""


def _not_here(what: str) -> ConfigError:
    return ConfigError(
        Problem(
            f"The base model is not here yet: {what}.",
            "",
            f"Training brings it to this machine. {_LOCAL}",
            KEY,
        )
    )


def _from_hub(
    name: str, revision: str | None, say: Callable[[str], Any], code: bool, weights: bool
) -> Base:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    patterns = [
        "*.json",
        "*.safetensors",
        "*.txt",
        "*.model",
        "*.jinja",
        *(["*.py"] if code else []),
    ]

    def fetch(local: bool) -> Path:
        return Path(
            snapshot_download(
                name, revision=revision, allow_patterns=patterns, local_files_only=local
            )
        )

    try:
        folder = fetch(True)
        _check(folder, name)
        # What was fetched for an estimate alone has no weights.
        if (
            not only_shapes()
            and cached(name, revision)
            and not cached(name, revision, weights=True)
        ):
            raise LocalEntryNotFoundError(f"no weights of '{name}'")
    except (LocalEntryNotFoundError, ConfigError):
        if only_shapes():
            problem = not_for_estimate(name, revision)
            raise ConfigError(problem) if problem else _not_here(f"'{name}'") from None
        _ask_hub(name, revision)
        say(f"fetching '{name}' from the hub")
        try:
            folder = fetch(False)
        except Exception as error:
            raise _unreachable(name, error) from error
        _check(folder, name)
    except ValueError as error:  # no legal name of a repository
        raise ConfigError(
            Problem(f"'{name}' is neither a folder here nor a name on the hub.", "", _LOCAL, KEY)
        ) from error
    return Base(name, folder, folder.name)


def _ask_hub(name: str, revision: str | None) -> None:
    """Make sure that the hub answers and has the model, in seconds: its own client would retry long.

    Raises:
        ConfigError: It does not.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.constants import HF_HUB_OFFLINE

    if HF_HUB_OFFLINE:
        raise ConfigError(
            Problem(
                f"'{name}' is not on this machine, and HF_HUB_OFFLINE forbids to fetch it.",
                "",
                _LOCAL,
                KEY,
            )
        )
    answer: list[BaseException | None] = []

    def ask() -> None:
        try:
            HfApi().model_info(name, revision=revision, timeout=PATIENCE)
        except BaseException as error:  # told by the thread that waits
            answer.append(error)
        else:
            answer.append(None)

    # A look-up of a name has no time limit of its own; a thread can be left behind.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if not answer:
        raise _unreachable(name, TimeoutError(f"no answer in {PATIENCE:.0f} s"))
    if answer[0] is not None:
        raise _unreachable(name, answer[0]) from answer[0]


def _unreachable(name: str, error: BaseException) -> ConfigError:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    if isinstance(error, GatedRepoError):
        what = f"'{name}' is given on the hub to those only who have agreed to its terms."
        remedy = "Agree to them there and log in with `hf auth login`. Or: "
    elif isinstance(error, RepositoryNotFoundError):
        what, remedy = f"There is no '{name}' on the hub, or it is private.", ""
    else:
        told = clean(" ".join(str(error).split()))[:160] or type(error).__name__
        what = f"'{name}' is not on this machine, and the hub cannot be reached ({told})."
        remedy = ""
    return ConfigError(Problem(what, "", f"{remedy}{_LOCAL}", KEY))


def _check(folder: Path, name: str) -> None:
    if (folder / ADAPTER).is_file() and not any(folder.glob("model*.safetensors")):
        raise ConfigError(
            Problem(
                f"'{name}' is an adapter and no base model.",
                str(folder),
                "Merge it into its base first: traindeck merge ADAPTER --out FOLDER",
                KEY,
            )
        )
    if not (folder / "config.json").is_file():
        raise ConfigError(
            Problem(f"'{name}' holds no config.json: it is no model.", str(folder), _LOCAL, KEY)
        )


def _unfit(base: Base, what: str, error: BaseException) -> ConfigError:
    told = clean(" ".join(str(error).split()))[:300]
    return ConfigError(Problem(f"'{base.name}' {what}: {told}", str(base.folder), _LOCAL, KEY))


def open_weights(folder: Path, like: str = "config.json") -> None:
    """Let weights be read by whoever may read a file beside them: they are written for nobody else.

    Args:
        folder: The model's folder.
        like: That file's name.
    """
    readable = (folder / like).stat().st_mode & 0o777
    for path in folder.glob("*.safetensors"):
        path.chmod(readable)


def quiet() -> None:
    """Keep bars and advice of transformers out of a run's output."""
    os.environ.setdefault(_PARALLEL, _NOT)
    from transformers.utils import logging

    # PEFT asks in the old way.
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing. is deprecated.*")
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


@contextmanager
def all_threads() -> Iterator[None]:
    """Let tokenizers use all cores for now; who has set that variable is obeyed.

    Not while workers are forked: they would find threads that they do not have.
    """
    ours = os.environ.get(_PARALLEL) in (None, _NOT)
    before = os.environ.get(_PARALLEL)
    if ours:
        os.environ[_PARALLEL] = "true"
    try:
        yield
    finally:
        if ours:
            os.environ[_PARALLEL] = _NOT if before is None else before
