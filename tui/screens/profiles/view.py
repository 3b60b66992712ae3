"""What the screen of profiles shows: it reads, composes and draws; what keys do comes on top of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import events, on
from textual.app import ComposeResult
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input, Static

from trainer.display import plural
from trainer.errors import ConfigError
from tui.screens.base import DeckScreen, TitleBar
from tui.screens.profiles import form as forms
from tui.screens.profiles.changes import ChangeRows
from tui.screens.profiles.editing import Editing, Look, line_of, look, open_profile
from tui.screens.profiles.machine import Fitting, fitting, fitting_lines
from tui.screens.profiles.panes import CSS, PANES, WIDE, Head, pane_of, panes, switch_line
from tui.screens.profiles.tree import ProfileTree
from tui.screens.profiles.yaml import YamlPane
from tui.sources.profiles import Catalogue, Entry, scan
from tui.text import clean
from tui.widgets.field import FieldForm
from tui.widgets.keybar import KeyBar
from tui.widgets.linelist import LineList

if TYPE_CHECKING:
    from textual.widget import Widget

#: A text is composed when typing has paused for this long, in seconds.
_PAUSE = 0.15


class ProfilesView(DeckScreen):
    """Shows the profiles, and of the one in hand its form, its text and what it changes.

    Args:
        profile: The one to begin with, `group/name`; the first of `trainer` if empty.
    """

    DEFAULT_CSS = CSS
    AUTO_FOCUS = "#profiles"

    def __init__(self, profile: str = "") -> None:
        super().__init__()
        #: All profiles on disk.
        self.catalogue = Catalogue()
        #: The profiles that were opened here, by `group/name`.
        self.editings: dict[str, Editing] = {}
        #: The one in hand.
        self.current: Editing | None = None
        #: What the text in hand composes to; None until that is known.
        self.seen: Look | None = None
        #: What a hardware profile in hand means here; None until that is known.
        self.fits: Fitting | None = None
        #: Words as on the command line, or a run's folder, to compare with; empty for the defaults.
        self.against: tuple[str, ...] = ()
        #: Which problem was gone to last.
        self.problem_at = -1
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
        self.set_class(self.app.size.width >= WIDE, "-wide")
        self._show_pane("profiles")
        self.query_one("#search", Input).cursor_blink = False
        self.reread(self._first or "trainer/")

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

    # ── what is in hand ──────────────────────────────────────────────────────────────────────────

    def in_hand(self) -> Editing | None:
        """Give the profile in hand; None, with a word about it, if there is none."""
        if self.current is None:
            self.deck.say("Choose a profile first.")
        elif self.current.unread:
            self.deck.say(self.current.unread, "error")
            return None
        return self.current

    def group_in_hand(self) -> str:
        """Give the group that a new profile would belong to."""
        return self.query_one(ProfileTree).group or "trainer"

    def check(self, key: str, value: Any) -> str:
        """Say what is wrong with a value of a key in this profile; empty if nothing is."""
        from trainer.config.values import problem_with

        composed = self.seen.composed if self.seen is not None else None
        return problem_with(key, value, composed.config if composed is not None else None)

    def tell(self, error: ConfigError) -> None:
        """Say what is wrong, every problem on a line."""
        self.deck.say("\n".join(str(problem) for problem in error.problems), "error")

    def choose_between(self) -> None:
        """Lead to the places in the text where two versions stand."""
        self.problem_at = -1
        self.action_pane("yaml")
        editing = self.current
        if editing is not None and editing.profile.problems:
            line = line_of(editing.profile.problems[0], editing.profile) or 1
            self.query_one(YamlPane).move_cursor((line - 1, 0), center=True)
        self.deck.say("Both stand in the text: y edits it; keep the lines that you want.")

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
        # A file that cannot be read is told below, and is why.
        if select and not tree.go_to(select) and not catalogue.problem:
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
        self.current, self.seen, self.fits, self.problem_at = editing, None, None, -1
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
            if entry.group == "hardware" and asked == self._asked:
                fits = fitting(entry, profile, seen, self.context)
                self.app.call_from_thread(self._fitted, asked, fits)

        self.run_worker(work, thread=True, group="look")

    def look_again(self) -> None:
        """Compose and compare anew."""
        self._look()

    def _looked(self, asked: int, seen: Look) -> None:
        if asked == self._asked and self.current is not None and self.is_mounted:
            self.seen = seen
            self.draw()

    def _fitted(self, asked: int, fits: Fitting | None) -> None:
        if asked == self._asked and self.current is not None and self.is_mounted:
            self.fits = fits
            self._draw_card(self.current)

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
        self._draw_card(editing)
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

    def _draw_card(self, editing: Editing) -> None:
        """Say what a hardware profile has, and what that means here."""
        card, profile = self.query_one("#card", Static), editing.profile
        is_hardware = editing.entry.group == "hardware" and not profile.problems
        card.set_class(is_hardware, "shown")
        if is_hardware:
            known = self.fits if self.fits is not None and self.fits.text == profile.text else None
            card.update(Content("\n".join([forms.card(profile), *fitting_lines(known)])))

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
        options = sum(entry.group is not None for entry in editing.profile.defaults)
        count = f"{plural(options, 'option')}, {plural(keys, 'key')}" if options else ""
        what = "see the YAML" if editing.profile.problems else count or plural(keys, "key")
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
        told = (*self.query_one(ProfileTree).told(entry), entry.doc)
        between = f" {self.context.glyphs.separator} "
        second = editing.unread or between.join(dict.fromkeys(filter(None, told)))
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
