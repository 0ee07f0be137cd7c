"""What is laid over a screen: all of a row, or a question before something is changed."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static

from olearn_tui.formats import printable


class Details(ModalScreen[None]):
    """All of a row, as JSON."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss", "Close", id="details.close"),
        Binding("y", "copy", "Copy", id="details.copy"),
    ]

    def __init__(self, title: str, data: Any) -> None:
        super().__init__()
        self._title = title
        self.text = json.dumps(data, indent=2, ensure_ascii=False, default=str)

    def compose(self) -> ComposeResult:
        """Lay out the text."""
        with VerticalScroll(classes="modal") as frame:
            frame.border_title = printable(self._title)
            frame.border_subtitle = "esc closes · y copies"
            lines = (printable(line) for line in self.text.splitlines())
            yield Static("\n".join(lines), markup=False)

    def action_copy(self) -> None:
        """Put the text where the terminal pastes from."""
        self.app.copy_to_clipboard(self.text)
        self.app.notify("copied")


class Confirm(ModalScreen[bool]):
    """
    Asks before something is changed; a word must be typed.

    :param word: what must be typed
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(False)", "Cancel", id="confirm.cancel"),
    ]

    def __init__(self, question: str, word: str) -> None:
        super().__init__()
        self._question = question
        self._word = word

    def compose(self) -> ComposeResult:
        """Lay out the question and the line to type in."""
        with Vertical(classes="modal question") as frame:
            frame.border_title = "this changes the service"
            frame.border_subtitle = "esc cancels"
            yield Label(self._question, markup=False)
            yield Label(f"Type {self._word} to go on:", markup=False)
            yield Input(placeholder=self._word, compact=True)

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        if event.value.strip() == self._word:
            self.dismiss(True)
        else:
            self.app.notify(f"that is not {self._word}", severity="warning", markup=False)
