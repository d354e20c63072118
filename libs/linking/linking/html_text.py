"""The text of HTML, by which descriptions are compared: each side writes other tags for the same text."""

import html
from html.parser import HTMLParser

_HIDDEN = frozenset({"script", "style", "template", "head"})
_INLINE = frozenset(
    {
        *("a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins", "kbd"),
        *("mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr"),
    }
)
_EDGE = "\x1e"
"""Stands where a block begins or ends. It is white space to Python."""
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u2060\ufeff\u00ad\x00"))


def extract_text(source: str) -> str:
    """Return the text of HTML, with each run of white space and each edge of a block as one blank."""
    reader = _TextReader()
    # A declaration such as `<![if …]>` is a comment in HTML; Python's parser raises an error for an unknown one.
    reader.feed(source.replace("<![", "<! ["))
    reader.close()
    return _join_words("".join(reader.pieces))


def extract_lines(source: str) -> str:
    """Return the text of HTML with each block on a line of its own, for fields that hold no HTML.

    `extract_text` of the HTML that shows these lines (`build_html`) is the same text.
    """
    reader = _TextReader()
    reader.feed(source.replace("<![", "<! ["))
    reader.close()
    lines = "".join(reader.pieces).split(_EDGE)
    return "\n".join(filter(None, map(_join_words, lines)))


def build_html(text: str | None) -> str | None:
    """Return plain text as HTML that shows it; None for none."""
    return html.escape(text, quote=False) if text else None


def _join_words(text: str) -> str:
    return " ".join(text.translate(_INVISIBLE).split())


class _TextReader(HTMLParser):
    """Collects the text between tags; what is hidden (scripts, styles) is left out."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._hidden += tag in _HIDDEN
        self._separate(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN and self._hidden:
            self._hidden -= 1
        self._separate(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._separate(tag)

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.pieces.append(data)

    def _separate(self, tag: str) -> None:
        if tag not in _INLINE | _HIDDEN:
            self.pieces.append(_EDGE)
