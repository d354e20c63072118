"""A call for many variants that Shopify refuses as a whole, without naming any: all but the bad ones are written."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from contracts.events import WriteRequested
from shopify_writer.generated.update_variants import UpdateVariants
from shopify_writer.targets import Target
from shopify_writer.updates import Update, update_variants
from shopify_writer.write_session import MutationRefusedError


class FakeSession:
    """Writes all variants of a call, or none if one of them is bad: with an error that names none, or none at all."""

    def __init__(self, bad: Sequence[str], *, has_payload: bool) -> None:
        self.bad = bad
        self.has_payload = has_payload
        self.written: list[str] = []
        self.calls = 0

    async def send_mutation(self, model: Any, document: Any, variables: Any) -> tuple[UpdateVariants, int]:
        """Answer one call."""
        self.calls += 1
        ids = [one["id"] for one in variables["variants"]]
        is_refused = bool({*ids} & {*self.bad})
        if is_refused and not self.has_payload:
            raise MutationRefusedError("BAD_REQUEST: no")
        self.written += [] if is_refused else ids
        payload = {
            "product": {"updatedAt": "2026-11-01T00:00:00Z"},
            "productVariants": None if is_refused else [build_variant(one) for one in ids],
            "userErrors": [{"field": None, "message": "no"}] if is_refused else [],
        }
        return UpdateVariants.model_validate({"productVariantsBulkUpdate": payload}), 5


def build_variant(gid: str, price: str = "77.00") -> dict[str, Any]:
    item = {"measurement": {"weight": None}}
    return {"id": gid, "sku": "A", "barcode": None, "price": price, "compareAtPrice": None, "inventoryItem": item}


def build_update(gid: str) -> Update:
    request = WriteRequested(
        write_id=uuid4(),
        link_id=uuid4(),
        connection="shopify:acme.myshopify.com",
        epoch=1,
        resource="variants",
        operation="update",
        record=gid,
        fields={"price": "77"},
        requested_at=0,
    )
    target = Target(gid, "gid://shopify/Product/1", build_variant(gid, "1.00"), {}, datetime.now(UTC), 1, "EUR")
    return Update(request, target, {"id": gid, "price": "77"})


@pytest.mark.parametrize("has_payload", [True, False])
@pytest.mark.parametrize("bad", [[], ["3"], ["0", "9"], [str(number) for number in range(10)]])
async def test_only_the_bad_ones_are_refused(bad: list[str], has_payload: bool) -> None:
    session: Any = FakeSession(bad, has_payload=has_payload)
    updates = [build_update(str(number)) for number in range(10)]
    results = await update_variants(session, updates)
    assert {one.write_id for one in results} == {one.request.write_id for one in updates}
    assert sorted(one.record for one in results if one.outcome == "refused") == bad
    assert sorted([*session.written, *bad]) == [str(number) for number in range(10)]
    assert session.calls < 20


async def test_each_call_sends_fewer_until_one_is_left() -> None:
    session: Any = FakeSession(["3"], has_payload=True)
    await update_variants(session, [build_update(str(number)) for number in range(10)])
    assert session.calls == 9
