"""Live connections at their platforms: what is subscribed, and which version of its API a platform serves."""

from collections.abc import Callable, Iterator

from merchant_sync.access import Access
from merchant_sync.operating.checks import Finding, bad, good, warning
from merchant_sync.operating.inside import Inside, Refused
from merchant_sync.parts import StackError
from merchant_sync.topics import PLATFORMS

SAMPLE = 20
_MEND = "merchant-sync sync {} has them made before it walks; the daily poll does the same"


def look(access: Access, *, sample: int = SAMPLE, progress: Callable[[int, int], None]) -> Iterator[Finding]:
    """Up to `sample` live connections of each platform, asked for at the gateway; `progress` hears how many are done of
    how many."""
    try:
        with Inside(access) as inside:
            names = [name for platform in PLATFORMS for name in _live(inside, platform, sample)]
            if sample and not names:
                yield good("connections", "none is live yet")
            remarks: set[str] = set()
            for number, name in enumerate(names, 1):
                yield _connection(inside, name, remarks)
                progress(number, len(names))
            for remark in sorted(remarks):
                yield warning("API version", remark, "the version asked for has expired: set one that is served")
    except StackError as error:
        yield bad("connections", str(error), "bring it back, or correct its address")


def _live(inside: Inside, platform: str, sample: int) -> list[str]:
    listed = inside.connections(platform=platform, state="connected", limit=sample) if sample else []
    return [str(one["connection"]) for one in listed]


def _connection(inside: Inside, name: str, remarks: set[str]) -> Finding:
    try:
        seen = inside.checkup(name)
    except Refused as refused:
        if refused.status == 409:
            return good(name, "is being let go of")
        return bad(name, str(refused), "look at the platform's status; a refused token asks for its merchant's sign-in")
    remarks |= set(seen["remarks"])
    if seen["missing"]:
        return bad(name, f"{seen['message']}; not subscribed: {', '.join(seen['missing'])}", _MEND.format(name))
    return good(name, str(seen["message"]))
