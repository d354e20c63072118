"""Stock is written by comparison and with one effect, whatever is lost, repeated or changed by others meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from contracts.events import WriteRequested
from platforms.shopify.errors import GraphqlResponse
from platforms.shopify.ids import parse_number
from shopify_writer.generated.set_stock import SetStock
from shopify_writer.stock import write_stock
from shopify_writer.write_session import MutationRefusedError, UnknownOutcomeError

SCOPES = "write_products,write_inventory,read_locations"
DOMAIN = "acme.myshopify.com"
GONE = "gid://shopify/ProductVariant/999999999"
FIVE, FOUR = [5], [4]


@dataclass
class StockShop:
    """A shop of the sandbox with variants of which each location has 5 units."""

    shop: Any
    locations: Sequence[str]
    variants: Sequence[str]

    def set(self, variant: str, quantity: int | None, location: int = 0) -> None:
        """Somebody sets the stock at a location, or takes the variant from it (None)."""
        body = {"variant": variant, "location": self.locations[location], "available": quantity}
        self.shop.control("POST", "/inventory", body)

    def sell(self, variant: str) -> None:
        """Somebody buys one unit from the first location."""
        self.set(variant, self.read(variant)[0] - 1)

    def read(self, variant: str) -> list[int]:
        """Returns the units of a variant at the locations where it is stocked."""
        levels = " ".join(
            f'l{index}: inventoryLevel(locationId: "{gid}") {{ quantities(names: ["available"]) {{ quantity }} }}'
            for index, gid in enumerate(self.locations)
        )
        answer = self.shop.execute(f'{{ productVariant(id: "{variant}") {{ inventoryItem {{ {levels} }} }} }}')
        found = answer["data"]["productVariant"]["inventoryItem"].values()
        return [level["quantities"][0]["quantity"] for level in found if level is not None]

    def request(self, variant: str, wanted: Sequence[int], expected: Sequence[int], **more: Any) -> WriteRequested:
        """A request to change the stock of a variant at the first locations."""
        fields = dict(zip(self.locations, wanted, strict=False))
        before = dict(zip(self.locations, expected, strict=False))
        request: WriteRequested = self.shop.request(variant, fields, before, resource="stock", **more)
        return request

    def request_sales(self, count: int) -> list[WriteRequested]:
        """Requests that take one of the five units of as many variants."""
        return [self.request(variant, FOUR, FIVE) for variant in self.variants[:count]]

    def read_first(self, count: int) -> list[int]:
        """Returns the units of the first variants at the first location."""
        return [self.read(variant)[0] for variant in self.variants[:count]]

    def values(self, *quantities: int) -> Mapping[str, int]:
        """Returns the values of a result that has these quantities at the first locations."""
        return dict(zip(self.locations, quantities, strict=False))

    def count(self, counter: str) -> int:
        """Returns how many mutations of stock the statistics have in `counter`."""
        counts: dict[str, int] = self.shop.control("GET", "/statistics")[counter]
        return counts.get("inventorySetQuantities", 0)


async def open_stock(open_shop: Any, **recipe: Any) -> StockShop:
    shop = await open_shop(**{"scopes": SCOPES, "products": 2, "locations": 1, **recipe})
    locations = [one["gid"] for one in shop.control("GET", "/locations")["locations"]]
    products = shop.control("GET", "/products?limit=250")["products"]
    numbers = [one["number"] for product in products for one in product["variants"]]
    found = StockShop(shop, locations, [f"gid://shopify/ProductVariant/{number}" for number in numbers])
    for product in products:
        tracked = [{"id": one["number"], "tracked": True} for one in product["variants"]]
        shop.control("PATCH", f"/products/{product['number']}", {"variants": tracked})
    for variant in found.variants:
        for location in range(len(locations)):
            found.set(variant, 5, location)
    shop.control("DELETE", "/statistics")
    return found


class FakeSession:
    """Refuses each call that has the item `bad`, with an error that names none, or none at all."""

    def __init__(self, bad: str, *, has_payload: bool) -> None:
        self.context = SimpleNamespace(token=SimpleNamespace(connection=f"shopify:{DOMAIN}"))
        self.bad = bad
        self.has_payload = has_payload
        self.keys: list[str] = []

    async def fetch_response(self, document: Any, variables: Any) -> tuple[GraphqlResponse, int]:
        """Each variant has 5 units, and an item of its own number."""
        level = {"quantities": [{"quantity": 5}]}
        items = [{"id": f"gid://shopify/InventoryItem/{parse_number(gid)}"} for gid in variables["ids"]]
        nodes = [
            {"__typename": "ProductVariant", "inventoryItem": {**item, "tracked": True, "level1": level}}
            for item in items
        ]
        return GraphqlResponse({"shop": {"myshopifyDomain": DOMAIN, "currencyCode": "EUR"}, "nodes": nodes}, 1), 1

    async def send_mutation(self, model: Any, document: Any, variables: Any) -> tuple[SetStock, int]:
        """Answer one call."""
        self.keys.append(variables["key"])
        is_refused = any(row["inventoryItemId"] == self.bad for row in variables["quantities"])
        if is_refused and not self.has_payload:
            raise MutationRefusedError("BAD_REQUEST: no")
        errors = [{"code": None, "field": None, "message": "no"}] if is_refused else []
        return SetStock.model_validate({"inventorySetQuantities": {"userErrors": errors}}), 2


def build_request(variant: str) -> WriteRequested:
    location = "gid://shopify/Location/1"
    return WriteRequested(
        write_id=uuid4(),
        link_id=uuid4(),
        connection=f"shopify:{DOMAIN}",
        epoch=1,
        resource="stock",
        operation="update",
        record=variant,
        fields={location: 4},
        expected={location: 5},
        requested_at=0,
    )


@pytest.fixture
async def stock(open_shop: Any) -> StockShop:
    """A shop with one location and two products."""
    return await open_stock(open_shop)


@pytest.fixture
async def many(open_shop: Any) -> StockShop:
    """A shop with one location and more than 60 variants."""
    found = await open_stock(open_shop, products=25)
    assert len(found.variants) >= 60
    return found


async def test_a_quantity_is_written_by_two_calls(stock: StockShop) -> None:
    variant = stock.variants[0]
    (result,) = await stock.shop.write_stock(stock.request(variant, FOUR, FIVE))
    assert (result.outcome, result.values, result.record) == ("applied", stock.values(4), variant)
    assert result.read_at > 0 and result.version is None
    assert stock.read(variant) == FOUR
    assert (result.calls, result.points) == (2, 15)


async def test_a_changed_quantity_is_a_conflict_with_the_quantity_as_it_is(stock: StockShop) -> None:
    variant = stock.variants[0]
    stock.set(variant, 3)
    (result,) = await stock.shop.write_stock(stock.request(variant, FOUR, FIVE))
    assert (result.outcome, result.values) == ("conflict", stock.values(3))
    assert result.read_at > 0 and stock.read(variant) == [3]


async def test_a_wanted_quantity_that_somebody_else_has_made_is_a_conflict(stock: StockShop) -> None:
    variant = stock.variants[0]
    stock.sell(variant)
    (result,) = await stock.shop.write_stock(stock.request(variant, FOUR, FIVE))
    assert (result.outcome, result.values) == ("conflict", stock.values(4))


async def test_where_nothing_is_to_change_nothing_is_sent(stock: StockShop) -> None:
    (result,) = await stock.shop.write_stock(stock.request(stock.variants[0], FIVE, FIVE))
    assert (result.outcome, result.values) == ("unchanged", stock.values(5))
    assert stock.shop.control("GET", "/statistics")["calls"] == 0


async def test_negative_quantities_are_legal(stock: StockShop) -> None:
    variant = stock.variants[0]
    (first,) = await stock.shop.write_stock(stock.request(variant, [-2], FIVE))
    (second,) = await stock.shop.write_stock(stock.request(variant, [-3], [-2]))
    assert (first.outcome, second.outcome, second.values) == ("applied", "applied", stock.values(-3))


async def test_several_locations_of_a_request_are_written_together_or_not_at_all(open_shop: Any) -> None:
    stock = await open_stock(open_shop, locations=7)
    first, second = stock.variants[:2]
    stock.set(second, 3, location=6)
    requests = [stock.request(one, range(10, 17), FIVE * 7) for one in (first, second)]
    results = await stock.shop.write_stock(*requests)
    assert [one.outcome for one in results] == ["applied", "conflict"]
    assert results[1].values == stock.values(5, 5, 5, 5, 5, 5, 3)
    assert stock.read(first) == [*range(10, 17)] and stock.read(second) == [5, 5, 5, 5, 5, 5, 3]


async def test_a_location_that_stays_as_it_is_is_not_compared(open_shop: Any) -> None:
    stock = await open_stock(open_shop, locations=2)
    variant = stock.variants[0]
    stock.set(variant, 9, location=1)
    (result,) = await stock.shop.write_stock(stock.request(variant, [4, 5], [5, 5]))
    assert (result.outcome, result.values) == ("applied", stock.values(4))
    assert stock.read(variant) == [4, 9]


async def test_a_write_that_comes_again_after_a_sale_has_one_effect(stock: StockShop) -> None:
    variant = stock.variants[0]
    request = stock.request(variant, FOUR, FIVE)
    stock.shop.set_faults(lost_answers=1)
    (lost,) = await stock.shop.write_stock(request)
    assert lost.outcome == "postponed" and stock.read(variant) == FOUR
    stock.sell(variant)
    (again,) = await stock.shop.write_stock(request.model_copy(update={"attempt": 2}))
    assert (again.outcome, again.values) == ("applied", stock.values(4))
    assert stock.read(variant) == [3] and stock.count("repeated_writes") == 1


async def test_a_write_that_is_delivered_again_is_repeated_also_where_its_quantity_is_back(stock: StockShop) -> None:
    variant = stock.variants[0]
    request = stock.request(variant, FOUR, FIVE)
    await stock.shop.write_stock(request)
    stock.set(variant, 5)
    (again,) = await stock.shop.write_stock(request)
    assert again.outcome == "applied" and stock.read(variant) == FIVE


async def test_a_write_that_did_not_arrive_is_made_at_the_next_attempt(stock: StockShop) -> None:
    variant = stock.variants[0]
    request = stock.request(variant, FOUR, FIVE)
    stock.shop.set_faults(fail_writes=1)
    assert (await stock.shop.write_stock(request))[0].outcome == "postponed"
    assert (await stock.shop.write_stock(request.model_copy(update={"attempt": 2})))[0].outcome == "applied"
    assert stock.read(variant) == FOUR


async def test_a_write_whose_call_has_failed_before_is_a_conflict_also_where_it_could_be_made(stock: StockShop) -> None:
    variant = stock.variants[0]
    request = stock.request(variant, FOUR, FIVE)
    stock.set(variant, 3)
    await stock.shop.write_stock(request)
    stock.set(variant, 5)
    (again,) = await stock.shop.write_stock(request)
    assert (again.outcome, again.values) == ("conflict", stock.values(5)) and stock.read(variant) == FIVE
    codes = stock.shop.control("GET", "/statistics")["user_errors"]
    assert codes == {"CHANGE_FROM_QUANTITY_STALE": 1, "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED": 1}


async def test_a_write_that_is_still_under_way_is_postponed(stock: StockShop) -> None:
    request = stock.request(stock.variants[0], FOUR, FIVE)
    stock.shop.set_faults(concurrent_writes=1)
    assert (await stock.shop.write_stock(request))[0].outcome == "postponed"
    assert (await stock.shop.write_stock(request.model_copy(update={"attempt": 2})))[0].outcome == "applied"


async def test_a_write_that_has_come_to_mean_something_else_is_for_a_person(stock: StockShop) -> None:
    variant = stock.variants[0]
    request = stock.request(variant, FOUR, FIVE)
    await stock.shop.write_stock(request)
    (other,) = await stock.shop.write_stock(request.model_copy(update={"fields": stock.values(1)}))
    assert (other.outcome, other.reason_code) == ("refused", "ambiguous_write")
    assert stock.read(variant) == FOUR


async def test_a_sale_of_as_many_units_is_not_taken_for_the_write_at_a_later_attempt(stock: StockShop) -> None:
    equal, other = stock.variants[:2]
    stock.sell(equal)
    stock.set(other, 2)
    requests = [stock.request(one, FOUR, FIVE, attempt=2) for one in (equal, other)]
    for _ in range(2):
        results = await stock.shop.write_stock(*requests)
        assert [one.outcome for one in results] == ["conflict"] * 2
        assert [one.values for one in results] == [stock.values(4), stock.values(2)]
    assert [stock.read(one) for one in (equal, other)] == [[4], [2]]


@pytest.mark.parametrize("gid", [GONE, "gid://shopify/Product/1", "12"])
async def test_a_variant_that_is_not_there_is_refused_and_others_are_written(stock: StockShop, gid: str) -> None:
    results = await stock.shop.write_stock(stock.request(gid, FOUR, FIVE), *stock.request_sales(1))
    assert [one.outcome for one in results] == ["refused", "applied"]
    assert results[0].reason_code == "shopify_data" and gid in results[0].message


async def test_stock_that_the_shop_does_not_count_is_refused(stock: StockShop) -> None:
    product = stock.shop.control("GET", "/products?limit=1")["products"][0]
    untracked = {"variants": [{"id": product["variants"][0]["number"], "tracked": False}]}
    stock.shop.control("PATCH", f"/products/{product['number']}", untracked)
    results = await stock.shop.write_stock(*stock.request_sales(2))
    assert [one.outcome for one in results] == ["refused", "applied"]
    assert results[0].reason_code == "shopify_data" and "does not count" in results[0].message
    assert stock.read_first(2) == [5, 4]


async def test_a_location_that_does_not_stock_the_variant_is_refused_and_does_not_begin_to(open_shop: Any) -> None:
    stock = await open_stock(open_shop, locations=2)
    variant = stock.variants[0]
    stock.set(variant, None, location=1)
    (result,) = await stock.shop.write_stock(stock.request(variant, [4, 1], [5, 0]))
    assert (result.outcome, result.reason_code) == ("refused", "shopify_data")
    assert stock.locations[1] in result.message and stock.read(variant) == FIVE


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"gid://shopify/Location/1?x=1": 4}, {"gid://shopify/Location/1?x=1": 5}),
        ({"gid://shopify/Product/1": 4}, {"gid://shopify/Product/1": 5}),
        ({"gid://shopify/Location/1": 4.5}, {"gid://shopify/Location/1": 5}),
        ({"gid://shopify/Location/1": True}, {"gid://shopify/Location/1": 5}),
        ({"gid://shopify/Location/1": 2_000_000_000}, {"gid://shopify/Location/1": 5}),
        ({"gid://shopify/Location/1": 4}, {}),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(stock: StockShop, fields: Any, expected: Any) -> None:
    request = stock.shop.request(stock.variants[0], fields, expected, resource="stock")
    (result,) = await stock.shop.write_stock(request)
    assert (result.outcome, result.reason_code) == ("refused", "shopify_data")
    assert stock.shop.control("GET", "/statistics")["calls"] == 0


async def test_without_the_scope_to_write_stock_nothing_is_sent(open_shop: Any) -> None:
    shop = await open_shop(scopes="write_products,read_inventory,read_locations")
    request = shop.request("gid://shopify/ProductVariant/1", {"gid://shopify/Location/1": 4}, resource="stock")
    (result,) = await shop.write_stock(request)
    assert (result.outcome, result.reason_code) == ("refused", "access_denied")
    assert shop.control("GET", "/statistics")["calls"] == 0


async def test_two_writes_of_one_variant_are_made_one_after_the_other(stock: StockShop) -> None:
    variant = stock.variants[0]
    requests = [stock.request(variant, FOUR, FIVE), stock.request(variant, [3], FOUR)]
    assert [one.outcome for one in await stock.shop.write_stock(*requests)] == ["applied", "applied"]
    assert stock.read(variant) == [3]


async def test_a_write_waits_while_the_one_before_it_is_unknown(stock: StockShop) -> None:
    variant = stock.variants[0]
    first, second = stock.request(variant, FOUR, FIVE), stock.request(variant, [3], FOUR)
    stock.shop.set_faults(lost_answers=1)
    results = await stock.shop.write_stock(first, second, *stock.request_sales(3)[1:])
    assert [one.outcome for one in results] == ["postponed", "postponed", "applied", "applied"]
    again = [one.model_copy(update={"attempt": 2}) for one in (first, second)]
    assert [one.outcome for one in await stock.shop.write_stock(*again)] == ["applied", "applied"]
    assert stock.read(variant) == [3]


async def test_many_writes_are_few_calls_and_one_stale_one_stops_no_other(many: StockShop) -> None:
    requests = many.request_sales(60)
    many.set(many.variants[7], 1)
    results = await many.shop.write_stock(*requests)
    expected = ["conflict" if index == 7 else "applied" for index in range(60)]
    assert [one.outcome for one in results] == expected
    assert results[7].values == many.values(1) and results[8].values == many.values(4)
    assert many.read_first(60) == [1 if index == 7 else 4 for index in range(60)]
    assert (many.count("writes"), many.count("refused_writes")) == (1, 1)
    # Two readings before, one after, and two mutations.
    assert (sum(one.calls for one in results), sum(one.points for one in results)) == (5, 35)


async def test_many_writes_with_a_poisoned_one_are_made_without_it(many: StockShop) -> None:
    product = many.shop.control("GET", "/products?limit=1")["products"][0]
    item = f"gid://shopify/InventoryItem/{product['variants'][0]['item']}"
    many.shop.set_faults(refused_records=[item])
    results = await many.shop.write_stock(*many.request_sales(60))
    assert [one.outcome for one in results] == ["refused"] + ["applied"] * 59
    assert "Record is invalid" in results[0].message
    assert many.read_first(60) == [5] + [4] * 59


@pytest.mark.parametrize("has_payload", [True, False])
async def test_many_writes_that_an_error_without_a_name_refuses_are_made_in_halves(has_payload: bool) -> None:
    variants = [f"gid://shopify/ProductVariant/{number}" for number in range(40)]
    session = FakeSession("gid://shopify/InventoryItem/7", has_payload=has_payload)
    unknown: list[UnknownOutcomeError] = []
    requests = [build_request(one) for one in variants]
    outcomes = {one.record: one.outcome async for one in write_stock(session, requests, unknown)}  # type: ignore[arg-type]
    assert outcomes == {one: "refused" if one == variants[7] else "applied" for one in variants}
    assert unknown == [] and len(session.keys) == len({*session.keys}) <= 13


async def test_many_writes_whose_answer_is_lost_are_sent_again_at_once_and_have_one_effect(many: StockShop) -> None:
    many.shop.set_faults(lost_answers=2)
    results = await many.shop.write_stock(*many.request_sales(40))
    assert {one.outcome for one in results} == {"applied"}
    assert many.read_first(40) == [4] * 40
    assert (many.count("writes"), many.count("repeated_writes")) == (1, 2)


async def test_many_writes_that_are_still_under_way_are_asked_about_again(many: StockShop) -> None:
    many.shop.set_faults(concurrent_writes=1)
    assert {one.outcome for one in await many.shop.write_stock(*many.request_sales(30))} == {"applied"}
    assert many.count("writes") == 1


async def test_many_writes_of_which_nothing_is_heard_are_found_made_one_by_one(many: StockShop) -> None:
    requests = many.request_sales(40)
    many.shop.set_faults(lost_answers=4)
    assert {one.outcome for one in await many.shop.write_stock(*requests)} == {"postponed"}
    many.sell(many.variants[3])
    again = [one.model_copy(update={"attempt": 2}) for one in requests]
    results = await many.shop.write_stock(*again)
    # Of the one that was sold meanwhile nothing tells whether it had been written.
    expected = [("refused", "ambiguous_write") if index == 3 else ("applied", None) for index in range(40)]
    assert [(one.outcome, one.reason_code) for one in results] == expected
    assert many.read_first(40) == [3 if index == 3 else 4 for index in range(40)]


async def test_many_writes_that_are_delivered_again_in_another_company_have_one_effect(many: StockShop) -> None:
    """The process was killed before it published results: Kafka delivers the same attempts, and others with them."""
    requests = many.request_sales(45)
    await many.shop.write_stock(*requests[:30])
    results = await many.shop.write_stock(*requests)
    assert {one.outcome for one in results} == {"applied"}
    assert many.read_first(45) == [4] * 45


async def test_a_few_equal_sales_of_others_are_not_taken_for_a_lost_call(many: StockShop) -> None:
    for variant in many.variants[:2]:
        many.sell(variant)
    results = await many.shop.write_stock(*many.request_sales(30))
    assert [one.outcome for one in results] == ["conflict"] * 2 + ["applied"] * 28


async def test_equal_sales_among_many_others_are_not_taken_for_a_lost_call(many: StockShop) -> None:
    for variant in many.variants[:3]:
        many.sell(variant)
    for variant in many.variants[3:10]:
        many.set(variant, 1)
    results = await many.shop.write_stock(*many.request_sales(30))
    assert [one.outcome for one in results] == ["conflict"] * 10 + ["applied"] * 20


async def test_writes_that_were_tried_before_are_calls_of_their_own(many: StockShop) -> None:
    requests = many.request_sales(24)
    requests[:3] = [one.model_copy(update={"attempt": 2}) for one in requests[:3]]
    assert {one.outcome for one in await many.shop.write_stock(*requests)} == {"applied"}
    assert many.count("writes") == 4


async def test_other_writes_leave_points_to_stock(stock: StockShop) -> None:
    products = [stock.shop.make_product() for _ in range(30)]
    stock.shop.set_faults(restore_rate=1)
    counts = " ".join(f"c{number}: productsCount {{ count }}" for number in range(92))
    for _ in range(2):
        stock.shop.execute(f"{{ {counts} }}")
    others = await stock.shop.write(
        *[stock.shop.request(one["gid"], {"title": "Cup"}, {"title": "Mug"}) for one in products]
    )
    assert {one.outcome for one in others} == {"applied", "postponed"}
    (result,) = await stock.shop.write_stock(*stock.request_sales(1))
    assert result.outcome == "applied"
