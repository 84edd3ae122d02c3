"""The forms of a page as a browser reads them: where each sends, and what its fields hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

TEXT_KINDS = ("text", "search", "textarea", "email", "url", "")
NOT_SENT = ("submit", "button", "reset", "image", "file")


@dataclass
class Form:
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    """Fields that hold whatever a person writes."""
    files: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.page, self.forms = page, list[Form]()
        self.open: Form | None = None
        self.select = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        sends = given.get("hx-post") or (
            given.get("action", self.page) if given.get("method", "").lower() == "post" else ""
        )
        if tag == "form":
            self.open = Form(sends.partition("?")[0]) if sends else None
            if self.open:
                self.forms.append(self.open)
        elif sends:  # a button that sends by itself
            self.forms.append(Form(sends.partition("?")[0]))
        elif self.open:
            self._field(self.open, tag, given)

    def _field(self, form: Form, tag: str, given: dict[str, str]) -> None:
        name, kind = given.get("name", ""), given.get("type", "").lower()
        if tag == "select":
            self.select = name
        elif tag == "option" and self.select:
            if self.select not in form.fields or "selected" in given:
                form.fields[self.select] = given.get("value", "")
        elif not name or "disabled" in given or tag not in ("input", "textarea"):
            return
        elif kind == "file":
            form.files.append(name)
        elif kind not in NOT_SENT and (kind not in ("checkbox", "radio") or "checked" in given):
            form.fields[name] = given.get("value", "")
            if tag == "textarea" or kind in TEXT_KINDS:
                form.texts.append(name)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.open = None
        elif tag == "select":
            self.select = ""


def forms_of(html: str, page: str) -> list[Form]:
    """Every form of `page` that changes something, and every button that sends by itself."""
    reader = _Reader(page)
    reader.feed(html)
    return reader.forms
