"""The profiles: what would run, and how does it differ?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input, Static

from trainer.config import edit_files
from trainer.display import plural
from tui.screens.base import TitleBar
from tui.screens.profiles import form as forms
from tui.screens.profiles.changes import ChangeRows
from tui.screens.profiles.editing import (
    Editing,
    Look,
    line_of,
    look,
    open_profile,
    words_of,
)
from tui.screens.profiles.panes import CSS, PANES, WIDE, Head, pane_of, panes, switch_line
from tui.screens.profiles.tree import ProfileTree
from tui.screens.profiles.watch import WatchFiles
from tui.screens.profiles.yaml import YamlPane
from tui.sources.profiles import Catalogue, Entry, scan
from tui.text import clean
from tui.widgets.dialogs import Confirm
from tui.widgets.field import FieldForm
from tui.widgets.keybar import KeyBar, binding
from tui.widgets.linelist import LineList

if TYPE_CHECKING:
    from textual.widget import Widget

#: A text is composed when typing has paused for this long, in seconds.
_PAUSE = 0.15


class ProfilesScreen(WatchFiles):
    """Browse, edit, compare and save profiles.

    Args:
        profile: The one to begin with, `group/name`; the first of `trainer` if empty.
    """

    DEFAULT_CSS = CSS
    AUTO_FOCUS = "#profiles"
    BINDINGS: ClassVar[list[BindingType]] = [
        binding("ctrl+s,s", "save", "save", tip="Save; of a built-in profile, a copy"),
        binding("L", "launch", "launch", tip="Launch with this profile"),
        binding("a", "add", "add key", tip="Set a key that the profile does not set yet"),
        binding("y", "edit_yaml", "edit YAML", tip="Edit the YAML; Escape stops"),
        binding("d", "diff_with", "diff with", tip="Compare with another profile or run"),
        binding("slash", "search", "search", tip="Search the profiles"),
        binding("S", "save_as", "save as", tip="Save the text under another name"),
        binding("e", "editor", "editor", tip="Open the text in your own editor"),
        binding("n", "new", "new", tip="Make a new profile in this group"),
        binding("D", "duplicate", "duplicate", tip="Write a copy under another name"),
        binding("r", "rename", "rename", tip="Give the profile another name"),
        binding("x,delete,tilde", "remove", "remove", tip="In the form: the key; else the profile"),
        binding("u", "undo", "undo", tip="Take back the last change or deletion"),
        binding("p", "next_problem", "problem", tip="Go to the next problem in the YAML"),
        binding("R", "reload", "reload", show=False, tip="Take the file as it is on disk"),
        binding("m", "merge", "merge", show=False, tip="Put both together: the file and your text"),
        binding("1", "pane('profiles')", "profiles", show=False, tip="To the list of profiles"),
        binding("2", "pane('form')", "form", show=False, tip="To the form"),
        binding("3", "pane('yaml')", "yaml", show=False, tip="To the YAML"),
        binding("4", "pane('changes')", "diff", show=False, tip="To the diff"),
        binding("tab", "next_pane(1)", "next pane", show=False, tip="To the next pane"),
        binding("shift+tab", "next_pane(-1)", "pane before", show=False, tip="To the pane before"),
        binding("q", "back", "back", show=False, tip="To the list, then back; asks if unsaved"),
    ]

    def __init__(self, profile: str = "") -> None:
        super().__init__()
        self._first = profile
        self._asked = 0
        self._soon: Timer | None = None

    # ── laying out ───────────────────────────────────────────────────────────────────────────

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield TitleBar("profiles")
        yield Static("", id="about", markup=False)
        yield Static("", id="switch", markup=False)
        yield Static("", id="notice", markup=False)
        yield from panes(self.context.glyphs, self.check)
        yield Static("", id="problems", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        """Read the folders."""
        super().on_mount()
        self.set_class(self.app.size.width >= WIDE, "-wide")
        self._show_pane("profiles")
        self.query_one("#search", Input).cursor_blink = False
        self.reread(self._first or "trainer/")

    def on_unmount(self) -> None:
        """What was deleted and not brought back is gone now."""
        for hidden, _path, _full in self.deleted:
            edit_files.forget(hidden)

    def on_resize(self, event: events.Resize) -> None:
        """Beside each other where there is room."""
        self.set_class(event.size.width >= WIDE, "-wide")

    def _show_pane(self, pane: str) -> None:
        for each in PANES:
            self.set_class(each == pane, f"-{each}")
        self.query_one("#switch", Static).update(switch_line(pane))

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """The pane in front is the one that has the focus."""
        pane = pane_of(event.widget)
        if pane and not self.has_class(f"-{pane}"):
            self._show_pane(pane)

    @property
    def pane(self) -> str:
        """The pane in front."""
        return next((each for each in PANES if self.has_class(f"-{each}")), PANES[0])

    def action_pane(self, pane: str) -> None:
        """Go to a pane."""
        self._show_pane(pane)
        target: Widget = {
            "profiles": self.query_one(ProfileTree),
            "form": self.query_one(FieldForm).rows,
            "yaml": self.query_one(YamlPane),
            "changes": self.query_one(ChangeRows),
        }[pane]
        target.focus()

    def action_next_pane(self, by: int) -> None:
        """Go to the next pane, or the one before."""
        if not self.query_one(FieldForm).is_editing:
            self.action_pane(PANES[(PANES.index(self.pane) + by) % len(PANES)])

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    def reread(self, select: str = "", *, forget: str = "") -> None:
        """Read the folders again; go to a profile, and read another one anew."""

        def work() -> None:
            found = scan(self.context)
            self.app.call_from_thread(self._scanned, found, select, forget)

        self.run_worker(work, thread=True, group="scan")

    def _scanned(self, catalogue: Catalogue, select: str, forget: str) -> None:
        if not self.is_mounted:
            return
        self.catalogue = catalogue
        self.editings.pop(forget, None)
        for full, editing in list(self.editings.items()):
            now = catalogue.find(full)
            if now is not None and now.path == editing.entry.path:
                editing.entry = now
            elif not editing.is_changed:
                del self.editings[full]
        tree = self.query_one(ProfileTree)
        tree.show(catalogue)
        if select.endswith("/"):
            names = catalogue.names(select[:-1])
            select = f"{select}{names[0]}" if names else ""
        if select and not tree.go_to(select):
            self.deck.say(f"There is no profile {select}.", "warning")
        if catalogue.problem:
            self.query_one("#about", Static).update(Content(clean(catalogue.problem)))
            self.deck.say(catalogue.problem, "error")
        self._go(tree.entry)
        self.draw()
        self._tell_title()

    @on(LineList.Highlighted, "#profiles")
    def _moved(self) -> None:
        self._go(self.query_one(ProfileTree).entry)

    @on(LineList.Chosen, "#profiles")
    def _chosen(self) -> None:
        self.action_pane("form")

    def _go(self, entry: Entry | None) -> None:
        """Show a profile; its file is read beside."""
        if entry is None:
            return
        known = self.editings.get(entry.full)
        if known is not None:
            self._opened(known)
            return

        def work() -> None:
            editing = open_profile(entry, self.context)
            self.app.call_from_thread(self._opened, editing)

        self.run_worker(work, thread=True, group="open", exclusive=True)

    def _opened(self, editing: Editing) -> None:
        entry = self.query_one(ProfileTree).entry
        if entry is not None and entry.full != editing.entry.full:
            return  # the cursor has moved on
        editing = self.editings.setdefault(editing.entry.full, editing)
        if editing is self.current:
            return
        self.current, self.seen, self.problem_at = editing, None, -1
        area = self.query_one(YamlPane)
        area.write_in("toml" if editing.entry.table else "yaml")
        area.open(editing.profile.text)
        if editing.entry.line:
            area.move_cursor((editing.entry.line - 1, 0))
            area.scroll_to(y=editing.entry.line - 1, animate=False)
        self.draw()
        self._look()

    # ── composing ────────────────────────────────────────────────────────────────────────────

    def changed(self, editing: Editing) -> None:
        """Show a text that was changed."""
        if editing is not self.current:
            return
        self.query_one(YamlPane).show(editing.profile.text)
        self.draw()
        if self._soon is not None:
            self._soon.stop()
        self._soon = self.set_timer(_PAUSE, self._look)

    def _look(self) -> None:
        """Compose the text in hand in a thread; the latest one counts."""
        editing = self.current
        if editing is None or not self.is_mounted:
            return
        self._asked += 1
        asked, entry, profile, against = self._asked, editing.entry, editing.profile, self.against

        def work() -> None:
            seen = look(entry, profile, self.context, against)
            self.app.call_from_thread(self._looked, asked, seen)

        self.run_worker(work, thread=True, group="look")

    def look_again(self) -> None:
        """Compose and compare anew."""
        self._look()

    def _looked(self, asked: int, seen: Look) -> None:
        if asked == self._asked and self.current is not None and self.is_mounted:
            self.seen = seen
            self.draw()

    # ── drawing ──────────────────────────────────────────────────────────────────────────────

    def draw(self) -> None:
        """Draw everything that depends on the text in hand."""
        editing, seen = self.current, self.seen
        if editing is None:
            return
        profile = editing.profile
        self._tell_about(editing)
        form = self.query_one(FieldForm)
        form.show(forms.rows_of(profile, seen, self.catalogue))
        card = self.query_one("#card", Static)
        is_hardware = editing.entry.group == "hardware" and not profile.problems
        card.set_class(is_hardware, "shown")
        if is_hardware:
            card.update(Content(forms.card(profile)))
        problems = profile.problems if seen is None or profile.problems else seen.problems
        lines = [f"! {problem}" for problem in problems[:4]]
        if len(problems) > len(lines):
            lines[-1] = f"! and {len(problems) - len(lines) + 1} more; p goes through them"
        box = self.query_one("#problems", Static)
        box.set_class(bool(lines), "shown")
        box.update(Content(clean("\n".join(lines), keep_newlines=True)))
        wrong = {line_of(problem, profile) for problem in problems}
        self.query_one(YamlPane).mark({line for line in wrong if line is not None})
        self.query_one(ProfileTree).mark(
            [full for full, each in self.editings.items() if each.is_changed]
        )
        self._draw_diff(editing, seen)
        self.draw_heads(editing)

    def _draw_diff(self, editing: Editing, seen: Look | None) -> None:
        against = (seen.against if seen is not None else "") or "the defaults"
        if seen is None:
            empty = "composing"
        elif seen.composed is None:
            empty = "nothing can be composed: see the problems"
        else:
            empty = f"no difference from {against}"
        changes = seen.changes if seen is not None else ()
        self.query_one(ChangeRows).show(changes, editing.shown, empty)
        count = f"  {plural(len(changes), 'key')}" if changes else ""
        head = self.query_one("#changes-pane Head", Head)
        head.show(f"diff against {against}{count}  enter change")

    def draw_heads(self, editing: Editing) -> None:
        """Draw the panes' titles."""
        typing = not self.query_one(YamlPane).read_only
        kind = "toml" if editing.entry.table else "yaml"
        yaml = f"editing the {kind.upper()}: esc stops" if typing else f"{kind}  y edit"
        self.query_one("#yaml-pane Head", Head).show(yaml)
        keys = len(editing.profile.leaves)
        what = "see the YAML" if editing.profile.problems else plural(keys, "key")
        self.query_one("#form-pane Head", Head).show(
            f"form  {what}  enter edit  space switch  a add  ~ remove"
        )

    def _tell_about(self, editing: Editing) -> None:
        entry = editing.entry
        facts = ["not saved"] if editing.is_changed else []
        facts.append(entry.kind)
        if editing.is_built_in:
            facts.append(f"saves as {editing.home}")
        table = f"  [{entry.table}]" if entry.table else ""
        first = f"{editing.shown}{table}   {f' {self.context.glyphs.separator} '.join(facts)}"
        second = editing.unread or entry.doc
        about = Content.assemble((clean(first), "bold"), "\n", (clean(second), "dim"))
        self.query_one("#about", Static).update(about)
        notice = self.query_one("#notice", Static)
        notice.set_class(editing.outdated, "shown")
        if editing.outdated:
            notice.update("Changed on disk meanwhile:  R takes it as it is   m puts both together")

    def _tell_title(self) -> None:
        groups = self.catalogue.groups
        count = sum(len(entries) for _group, entries in groups)
        text = f"{plural(count, 'profile')} in {plural(len(groups), 'group')}"
        self.query_one(TitleBar).show(text, now=self.context.clock.now())

    # ── the way out ────────────────────────────────────────────

    def action_launch(self) -> None:
        """Launch with this profile; what is not saved is saved first, if the person wants it."""
        editing = self.in_hand()
        if editing is not None:
            self.run_worker(self._launch(editing), group="files")

    async def _launch(self, editing: Editing) -> None:
        if editing.is_changed:
            lines = ["A run is made from the files; what is not saved is not in it."]
            question = Confirm(f"Save {editing.entry.full} first?", lines, "save and launch")
            if not await self.app.push_screen_wait(question):
                return
            if not await self.save(editing):
                return
        words = await asyncio.to_thread(words_of, editing.entry, self.context)
        self.deck.open_launch(words)

    def action_search(self) -> None:
        """Search the profiles."""
        self._show_pane("profiles")
        field = self.query_one("#search", Input)
        field.add_class("shown")
        field.focus()

    @on(Input.Changed, "#search")
    def _searched(self, event: Input.Changed) -> None:
        tree = self.query_one(ProfileTree)
        tree.search(event.value)
        self._go(tree.entry)  # another profile may have come under a cursor that stayed

    @on(Input.Submitted, "#search")
    def _found(self) -> None:
        entry = self.query_one(ProfileTree).entry
        self._end_search()
        if entry is not None:
            self.query_one(ProfileTree).go_to(entry.full)
            self._go(entry)

    def _end_search(self) -> None:
        field = self.query_one("#search", Input)
        field.value = ""
        field.remove_class("shown")
        self.query_one(ProfileTree).search("")
        self.action_pane("profiles")

    def action_back(self) -> None:
        """Out of the search, then to the list, then back to where one came from."""
        if self.query_one("#search", Input).has_class("shown"):
            self._end_search()
        elif self.pane != "profiles":
            self.action_pane("profiles")
        else:
            self._unless_unsaved(self.deck.back)

    def unsaved(self) -> list[str]:
        """Name the profiles that are not saved."""
        return [full for full, each in self.editings.items() if each.is_changed]

    def _unless_unsaved(self, leave: Any) -> None:
        unsaved = self.unsaved()
        if not unsaved:
            leave()
            return

        def answered(yes: bool | None) -> None:
            if yes:
                leave()

        question = "Leave without saving?"
        self.app.push_screen(Confirm(question, unsaved, "leave, and lose the changes"), answered)

    def tick(self) -> None:
        """The time of day, and what others changed."""
        if self.is_mounted:
            self._tell_title()
        super().tick()
