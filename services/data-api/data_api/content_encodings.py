"""The encoding in which a client wants its answer (RFC 9110, section 12.5.3)."""

import re
from functools import lru_cache

IDENTITY = "identity"
_ITEM = re.compile(
    r"[ \t]*([!#$%&'*+.^_`|~0-9a-z-]+)[ \t]*(?:;[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*)?",
    re.ASCII | re.IGNORECASE,
)


@lru_cache(maxsize=1024)
def choose_encoding(accepted: str | None, offered: tuple[str, ...]) -> str:
    """Return the best encoding of `offered` for a header `Accept-Encoding`, or `identity`.

    `offered` are in the server's order of preference, which decides between equal weights. Without the header, or where
    it allows nothing that is offered, the answer is not encoded.
    """
    if not accepted:
        return IDENTITY
    weights = _parse_weights(accepted)
    rest = weights.get("*", 0.0)
    # What is not named is accepted unencoded, but only as a last resort.
    weighted = [(weights.get(name, rest), name) for name in offered]
    weighted.append((weights.get(IDENTITY, 0.0005 if "*" not in weights else rest), IDENTITY))
    weight, name = max(weighted, key=lambda item: item[0])
    return name if weight > 0 else IDENTITY


def _parse_weights(header: str) -> dict[str, float]:
    """Return the weight of each encoding in the header. Malformed items are ignored."""
    items = (_ITEM.fullmatch(item) for item in header.lower().split(","))
    return {item[1].removeprefix("x-"): float(item[2] or 1) for item in items if item}
