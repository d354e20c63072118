"""Splits a statement of MySQL into tokens."""

import re
from dataclasses import dataclass
from enum import StrEnum

from sandbox.phpmyadmin.errors import build_syntax_error

_ESCAPES = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a"}


class TokenKind(StrEnum):
    """The kinds of tokens."""

    NAME = "name"
    """In backticks."""
    WORD = "word"
    """A keyword, or a name without backticks."""
    NUMBER = "number"
    STRING = "string"
    BYTES = "bytes"
    SYMBOL = "symbol"
    END = "end"


@dataclass(frozen=True)
class SqlToken:
    """A token: its kind, its value without quotes (words in upper case), and where it begins in the statement."""

    kind: TokenKind
    value: str
    position: int

    def is_word(self, *words: str) -> bool:
        """Return whether the token is one of these words."""
        return self.kind is TokenKind.WORD and self.value in words

    def is_symbol(self, *symbols: str) -> bool:
        """Return whether the token is one of these symbols."""
        return self.kind is TokenKind.SYMBOL and self.value in symbols


_TOKEN = re.compile(
    r"""\s*(?:
      (?P<bytes>[xX]'(?:[0-9A-Fa-f]{2})*'|0x[0-9A-Fa-f]+)
    | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<string>'(?:[^'\\]|\\.|'')*')
    | (?P<name>`(?:[^`]|``)+`)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<symbol><=|>=|<>|!=|[-+*/%(),.=<>;])
    )""",
    re.VERBOSE | re.DOTALL,
)


def split_tokens(statement: str) -> list[SqlToken]:
    """Return the tokens of a statement, with one of the kind END behind them. Raises DatabaseError for other text."""
    tokens, position, text = [], 0, statement.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise build_syntax_error(text[position:].lstrip())
        kind = TokenKind(match.lastgroup)
        tokens.append(SqlToken(kind, _strip_quotes(kind, match[kind.value]), match.start(kind.value)))
        position = match.end()
    return [*tokens, SqlToken(TokenKind.END, "", len(text))]


def _strip_quotes(kind: TokenKind, text: str) -> str:
    match kind:
        case TokenKind.NAME:
            return text[1:-1].replace("``", "`")
        case TokenKind.STRING:
            return re.sub(r"''|\\(.)", _unescape, text[1:-1], flags=re.DOTALL)
        case TokenKind.BYTES:
            return text[2:].rstrip("'") if text[1] == "'" else text[2:].zfill(len(text) // 2 * 2 - 2)
        case TokenKind.WORD:
            return text.upper()
        case _:
            return text


def _unescape(match: re.Match[str]) -> str:
    character = match[1]
    return "'" if character is None else _ESCAPES.get(character, character)
