"""Find and build the classes that a config names by `_target_`.

Only classes under an allowed prefix are ever imported, and only those that derive from a base that
the place in the config calls for. Functions are refused whatever their name: `torch.hub.load` would
run code from the network.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from trainer.config.targets_allowed import TARGET, allowed_prefixes, problem_with_target
from trainer.errors import ConfigError, Problem, nearest


def registered_bases() -> tuple[type, ...]:
    """Give the base classes that a `_target_` nested in the arguments of another may derive from."""
    import pytorch_lightning as pl
    from pytorch_lightning.loggers import Logger
    from torch import nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler
    from torch.utils.data import DataLoader, Dataset, Sampler

    return (
        nn.Module,
        Dataset,
        Sampler,
        DataLoader,
        Optimizer,
        LRScheduler,
        pl.LightningDataModule,
        pl.Callback,
        Logger,
    )


def locate(target: str, base: type | tuple[type, ...], *, key: str = "") -> type[Any]:
    """Import the class that `target` names.

    Args:
        target: A dotted path such as `trainer.recipes.text.model.GPT`.
        base: The class, or classes, one of which it must derive from.
        key: The config key that holds the target, for the message.

    Raises:
        ConfigError: The path lies outside the allowed prefixes, does not exist, is no class, or is
            a class of another kind.
    """
    if (problem := problem_with_target(target)) is not None:
        raise _refusal(*problem, key)
    found = _import(target, key)
    bases = base if isinstance(base, tuple) else (base,)
    wanted = " or ".join(b.__name__ for b in bases)
    if not inspect.isclass(found):
        kind = "a function" if callable(found) else f"a {type(found).__name__}"
        raise _refusal(f"'{target}' is {kind}, not a class.", f"Name a {wanted} class.", key)
    if not issubclass(found, bases):
        raise _refusal(f"'{target}' is no {wanted}.", "", key)
    if not f"{found.__module__}.".startswith(allowed_prefixes()):
        raise _refusal(
            f"'{target}' is defined in '{found.__module__}', outside the allowed prefixes.", "", key
        )
    return found


def build(section: Mapping[str, Any], base: type | tuple[type, ...], *, key: str = "") -> Any:
    """Make the object that a config section describes: its `_target_`, called with the other keys.

    Arguments that hold a `_target_` themselves, at any depth, are built first.

    Raises:
        ConfigError: The class may not be loaded (see `locate`) or takes other arguments.
    """
    if TARGET not in section:
        raise _refusal(f"'{key}' names no class.", f"Give it a `{TARGET}`.", key)
    cls = locate(section[TARGET], base, key=_join(key, TARGET))
    arguments = {
        str(name): _value(value, _join(key, str(name)))
        for name, value in section.items()
        if name != TARGET
    }
    check_arguments(cls, arguments, key=key)
    return cls(**arguments)


def check_arguments(
    cls: type[Any], arguments: Mapping[str, Any], *, key: str = "", given: int = 0
) -> None:
    """Check keywords against a class's signature, so that a slip is named rather than traced.

    Args:
        cls: The class to be called.
        arguments: The keywords from the config.
        key: The config section that holds them.
        given: How many leading positional parameters the engine itself fills in.

    Raises:
        ConfigError: An unknown keyword, or a required one is missing; names all of them.
    """
    try:
        parameters = list(inspect.signature(cls).parameters.values())
    except (TypeError, ValueError):  # some C classes have no signature
        return
    taken = {p.name for p in parameters[:given]}
    named = [
        p
        for p in parameters[given:]
        if p.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    ]
    problems = []
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        known = [p.name for p in named]
        for name in arguments:
            if name in taken or name not in known:
                remedy = nearest(name, known) or f"It takes {', '.join(known) or 'none'}."
                problems.append(
                    Problem(f"{cls.__name__} takes no '{name}'.", "", remedy, _join(key, name))
                )
    problems += [
        Problem(f"{cls.__name__} needs '{p.name}'.", "", "", _join(key, p.name))
        for p in named
        if p.default is inspect.Parameter.empty and p.name not in arguments
    ]
    if problems:
        raise ConfigError(*problems)


def _value(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        if TARGET in value:
            return build(value, _nested_bases(value[TARGET]), key=key)
        return {name: _value(item, _join(key, str(name))) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_value(item, f"{key}.{i}") for i, item in enumerate(value)]
    return value


def _nested_bases(target: Any) -> tuple[type, ...]:
    # Our own recipes may nest any class of ours; other people's packages only the registered kinds.
    return (object,) if str(target).startswith("trainer.recipes.") else registered_bases()


def _import(target: str, key: str) -> Any:
    parts = target.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module_name = ".".join(parts[:cut])
        try:
            found: Any = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            # Only a missing part of this very path means "look further up"; a module that exists
            # but lacks something it imports has its own story to tell.
            if error.name is not None and (module_name + ".").startswith(error.name + "."):
                continue
            raise _refusal(
                f"'{target}' cannot be imported: {error}.", "Is the package installed?", key
            ) from error
        for part in parts[cut:]:
            if not hasattr(found, part):
                known = [name for name in vars(found) if not name.startswith("_")]
                raise _refusal(
                    f"'{target}' does not exist: {module_name} has no '{part}'.",
                    nearest(part, known),
                    key,
                )
            found = getattr(found, part)
        return found
    raise _refusal(f"'{target}' does not exist: no package '{parts[0]}' here.", "", key)


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _refusal(what: str, remedy: str, key: str) -> ConfigError:
    return ConfigError(Problem(what, "", remedy, key))
