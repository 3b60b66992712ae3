"""What is wrong in the keys of `logger`, and what its loggers lack on this machine."""

from __future__ import annotations

import netrc
import os
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from trainer.config.torch_rules import origin, text_of
from trainer.errors import Problem
from trainer.paths import at_home
from trainer.secrets import is_empty, is_secret_name

ENV_KEY = "WANDB_API_KEY"
ENV_TRACKING = "MLFLOW_TRACKING_URI"
# What W&B takes for a name in its addresses.
_NOT_IN_NAMES = re.compile(r"[/\\#?%:]")
_LONGEST = 128
_PACKAGES = {"tensorboard": ("tensorboard",), "wandb": ("wandb",), "mlflow": ("mlflow",)}
# What MLflow's own database stores need beyond its client.
_DATABASE = ("sqlalchemy", "alembic")
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_EXTRAS = {"tensorboard": "train", "wandb": "wandb", "mlflow": "mlflow"}
_OFFLINE = ("offline", "dryrun", "disabled")


def logger_problems(config: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what is wrong whatever the machine."""
    wandb = _section(config, "wandb")
    for name in ("project", "entity", "id"):
        value = wandb.get(name)
        if not isinstance(value, str):
            continue
        key = f"logger.wandb.{name}"
        if not value.strip() or len(value) > _LONGEST or _NOT_IN_NAMES.search(value):
            yield Problem(
                f"'{key}' cannot be {text_of(value)}: W&B takes 1 to {_LONGEST} characters "
                r"without / \ # ? % and :.",
                origin(key, where),
                "To name the team as well, set logger.wandb.entity." if "/" in value else "",
                key,
            )
    mlflow = _section(config, "mlflow")
    uri = mlflow.get("tracking_uri")
    if isinstance(uri, str):
        key = "logger.mlflow.tracking_uri"
        if secret := _secret_in_query(uri):
            yield Problem(
                f"'{key}' holds a {secret}, which would be written into the run folder.",
                origin(key, where),
                f"Set {ENV_TRACKING}, or MLFLOW_TRACKING_TOKEN, in the environment instead.",
                key,
            )
        elif re.match(r"sqlite(\+\w+)?:", uri) and not re.match(r"sqlite(\+\w+)?:///.", uri):
            yield Problem(
                f"'{key}' is {text_of(uri)}, which names no file.",
                origin(key, where),
                "Write sqlite:///mlflow.db, or sqlite:////absolute/path/mlflow.db.",
                key,
            )
    experiment = mlflow.get("experiment_name")
    if isinstance(experiment, str) and not experiment.strip():
        key = "logger.mlflow.experiment_name"
        yield Problem(
            f"'{key}' is empty.", origin(key, where), "Give it a name, or leave it out.", key
        )


def lacking(
    config: Mapping[str, Any], environ: Mapping[str, str] | None = None
) -> Iterator[Problem]:
    """Find what the chosen loggers lack on this machine: a package, or W&B's key.

    No logger's package is imported, so that a light process may ask.

    Args:
        config: The resolved config.
        environ: The environment; this process's if None.
    """
    env = os.environ if environ is None else environ
    for name, packages in _PACKAGES.items():
        if not _section(config, name).get("enabled", name == "tensorboard"):
            continue
        needed = list(packages)
        if name == "mlflow" and _is_database(tracking_uri(config, env)):
            needed += _DATABASE
        missing = [package for package in needed if not _installed(package)]
        if missing:
            be = "is" if len(missing) == 1 else "are"
            yield Problem(
                f"logger.{name} needs {' and '.join(missing)}, which {be} not installed.",
                "",
                f"Install: pip install 'traindeck[{_EXTRAS[name]}]', or set "
                f"logger.{name}.enabled=false.",
                f"logger.{name}.enabled",
            )
        elif name == "wandb" and not _wandb_may_start(_section(config, "wandb"), env):
            yield Problem(
                f"logger.wandb has no API key: there is neither {ENV_KEY} nor an entry for "
                f"{_wandb_host(env)} in ~/.netrc.",
                "",
                f"Export {ENV_KEY}, or run `wandb login`; logger.wandb.offline=true needs none.",
                "logger.wandb.offline",
            )


def tracking_uri(config: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> str:
    """Give the MLflow store that the config or the environment names; empty if neither does."""
    env = os.environ if environ is None else environ
    return str(_section(config, "mlflow").get("tracking_uri") or env.get(ENV_TRACKING) or "")


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    loggers = config.get("logger")
    found = loggers.get(name) if isinstance(loggers, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _installed(package: str) -> bool:
    try:
        found = find_spec(package)
    except (ImportError, ValueError):
        return False
    # A mere folder of that name, such as W&B's own `wandb/`, is found as a namespace.
    return found is not None and found.origin is not None


def _is_database(uri: str) -> bool:
    # No URI at all means our own default, which is an SQLite file.
    return not uri or uri.split(":", 1)[0].split("+", 1)[0] in _DATABASES


def _secret_in_query(uri: str) -> str:
    try:
        query = parse_qsl(urlsplit(uri).query)
    except ValueError:
        return ""
    secret = [name for name, value in query if is_secret_name(name) and not is_empty(value)]
    return secret[0] if secret else ""


def _wandb_may_start(section: Mapping[str, Any], env: Mapping[str, str]) -> bool:
    if section.get("offline") or env.get("WANDB_MODE", "").lower() in _OFFLINE:
        return True
    if env.get(ENV_KEY, "").strip() or env.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    return _in_netrc(_wandb_host(env), env)


def _wandb_host(env: Mapping[str, str]) -> str:
    try:
        return urlsplit(env.get("WANDB_BASE_URL") or "https://api.wandb.ai").netloc
    except ValueError:
        return "api.wandb.ai"


def _in_netrc(host: str, env: Mapping[str, str]) -> bool:
    named = env.get("NETRC")
    for text in (named,) if named else ("~/.netrc", "~/_netrc"):
        try:
            found = netrc.netrc(str(at_home(text))).authenticators(host)
        except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
            continue
        if found and found[2]:
            return True
    return False
