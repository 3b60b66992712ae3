"""Hydra and OmegaConf themselves, for what the fast path leaves to them.

Two things are: defaults lists with interpolated options (`- model: ${data}`), and merges in which a
mapping or a list meets an interpolation. No Hydra application is started and its global state is
left as it was: only its algorithm runs, over files that our own loader has read.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from trainer.config.defaults_list import Layer, Result
from trainer.config.entries import Entry
from trainer.config.interpolate import no_environment
from trainer.config.overrides import Override
from trainer.config.repository import Repository
from trainer.config.text import clean
from trainer.errors import Problem

_lock = threading.Lock()


def expand_by_hydra(repository: Repository, primary: str, overrides: Sequence[Override]) -> Result:
    """Expand a defaults list with Hydra's own algorithm; see `defaults_list.expand`.

    Hydra stops at the first problem, so only that one is reported.
    """
    from hydra import version
    from hydra._internal.defaults_list import create_defaults_list
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from packaging.version import Version

    result = Result()
    with _lock:
        base = version.VersionBase.instance()
        before = base.version_base
        base.version_base = Version("1.3")
        try:
            with no_environment():
                expanded = create_defaults_list(
                    repo=_adapter(repository),
                    config_name=primary,
                    overrides_list=[_native(override) for override in overrides],
                    prepend_hydra=False,
                    skip_missing=False,
                )
        except (
            HydraException, OmegaConfBaseException, ValueError, AssertionError, RecursionError,
        ) as error:  # fmt: skip
            text = clean(" ".join(str(error).split("\nConfig search path")[0].split()))
            result.problems.append(
                Problem(f"The defaults lists cannot be expanded: {text or type(error).__name__}")
            )
            result.problems += repository.problems
            return result
        finally:
            base.version_base = before
    result.layers = [
        Layer(default.config_path or "", default.package or "") for default in expanded.defaults
    ]
    result.choices = dict(expanded.overrides.known_choices)
    result.values = [
        override
        for override in overrides
        if isinstance(override.value, dict) or not repository.is_group(override.key)
    ]
    result.problems += repository.problems
    return result


def _native(override: Override) -> Any:
    from hydra.core.override_parser.types import Override as HydraOverride
    from hydra.core.override_parser.types import OverrideType, ValueType

    kinds = {
        "change": OverrideType.CHANGE,
        "add": OverrideType.ADD,
        "force": OverrideType.FORCE_ADD,
        "delete": OverrideType.DEL,
    }
    return HydraOverride(
        type=kinds[override.kind],
        key_or_group=override.key,
        value_type=ValueType.ELEMENT,
        _value=override.value,
        package=override.package,
        input_line=override.text,
    )


def _adapter(repository: Repository) -> Any:
    """Show our loaded files to Hydra as its own repository."""
    from hydra._internal.config_repository import IConfigRepository
    from hydra.core.default_element import ConfigDefault, GroupDefault
    from hydra.plugins.config_source import ConfigResult
    from omegaconf import OmegaConf

    def entry(written: Entry) -> Any:
        if written.group is None:
            return ConfigDefault(path=str(written.value), package=written.package)
        value = list(written.value) if isinstance(written.value, list) else written.value
        return GroupDefault(
            group=written.group,
            value=value,
            package=written.package,
            optional=written.optional,
            override=written.override,
        )

    class Adapter(IConfigRepository):
        def get_schema_source(self) -> Any:
            raise NotImplementedError

        def initialize_sources(self, config_search_path: Any) -> None:
            raise NotImplementedError

        def get_sources(self) -> list[Any]:
            return []

        def load_config(self, config_path: str) -> Any:
            profile = repository.load(config_path)
            if profile is None:
                return None
            return ConfigResult(
                provider=profile.kind,
                path=profile.path,
                # The expansion only asks whether there is content; merging is done elsewhere.
                config=OmegaConf.create({}),
                header={"package": profile.package},
                defaults_list=[entry(written) for written in profile.defaults or ()],
            )

        def group_exists(self, config_path: str) -> bool:
            return repository.is_group(config_path)

        def config_exists(self, config_path: str) -> bool:
            return repository.load(config_path) is not None

        def get_group_options(self, group_name: str, results_filter: Any = None) -> list[str]:
            return repository.options(group_name)

    return Adapter()


def merge_by_omegaconf(
    layers: Sequence[tuple[dict[Any, Any], str]],
) -> tuple[dict[Any, Any], list[Problem]]:
    """Merge layers with OmegaConf, which looks through interpolations on the way.

    Args:
        layers: Values from the lowest layer up, each with the place to name when it cannot be merged.

    Returns:
        The merged values, interpolations unresolved, and what could not be merged.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    config = OmegaConf.create()
    problems: list[Problem] = []
    for values, where in layers:
        try:
            config.merge_with(OmegaConf.create(values))
        except (OmegaConfBaseException, TypeError, ValueError) as error:
            problems.append(Problem(clean(str(error).splitlines()[0]), where))
    merged: Any = OmegaConf.to_container(config, resolve=False)
    return merged, problems


def update_by_omegaconf(
    values: dict[Any, Any], updates: Sequence[tuple[str, Any, str]]
) -> tuple[dict[Any, Any], list[Problem]]:
    """Set dotted keys with OmegaConf, as Hydra applies `++key=value` overrides.

    Args:
        values: The config below.
        updates: Key, value and the place to name when it cannot be set, in order.

    Returns:
        The values, interpolations unresolved, and what could not be set.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    config = OmegaConf.create(values)
    problems: list[Problem] = []
    for key, value, where in updates:
        try:
            OmegaConf.update(config, key, value, merge=True, force_add=True)
        except (OmegaConfBaseException, TypeError, ValueError, AssertionError, IndexError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            problems.append(Problem(f"'{key}' cannot be set: {clean(first)}", where, "", key))
    merged: Any = OmegaConf.to_container(config, resolve=False)
    return merged, problems
