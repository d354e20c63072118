"""The registry of all shops: creates and edits shops, stores the changes and dispatches the webhooks."""

from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

from sandbox.deliveries import Delivery
from sandbox.shopify import grants, model, rate_limit, stored_records, webhook_payloads, webhooks
from sandbox.shopify.change_set import ChangeSet
from sandbox.shopify.faults import Faults
from sandbox.shopify.generator import Recipe, generate_shop
from sandbox.shopify.mutations.media import schedule_processing
from sandbox.shopify.shops import Shop
from sandbox.shopify.store import ShopStore, dump_subscriptions
from sandbox.shopify.tenants import Tenant
from sandbox.shopify.webhooks import Subscription, Subscriptions

T = TypeVar("T")
_INITIAL_SHOPS = (
    Recipe(shop="sandbox-books.myshopify.com", seed=1),
    Recipe(shop="sandbox-garden.myshopify.com", seed=2, products=120),
    Recipe(shop="sandbox-shoes.myshopify.com", seed=3, products=60, variants=12),
)
"""The shops of a sandbox that is started for the first time."""


class ShopRegistry:
    """Holds every shop by domain. All methods may be called in any thread.

    `dispatch` is called with the webhook deliveries of a change after the change is stored.
    """

    def __init__(self, store: ShopStore, dispatch: Callable[[list[Delivery]], None]) -> None:
        self._store = store
        self._dispatch = dispatch
        self._lock = Lock()
        self._tenants: dict[str, Tenant] = {}

    def load_shops_and_deliveries(self) -> list[Delivery]:
        """Load every stored shop, and return the stored webhook deliveries that are still pending.

        When none is stored, the initial shops are created.
        """
        for row in self._store.load_shops():
            recipe = Recipe(**row["recipe"])
            shop = generate_shop(recipe)
            if row["profile"]:
                shop.profile = model.Profile(**row["profile"])
            for kind, number, body in self._store.load_records(shop.domain):
                _restore_record(shop, kind, number, body)
            tenant = self._build_tenant(recipe, shop, row)
            self._tenants[shop.domain] = tenant
            _resume_processing(tenant)
        if not self._tenants:
            for initial in _INITIAL_SHOPS:
                self.get_or_create_shop(initial)
        return self._store.load_pending_deliveries()

    def list_tenants(self) -> list[Tenant]:
        """List all shops, sorted by domain."""
        return [self._tenants[domain] for domain in sorted(self._tenants)]

    def find_shop(self, domain: str) -> Tenant | None:
        """Return the shop with the domain, or None if it does not exist."""
        return self._tenants.get(domain)

    def get_or_create_shop(self, recipe: Recipe) -> tuple[Tenant, bool]:
        """Return the shop that `recipe` describes, and whether it is new.

        Raises ValueError if a shop with the same domain exists and has another recipe.
        """
        with self._lock:
            existing = self._tenants.get(recipe.shop)
            if existing is None:
                tenant = self._build_tenant(recipe, generate_shop(recipe), {})
                self._store.add_shop(recipe.shop, recipe.model_dump())
                self._tenants[recipe.shop] = tenant
                return tenant, True
        if existing.recipe != recipe:
            raise ValueError(f"{recipe.shop} exists with other parameters")
        return existing, False

    def apply_edit(self, tenant: Tenant, edit: Callable[[Shop, ChangeSet], T]) -> T:
        """Call `edit` while the lock of the shop is held, store its changes and send their webhooks.

        Returns what `edit` returns.
        """
        changes = self.start_change_set(tenant)
        with tenant.shop.lock:
            result = edit(tenant.shop, changes)
            self.commit_changes_and_notify(tenant, changes)
        return result

    def start_change_set(self, tenant: Tenant) -> ChangeSet:
        """Create an empty change set, which collects the changed records and the webhooks of one edit of the shop."""
        return ChangeSet(tenant.subscriptions.list_topics(), tenant.faults.inventory_touches_product)

    def commit_changes_and_notify(self, tenant: Tenant, changes: ChangeSet) -> None:
        """Store the records in `changes` and dispatch its webhooks. The caller holds the lock of the shop."""
        deliveries = [
            delivery
            for topic, payload in changes.events
            for delivery in webhooks.build_deliveries(
                tenant.shop.domain, tenant.subscriptions.list_by_topic(topic), tenant.faults, topic, payload
            )
        ]
        self._store.save_changes(tenant.shop.profile, changes.records, deliveries)
        tenant.statistics.events.update(topic for topic, _ in changes.events)
        if deliveries:
            self._dispatch(deliveries)

    def apply_due_work(self, tenant: Tenant) -> None:
        """Do what is due of the work of a shop in the background, store it and send its webhooks."""
        for work in tenant.work.take_due():
            self.apply_edit(tenant, work)

    def uninstall(self, tenant: Tenant) -> None:
        """Remove the app from a shop: delete its tokens, send app/uninstalled, then delete its subscriptions."""

        def add_uninstalled_event(shop: Shop, changes: ChangeSet) -> None:
            changes.events.append(("APP_UNINSTALLED", webhook_payloads.build_shop(shop.profile)))

        tenant.grants.uninstall()
        self.save_grants(tenant)
        self.apply_edit(tenant, add_uninstalled_event)
        tenant.subscriptions.clear()

    def save_grants(self, tenant: Tenant) -> None:
        """Store the current grants of a shop: the app's scopes, codes and tokens."""
        self._store.write_column(tenant.shop.domain, "grants", tenant.grants.dump())

    def set_faults(self, tenant: Tenant, faults: Faults) -> None:
        """Replace the faults of a shop, and store them."""
        tenant.apply_faults(faults)
        self._store.write_column(tenant.shop.domain, "faults", faults.model_dump(mode="json"))

    def record_attempt(self, delivery: Delivery) -> None:
        """Store and count the state of a webhook delivery after an attempt to send it.

        If the last possible attempt failed, the webhook subscription is deleted.
        """
        self._store.update_or_delete_delivery(delivery)
        tenant = self._tenants.get(delivery.shop)
        if tenant is None:
            return
        tenant.statistics.deliveries["failed_attempts" if delivery.status == "pending" else delivery.status] += 1
        if delivery.status == "failed":
            tenant.subscriptions.delete(delivery.subscription)

    def _build_tenant(self, recipe: Recipe, shop: Shop, row: dict[str, Any]) -> Tenant:
        """Build the tenant: `shop` together with its rate limit and the stored subscriptions, grants and faults.

        `row` is the stored state of the shop; it is empty for a new shop.
        """

        def save_subscriptions(subscriptions: list[Subscription]) -> None:
            self._store.write_column(shop.domain, "subscriptions", dump_subscriptions(subscriptions))
            self._store.save_changes(shop.profile, {}, ())

        stored = [Subscription(**body) for body in row.get("subscriptions") or ()]
        tenant = Tenant(
            recipe,
            shop,
            rate_limit.build_bucket(recipe.plan),
            grants.load_grants(row["grants"]) if row.get("grants") else grants.Grants(),
            Subscriptions(stored, shop.allocate_number, save_subscriptions),
        )
        if row.get("faults"):
            tenant.apply_faults(Faults(**row["faults"]))
        return tenant


def _resume_processing(tenant: Tenant) -> None:
    """Let those media be processed that were not when the sandbox last stopped."""
    for product in tenant.shop.products:
        for media in product.media:
            if media.status not in ("READY", "FAILED"):
                schedule_processing(tenant.work.schedule, tenant.faults, product.number, media)


def _restore_record(shop: Shop, kind: str, number: int, body: dict[str, Any] | None) -> None:
    """Put a stored record into the generated shop. If `body` is None, delete the generated record instead."""
    tables: dict[str, Any] = {
        "collection": shop.collections, "discount": shop.discounts, "location": shop.locations,
        "definition": shop.definitions,
    }  # fmt: skip
    record = stored_records.load_record(kind, body) if body is not None else None
    if kind != "product":
        tables[kind].put(record) if record is not None else tables[kind].remove(number)
    elif isinstance(record, model.Product):
        shop.put_product(record)
    else:
        shop.remove_product(number)
    shop.invalidate_memberships()
