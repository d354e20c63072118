"""All shops of the sandbox: making them, changing them, and seeing to it that a change is kept and told."""

import random
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from typing import Any, TypeVar

import orjson

from sandbox.deliveries import Delivery
from sandbox.shopify import grants, model, rate_limit, webhook_payloads
from sandbox.shopify.edits import Ledger
from sandbox.shopify.faults import Faults
from sandbox.shopify.generator import Recipe, generate
from sandbox.shopify.shops import Shop
from sandbox.shopify.store import Store, dump_subscriptions
from sandbox.shopify.tenants import Tenant
from sandbox.shopify.webhooks import Subscription, Subscriptions

T = TypeVar("T")
LATEST = "2026-10"


class World:
    """Every shop. `deliver` is given the webhooks of a change once they are written; methods may be called in any
    thread.
    """

    def __init__(self, store: Store, deliver: Callable[[list[Delivery]], None]) -> None:
        self._store = store
        self._deliver = deliver
        self._lock = Lock()
        self._tenants: dict[str, Tenant] = {}

    def load(self) -> list[Delivery]:
        """Make every stored shop again; the webhooks that were pending when the process ended."""
        for row in self._store.shops():
            recipe = Recipe(**row["recipe"])
            shop = generate(recipe)
            if row["profile"]:
                shop.profile = model.Profile(**row["profile"])
            for kind, number, body in self._store.records(shop.domain):
                _restore(shop, kind, number, body)
            self._tenants[shop.domain] = self._tenant(recipe, shop, row)
        return self._store.pending()

    def tenants(self) -> list[Tenant]:
        """All shops, by domain."""
        return [self._tenants[domain] for domain in sorted(self._tenants)]

    def get(self, domain: str) -> Tenant | None:
        """The shop with that domain."""
        return self._tenants.get(domain)

    def create(self, recipe: Recipe) -> tuple[Tenant, bool]:
        """The shop that `recipe` describes, and whether it is new. Raises ValueError if it is there by another
        recipe.
        """
        with self._lock:
            found = self._tenants.get(recipe.shop)
            if found is None:
                made = self._tenant(recipe, generate(recipe), {})
                self._store.add_shop(recipe.shop, recipe.model_dump())
                self._tenants[recipe.shop] = made
                return made, True
        if found.recipe != recipe:
            raise ValueError(f"{recipe.shop} exists with other parameters")
        return found, False

    def change(self, tenant: Tenant, edit: Callable[[Shop, Ledger], T]) -> T:
        """Apply `edit` with the shop's lock held, keep what it changed, and send what it fires."""
        ledger = self.ledger(tenant)
        with tenant.shop.lock:
            result = edit(tenant.shop, ledger)
            self.keep(tenant, ledger)
        return result

    def ledger(self, tenant: Tenant) -> Ledger:
        """A ledger for one edit of that shop."""
        return Ledger(tenant.subscriptions.topics(), tenant.faults.inventory_touches_product)

    def keep(self, tenant: Tenant, ledger: Ledger) -> None:
        """Write what is in `ledger`, and hand its webhooks over for delivery. The shop's lock is held."""
        deliveries = [d for topic, payload in ledger.events for d in _deliveries(tenant, topic, payload)]
        self._store.save(tenant.shop.profile, ledger.saved, deliveries)
        tenant.statistics.events.update(topic for topic, _ in ledger.events)
        if deliveries:
            self._deliver(deliveries)

    def uninstall(self, tenant: Tenant) -> None:
        """The merchant removes the app: tokens die, then app/uninstalled goes out, then subscriptions are gone."""

        def say(shop: Shop, ledger: Ledger) -> None:
            ledger.events.append(("APP_UNINSTALLED", webhook_payloads.shop(shop.profile)))

        tenant.grants.uninstall()
        self.save_grants(tenant)
        self.change(tenant, say)
        tenant.subscriptions.clear()

    def save_grants(self, tenant: Tenant) -> None:
        """Keep the shop's grants as they are now."""
        self._store.set(tenant.shop.domain, "grants", tenant.grants.dump())

    def misbehave(self, tenant: Tenant, faults: Faults) -> None:
        """Give the shop other faults, and keep them."""
        tenant.misbehave(faults)
        self._store.set(tenant.shop.domain, "faults", faults.model_dump())

    def settle(self, delivery: Delivery) -> None:
        """An attempt at a delivery was made: keep how it went; after the last one in vain the subscription goes."""
        self._store.settle(delivery)
        tenant = self._tenants.get(delivery.shop)
        if tenant is None:
            return
        tenant.statistics.deliveries["failed_attempts" if delivery.status == "pending" else delivery.status] += 1
        if delivery.status == "failed":
            tenant.subscriptions.delete(delivery.subscription)

    def _tenant(self, recipe: Recipe, shop: Shop, row: dict[str, Any]) -> Tenant:
        def changed(subscriptions: list[Subscription]) -> None:
            self._store.set(shop.domain, "subscriptions", dump_subscriptions(subscriptions))
            self._store.save(shop.profile, {}, ())

        found = [Subscription(**body) for body in row.get("subscriptions") or ()]
        granted = grants.revive(row["grants"]) if row.get("grants") else grants.Grants()
        tenant = Tenant(
            recipe, shop, rate_limit.for_plan(recipe.plan), granted, Subscriptions(found, shop.next_number, changed)
        )
        if row.get("faults"):
            tenant.misbehave(Faults(**row["faults"]))
        return tenant


def _restore(shop: Shop, kind: str, number: int, body: dict[str, Any] | None) -> None:
    tables: dict[str, Any] = {
        "collection": shop.collections, "discount": shop.discounts, "location": shop.locations,
    }  # fmt: skip
    record = model.revive(kind, body) if body is not None else None
    if kind != "product":
        tables[kind].put(record) if record is not None else tables[kind].remove(number)
    elif isinstance(record, model.Product):
        shop.put_product(record)
    else:
        shop.remove_product(number)
    shop.changed_membership()


def _deliveries(tenant: Tenant, topic: str, payload: dict[str, Any]) -> list[Delivery]:
    """One delivery to each subscription, or what the shop's faults make of it."""
    faults = tenant.faults
    event, at = str(uuid.uuid4()), datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "000Z")
    body = orjson.dumps(payload)
    made = []
    for subscription in tenant.subscriptions.to(topic):
        delivery = Delivery(
            str(uuid.uuid4()), tenant.shop.domain, subscription.number, topic, subscription.uri,
            _included(payload, subscription, body), event, at, faults.version or LATEST,
        )  # fmt: skip
        delivery.due = time.time() + faults.webhooks_delayed_seconds
        if faults.webhooks_reordered:
            delivery.due += random.random() * 2
        if faults.webhooks_off or random.random() < faults.webhooks_dropped:
            delivery.status = "dropped"
        made.append(delivery)
        made.extend(_copy(delivery) for _ in range(faults.webhooks_duplicated))
    return made


def _included(payload: dict[str, Any], subscription: Subscription, body: bytes) -> bytes:
    if not subscription.include_fields:
        return body
    return orjson.dumps({name: payload[name] for name in subscription.include_fields if name in payload})


def _copy(delivery: Delivery) -> Delivery:
    return Delivery(
        delivery.id, delivery.shop, delivery.subscription, delivery.topic, delivery.uri, delivery.body, delivery.event,
        delivery.triggered_at, delivery.api_version, delivery.due, status=delivery.status,
    )  # fmt: skip
