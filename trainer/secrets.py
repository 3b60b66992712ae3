"""What is a secret by its name or its form, so that none is written into a run folder.

Standard library only: the launcher, the composer and scripts of one's own judge by the same rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

MASK = "***"

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# These say it wherever they stand in a name ...
_ALWAYS = frozenset(
    (
        "secret",
        "secrets",
        "password",
        "passwords",
        "passwd",
        "passphrase",
        "credential",
        "credentials",
        "apikey",
        "apikeys",
        "accesskey",
        "privatekey",
        "secretkey",
        "authtoken",
        "accesstoken",
        "apitoken",
        "hftoken",
    )
)
# ... and these before "key" do.
_KEYS = frozenset(
    (
        "api",
        "access",
        "private",
        "secret",
        "auth",
        "account",
        "storage",
        "subscription",
        "encryption",
        "signing",
        "deploy",
        "ssh",
        "gpg",
        "pgp",
        "rsa",
        "wandb",
        "hf",
        "huggingface",
        "openai",
        "anthropic",
        "comet",
        "neptune",
        "kaggle",
        "clearml",
        "mlflow",
        "aws",
        "azure",
        "gcp",
        "google",
        "github",
        "gitlab",
    )
)
# A token is a secret unless it is one of a text, a picture or a vocabulary.
_TOKENS_OF_MODELS = frozenset(
    (
        "pad",
        "eos",
        "bos",
        "unk",
        "cls",
        "sep",
        "mask",
        "special",
        "class",
        "next",
        "prev",
        "previous",
        "per",
        "num",
        "max",
        "min",
        "n",
        "start",
        "end",
        "stop",
        "begin",
        "image",
        "img",
        "audio",
        "video",
        "vision",
        "text",
        "word",
        "sub",
        "separator",
        "register",
        "query",
        "target",
        "source",
        "src",
        "first",
        "last",
        "new",
        "blank",
        "space",
        "newline",
        "decoder",
        "encoder",
        "forced",
    )
)
# Not the secret itself, but where it lies or what it is like.
_ABOUT = frozenset(
    ("file", "path", "dir", "folder", "env", "var", "length", "len", "size", "count", "name")
)
_NOTHING = frozenset(("", "null", "none", "~", MASK, "true", "false"))

_INNER = re.compile(
    r"""(?P<quote>["']?)(?P<name>[A-Za-z_][\w.-]*)(?P=quote)(?P<sign>\s*[=:](?!//)\s*)"""
    r"""(?P<value>"[^"]*"|'[^']*'|[^\s,;&"'{}\[\]]+)"""
)
_WHOLE = re.compile(r"(?P<name>[-+]{0,2}[A-Za-z_][\w.@/-]*)=(?P<value>.+)", re.DOTALL)
_OPTION = re.compile(r"--?[A-Za-z][\w.-]*")
_PASSWORD_URL = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)(?:[^\s/?#:@]*:[^\s/?#]*)@")
_TOKEN_URL = re.compile(r"(?i)\b(https?://)[^\s/?#]+@")


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Tell whether what has this name is a secret: `api_key`, `hfToken`, `DB_PASSWORD`.

    Args:
        name: One name, such as a variable's, an option's or the last part of a config key.
    """
    words = [word.lower() for word in _WORDS.findall(name[:200])]
    if not words or words[-1] in _ABOUT:
        return False
    if any(word in _ALWAYS for word in words):
        return True
    if any(after in ("key", "keys") and before in _KEYS for before, after in pairwise(words)):
        return True
    if words[-1] == "token":
        return len(words) == 1 or words[-2] not in _TOKENS_OF_MODELS
    # A variable in capitals that ends so is a service's, whatever its name.
    return name.isupper() and len(words) > 1 and words[-1] == "key"


def is_secret_key(key: str) -> bool:
    """Tell whether a dotted config key names a secret, or lies in a section that does.

    Args:
        key: Such as `logger.wandb.api_key`; a list's indices do not count as names.
    """
    *above, last = [part for part in key.split(".") if not part.isdigit()] or [""]
    if is_secret_name(last):
        return True
    # A section called `token` may describe a model's.
    return any(is_secret_name(part) and not part.lower().endswith("token") for part in above)


def has_password(text: str) -> bool:
    """Tell whether a text holds a URL with a password or token before its host."""
    return "://" in text and bool(_PASSWORD_URL.search(text) or _TOKEN_URL.search(text))


def is_empty(text: str) -> bool:
    """Tell whether a value says that there is none, or only switches something."""
    return text.strip().strip("\"'").lower() in _NOTHING


def mask(text: str) -> str:
    """Replace secrets in a text: `api_key=***`, `{token: ***}`, `https://***@host`."""
    text = _TOKEN_URL.sub(rf"\1{MASK}@", _PASSWORD_URL.sub(rf"\1{MASK}@", text))
    whole = _WHOLE.fullmatch(text)
    if whole and is_secret_key(whole["name"]) and not is_empty(whole["value"]):
        return f"{whole['name']}={MASK}"
    return _INNER.sub(_masked, text)


def mask_words(words: Iterable[str]) -> list[str]:
    """Replace secrets in a command line: `--api-key X`, `--token=Y`, `https://user:pw@host`."""
    masked: list[str] = []
    waiting = False
    for word in words:
        if waiting and not _OPTION.fullmatch(word):
            masked.append(word if is_empty(word) else MASK)
            waiting = False
            continue
        waiting = bool(_OPTION.fullmatch(word)) and is_secret_name(word)
        masked.append(mask(word))
    return masked


def _masked(found: re.Match[str]) -> str:
    if not is_secret_key(found["name"]) or is_empty(found["value"]):
        return found[0]
    quote = found["quote"]
    return f"{quote}{found['name']}{quote}{found['sign']}{MASK}"
