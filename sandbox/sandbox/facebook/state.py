"""The state of the simulated Facebook. Edits of Facebook Pages are stored first and then reported by webhooks.

All methods must be called in the thread of the event loop.
"""

import random
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sandbox.deliveries import Delivery
from sandbox.facebook import edits, generator, webhooks
from sandbox.facebook.faults import Faults
from sandbox.facebook.graph_schema import VERSIONS
from sandbox.facebook.model import AppSettings, AppSubscription, Code, Limits, Page, Person
from sandbox.facebook.statistics import Statistics
from sandbox.facebook.store import FacebookStore
from sandbox.facebook.tokens import TokenRegistry
from sandbox.facebook.usage import Usage

_INITIAL_PAGES = 3


class FacebookState:
    """The state of the simulated Facebook: the users, their Facebook Pages and the one app.

    `deliver` is called with the webhook deliveries of a change after they are stored. `callback_urls` has values for
    those settings of the app that are callback URLs, by the setting's name. They replace the stored values.
    """

    def __init__(
        self, app_id: str, secret: str, store: FacebookStore, deliver: Callable[[list[Delivery]], None],
        callback_urls: dict[str, str],
    ) -> None:  # fmt: skip
        self.app_id, self.secret = app_id, secret
        self._store = store
        self._deliver = deliver
        settings = store.load_settings()
        self.app = AppSettings(**{**settings.get("app", {}), **callback_urls})
        self.faults = Faults(**settings.get("faults", {}))
        self.usage = Usage(Limits(**settings.get("limits", {})))
        self.statistics = Statistics()
        subscription = settings.get("subscription")
        self.subscription = AppSubscription(**subscription) if subscription else None
        self.people = {person.id: person for person in store.load_people()}
        self.pages = {page.id: page for page in store.load_pages()}
        stored_codes = {text: Code(**code) for text, code in settings.get("codes", {}).items()}
        self.tokens = TokenRegistry(
            store.load_tokens(), stored_codes, lambda tokens: store.save(tokens=tokens),
            lambda codes: store.save_setting("codes", {text: asdict(code) for text, code in codes.items()}),
        )  # fmt: skip
        if not self.people:
            self.ensure_generated_pages(self.add_person("Sandbox User"), _INITIAL_PAGES, 0)

    def add_person(self, name: str) -> Person:
        """Add a user without Facebook Pages."""
        person = Person(generator.generate_person_id(len(self.people)), name)
        self.people[person.id] = person
        self._store.save(people=[person])
        return person

    def ensure_generated_pages(self, owner: Person, count: int, seed: int) -> list[Page]:
        """Add the first `count` Facebook Pages that the seed generates for the owner, and return them.

        Those that exist already stay unchanged.
        """
        pages = [generator.generate_page(owner.id, seed, index) for index in range(count)]
        new_pages = [page for page in pages if page.id not in self.pages]
        self.pages |= {page.id: page for page in new_pages}
        self._store.save(pages=new_pages)
        return [self.pages[page.id] for page in pages]

    def list_undeleted_pages(self, person: Person) -> list[Page]:
        """List the user's Facebook Pages that are not deleted."""
        return [page for page in self.pages.values() if page.owner == person.id and not page.gone]

    def save(self, *, people: Iterable[Person] = (), pages: Iterable[Page] = ()) -> None:
        """Store changed users and Facebook Pages without sending webhooks."""
        self._store.save(people=people, pages=pages)

    def apply_edits_and_notify(self, page_edits: list[tuple[Page, dict[str, Any]]]) -> None:
        """Apply all edits together, store them, and send their webhooks in batches.

        Each edit is a Facebook Page and the new values by field. Raises ValueError, and changes nothing, if one of the
        fields cannot be set.
        """
        for _, values in page_edits:
            edits.check_values(values)
        entries = []
        for page, values in page_edits:
            changes = edits.edit_and_build_webhook_changes(page, values)
            self.statistics.changes.update(changes.keys())
            values_to_report = {name: value for name, value in changes.items() if self._is_subscribed(page, name)}
            if values_to_report and self.subscription is not None:
                entries.append(webhooks.build_entry(page.id, values_to_report, self.subscription))
        self.statistics.entries += len(entries)
        deliveries = self._build_deliveries(entries)
        self._store.save(pages={page.id: page for page, _ in page_edits}.values(), deliveries=deliveries)
        self._deliver(deliveries)

    def set_subscription(self, subscription: AppSubscription | None) -> None:
        """Replace the app's webhook subscription, or remove it with None."""
        self.subscription = subscription
        self._store.save_setting("subscription", asdict(subscription) if subscription is not None else None)

    def set_app_settings(self, settings: AppSettings) -> None:
        """Replace the app's settings."""
        self.app = settings
        self._store.save_setting("app", settings)

    def set_faults(self, faults: Faults) -> None:
        """Replace all faults, the failures that are switched on, and store them."""
        self.faults = faults
        self._store.save_setting("faults", faults)

    def set_limits_and_reset_counts(self, limits: Limits) -> None:
        """Replace the rate limits, and reset the counts of the calls made so far to zero."""
        self.usage.set_limits_and_reset_counts(limits)
        self._store.save_setting("limits", limits)

    def remove_app(self, person: Person) -> None:
        """Remove the app's access to a user: permissions, tokens, and subscriptions of the user's Facebook Pages."""
        self.tokens.revoke_tokens(458, person=person.id)
        person.permissions, person.ticked = {}, []
        pages = [page for page in self.pages.values() if page.owner == person.id]
        for page in pages:
            page.subscribed = None
        self._store.save(people=[person], pages=pages)

    def record_attempt(self, delivery: Delivery) -> None:
        """Store the status of a webhook delivery after an attempt to send it, and count the attempt by its outcome."""
        self._store.update_or_delete_delivery(delivery)
        self.statistics.deliveries["failed_attempts" if delivery.status == "pending" else delivery.status] += 1

    def load_pending_deliveries(self) -> list[Delivery]:
        """Load the stored deliveries that are still pending, ordered by due time."""
        return self._store.load_pending_deliveries()

    def _is_subscribed(self, page: Page, field: str) -> bool:
        if self.subscription is None or page.gone:
            return False
        return field in self.subscription.fields and field in (page.subscribed or ())

    def _build_deliveries(self, entries: list[webhooks.Entry]) -> list[Delivery]:
        """Pack webhook entries, each of which reports the changes of one Facebook Page, into deliveries.

        The faults may drop, duplicate or delay deliveries. Without a subscription of the app there are none.
        """
        if self.subscription is None:
            return []
        faults, deliveries = self.faults, []
        for pages, body in webhooks.pack_entries(entries):
            triggered_at = datetime.now(UTC).isoformat(timespec="milliseconds")
            for _ in range(1 + faults.webhooks_duplicated):
                delivery = Delivery(
                    str(uuid.uuid4()), "facebook", 0, "page", self.subscription.callback_url, body, "", triggered_at,
                    VERSIONS[-1], pages=pages,
                )  # fmt: skip
                delivery.due = time.time() + faults.webhooks_delayed_seconds
                if faults.webhooks_off or random.random() < faults.webhooks_dropped:
                    delivery.status = "dropped"
                deliveries.append(delivery)
        return deliveries
