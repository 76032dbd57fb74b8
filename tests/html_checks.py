"""What every HTML document of socsim must be: balanced, without script, without network."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "img", "br"}


class Checker(HTMLParser):
    """Collects elements, and fails on a tag that closes none or stays open."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.attributes = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def assert_offline(text):
    """Fail where a document is not balanced, holds a script, or reaches for the network."""
    page = Checker(text)
    assert not {"script", "link", "iframe", "object", "form", "base"} & set(page.seen)
    assert not any(name.startswith("on") for name, _ in page.attributes)
    sources = [value for name, value in page.attributes if name in {"src", "href"}]
    assert all(value.startswith("data:image/svg+xml;base64,") for value in sources)
    assert "http://" not in text
    assert "https://" not in text


def assert_hostile_names_are_text(text):
    """Fail where a name of the hostile records is anything but text."""
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert not set("\x1b\u202e") & set(text)
