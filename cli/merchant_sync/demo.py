"""The unattended trip through a running stack: each step shows one promise, or says where it does not hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from merchant_sync.client import StoredObject, Visit
from merchant_sync.comparison import first_difference
from merchant_sync.steps import Difference, Step, eventually

SHOP = "acme.myshopify.com"


@dataclass
class Trip:
    """What the steps share: the stack and the shop that they speak of."""

    visit: Visit
    shop: str = SHOP

    @property
    def key(self) -> str:
        """Where the shop's snapshot is stored."""
        return f"{self.shop}/shopify_data.json"


def _answers(trip: Trip) -> str:
    for path in ("/health", "/ready"):
        status = trip.visit.http.get(f"{trip.visit.gateway_url}{path}").status_code
        if status != 200:
            raise Difference(f"{trip.visit.gateway_url}{path} answered {status}, 200 is right")
    return trip.visit.gateway_url


def snapshot_equals_truth(trip: Trip, within: float = 60.0) -> str:
    """Wait until the stored snapshot is what the sandbox says is true; a Difference shows the first place it is not."""
    stored: list[StoredObject | None] = [None]

    def equal() -> StoredObject | None:
        found = stored[0] = trip.visit.object(trip.key)
        return found if found and first_difference(found.document, trip.visit.truth(trip.shop)) is None else None

    try:
        found = eventually(equal, within=within, what=f"{trip.key} equal to the sandbox's truth")
    except Difference as late:
        last = stored[0]
        where = first_difference(last.document, trip.visit.truth(trip.shop)) if last else "there is no object"
        raise Difference(f"{late}\n    {where}") from None
    return f"{len(found.body):,} bytes"


# The steps of the shop itself (connect, edit, touch, delete) join here, in the order of the trip.
STEPS: Sequence[Step[Trip]] = (Step("The gateway answers and is ready", _answers),)
