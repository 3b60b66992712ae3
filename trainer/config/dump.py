"""Configs written as YAML that reads back the same under YAML's rules and OmegaConf's."""

from __future__ import annotations

from typing import Any

import yaml

from trainer.config.loader import _FLOAT, _FLOAT_TAG

_Base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_Base):  # type: ignore[misc]  # the base is chosen at run time
    """Quotes a text that either set of rules would read as something else, such as 1e-3."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write a value that occurs twice twice: `&id001` is for machines."""
        return True


def _mapping(dumper: Any, data: dict[Any, Any]) -> Any:
    """Write a section one key a line, however short it is: that is what people diff and grep."""
    node = dumper.represent_mapping("tag:yaml.org,2002:map", data)
    node.flow_style = not data
    return node


_Dumper.add_representer(dict, _mapping)
_Dumper.add_implicit_resolver(_FLOAT_TAG, _FLOAT, list("-+0123456789."))


def to_yaml(config: Any) -> str:
    """Write plain values as YAML, keys in their order; lists of plain values on one line."""
    text = yaml.dump(
        config,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=100,
    )
    return str(text)
