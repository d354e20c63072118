"""Everything on the sandbox's Facebook, and seeing to it that a change is kept and told. For the loop's thread only."""

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
from sandbox.facebook.store import GraphStore
from sandbox.facebook.tokens import Tokens
from sandbox.facebook.usage import Usage

_PAGES = 3


class Facebook:
    """The people, their pages and the one app. `deliver` is given the webhooks of a change once they are written;
    `callbacks` are settings of the app that hold from the start, whatever was set before.
    """

    def __init__(
        self, app_id: str, secret: str, store: GraphStore, deliver: Callable[[list[Delivery]], None],
        callbacks: dict[str, str],
    ) -> None:  # fmt: skip
        self.app_id, self.secret = app_id, secret
        self._store = store
        self._deliver = deliver
        kept = store.settings()
        self.app = AppSettings(**{**kept.get("app", {}), **callbacks})
        self.faults = Faults(**kept.get("faults", {}))
        self.usage = Usage(Limits(**kept.get("limits", {})))
        self.statistics = Statistics()
        subscription = kept.get("subscription")
        self.subscription = AppSubscription(**subscription) if subscription else None
        self.people = {person.id: person for person in store.people()}
        self.pages = {page.id: page for page in store.pages()}
        codes = {text: Code(**code) for text, code in kept.get("codes", {}).items()}
        self.tokens = Tokens(
            store.tokens(), codes, lambda changed: store.save(tokens=changed),
            lambda all_: store.set("codes", {text: asdict(code) for text, code in all_.items()}),
        )  # fmt: skip
        if not self.people:
            self.add_pages(self.add_person("Sandbox User"), _PAGES, 0)

    def add_person(self, name: str) -> Person:
        """Somebody new, without pages."""
        made = Person(generator.person_id(len(self.people)), name)
        self.people[made.id] = made
        self._store.save(people=[made])
        return made

    def add_pages(self, owner: Person, count: int, seed: int) -> list[Page]:
        """`count` pages of that seed; those that are there already stay as they are."""
        made = [generator.page(owner.id, seed, index) for index in range(count)]
        new = [page for page in made if page.id not in self.pages]
        self.pages |= {page.id: page for page in new}
        self._store.save(pages=new)
        return [self.pages[page.id] for page in made]

    def pages_of(self, person: Person) -> list[Page]:
        """The person's pages that are not gone."""
        return [page for page in self.pages.values() if page.owner == person.id and not page.gone]

    def keep(self, *, people: Iterable[Person] = (), pages: Iterable[Page] = ()) -> None:
        """Write what was changed without anybody being told."""
        self._store.save(people=people, pages=pages)

    def change(self, wanted: list[tuple[Page, dict[str, Any]]]) -> None:
        """Make all these edits at once; what they fire goes out in batches. Raises ValueError, and changes nothing,
        if a field cannot be set.
        """
        for _, values in wanted:
            edits.check(values)
        entries = []
        for page, values in wanted:
            said = edits.edit(page, values)
            self.statistics.changes.update(said.keys())
            heard = {name: value for name, value in said.items() if self._hears(page, name)}
            if heard and self.subscription is not None:
                entries.append(webhooks.entry(page.id, heard, self.subscription))
        self.statistics.entries += len(entries)
        deliveries = self._deliveries(entries)
        self._store.save(pages={page.id: page for page, _ in wanted}.values(), deliveries=deliveries)
        self._deliver(deliveries)

    def subscribe(self, subscription: AppSubscription | None) -> None:
        """The app's subscription from now on."""
        self.subscription = subscription
        self._store.set("subscription", asdict(subscription) if subscription is not None else None)

    def configure(self, settings: AppSettings) -> None:
        """The app's settings from now on."""
        self.app = settings
        self._store.set("app", settings)

    def misbehave(self, faults: Faults) -> None:
        """These faults and no others."""
        self.faults = faults
        self._store.set("faults", faults)

    def limit(self, limits: Limits) -> None:
        """These budgets, unused."""
        self.usage.limit(limits)
        self._store.set("limits", limits)

    def remove_app(self, person: Person) -> None:
        """The person takes everything back from the app: permissions, tokens, the pages' subscriptions."""
        self.tokens.revoke(458, person=person.id)
        person.permissions, person.ticked = {}, []
        pages = [page for page in self.pages.values() if page.owner == person.id]
        for page in pages:
            page.subscribed = None
        self._store.save(people=[person], pages=pages)

    def settle(self, delivery: Delivery) -> None:
        """An attempt at a delivery was made: keep how it went."""
        self._store.settle(delivery)
        self.statistics.deliveries["failed_attempts" if delivery.status == "pending" else delivery.status] += 1

    def pending(self) -> list[Delivery]:
        """The webhooks that were pending when the process ended."""
        return self._store.pending()

    def _hears(self, page: Page, field: str) -> bool:
        if self.subscription is None or page.gone:
            return False
        return field in self.subscription.fields and field in (page.subscribed or ())

    def _deliveries(self, entries: list[webhooks.Entry]) -> list[Delivery]:
        """Packed as Facebook packs them, or what the faults make of it."""
        if self.subscription is None:
            return []
        faults, made = self.faults, []
        for pages, body in webhooks.packed(entries):
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            for _ in range(1 + faults.webhooks_duplicated):
                delivery = Delivery(
                    str(uuid.uuid4()), "facebook", 0, "page", self.subscription.callback_url, body, "", at,
                    VERSIONS[-1], pages=pages,
                )  # fmt: skip
                delivery.due = time.time() + faults.webhooks_delayed_seconds
                if faults.webhooks_off or random.random() < faults.webhooks_dropped:
                    delivery.status = "dropped"
                made.append(delivery)
        return made
