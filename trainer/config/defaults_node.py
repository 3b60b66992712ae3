"""One entry of a defaults list in its place: which file it means, and where the content goes."""

from __future__ import annotations

from trainer.config.entries import Entry


class Node:
    """An entry of a defaults list in its place in the tree."""

    __slots__ = (
        "appended", "base", "deleted", "entry", "group", "header", "optional", "package", "parent_package",
        "path", "value", "where",
    )  # fmt: skip

    def __init__(self, entry: Entry, where: str, appended: bool = False) -> None:
        self.entry = entry
        self.group = entry.group
        self.value = entry.value
        self.path = entry.value if entry.group is None and isinstance(entry.value, str) else ""
        self.optional = entry.optional
        self.package = "" if entry.package == "_here_" else entry.package
        self.header: str | None = None
        self.base = ""
        self.parent_package = ""
        self.appended = appended
        self.deleted = False
        self.where = where

    def place(self, base: str, parent_package: str) -> None:
        """Tell the entry where its list stands."""
        self.base, self.parent_package = base, parent_package
        if self.package is not None and "_group_" in self.package:
            self.package = "_global_." + self.package.replace("_group_", self.default_package())

    def _full(self) -> str:
        name = self.path if self.group is None else self.group
        if name.startswith("/"):
            return name[1:]
        return f"{self.base}/{name}" if self.base else name

    def group_path(self) -> str:
        """Give the group's full path."""
        full = self._full()
        return full.rpartition("/")[0] if self.group is None else full

    def config_path(self) -> str:
        """Give the file's full path, without `.yaml`."""
        full = self._full()
        return full if self.group is None else f"{full}/{self.value}"

    def name(self) -> str | None:
        """Give the option's name; `None` for a null option or a list."""
        if self.group is None:
            return self.path.rpartition("/")[2]
        return self.value if isinstance(self.value, str) else None

    def is_missing(self) -> bool:
        """Say whether an option must still be given."""
        return self.name() == "???"

    def is_interpolated(self) -> bool:
        """Say whether the option is an interpolation."""
        name = self.path if self.group is None else self.value
        return isinstance(name, str) and "${" in name

    def default_package(self) -> str:
        """Give the package that the group's path stands for."""
        return self.group_path().replace("/", ".")

    def final_package(self, use_header: bool = True) -> str:
        """Give the dotted section that the file's content goes to."""
        package = self.package
        if package is None and use_header:
            package = self.header
        if package is None:
            own = (self.path if self.group is None else self.group).removeprefix("/")
            package = (own.rpartition("/")[0] if self.group is None else own).replace("/", ".")
        both = ".".join(part for part in (self.parent_package, package) if part)
        at = both.rfind("_global_")
        return both if at < 0 else both[at + len("_global_.") :]

    def override_key(self) -> str:
        """Give the key under which overrides find this entry."""
        key = self.group_path()
        package = self.final_package(use_header=False)
        if package != self.default_package():
            key = f"{key}@{package or '_global_'}"
        return key

    def set_header(self, package: str | None) -> None:
        """Take over the file's `# @package` line."""
        if package is None:
            return
        if package != "_global_" and not package.startswith("_global_."):
            package = f"_global_.{package}"
        self.header = package
