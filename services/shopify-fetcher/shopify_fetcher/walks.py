"""Walking a whole shop: resource by resource, window by window, ids by keyset and bodies by the ids."""

from collections.abc import AsyncGenerator
from dataclasses import replace

from connector.source import Checkpoint, FullReadEnd, FullReadStep, RangeEnd, RecordBatch
from contracts.events import Record
from platform_sdk.errors import PermanentError
from shopify_fetcher.answers import Denied
from shopify_fetcher.bodies import Bodies, Read, read_shop
from shopify_fetcher.conversation import Conversation
from shopify_fetcher.cursors import END, WalkPlace
from shopify_fetcher.reads import continued
from shopify_fetcher.scopes import COME_ALONG, NEEDS, refusal
from shopify_fetcher.windows import KEYSETS, Listed, count, list_ids, list_locations, open_window


class Walk:
    """One walk in one conversation, from a place to its end."""

    def __init__(self, talk: Conversation, place: WalkPlace) -> None:
        self._talk = talk
        self._bodies = Bodies(talk)
        self._place = place

    async def steps(self) -> AsyncGenerator[FullReadStep, None]:
        """All that is found, with places where a later walk can go on; markers at the ends of windows and walk.

        What is denied because scopes have changed is asked for by the new ones, or left out.
        """
        while self._place.resource != END:
            try:
                async for step in self._next_window():
                    yield step
            except Denied:
                if not await self._talk.new_scopes():
                    raise
        if not self._place.alone:
            yield self._walk_done()

    async def _next_window(self) -> AsyncGenerator[FullReadStep, None]:
        """This window to its end with its marker, or nothing where it may not be read any more."""
        if self._talk.may(self._place.resource):
            self._note_left()
            if not self._place.opened:
                await self._open()
                yield self._reached()
            async for step in self._window():
                yield step
            yield await self._window_done()
            self._place = self._place.after_window(self._scopes)
        elif self._place.alone:
            raise PermanentError(refusal(self._place.resource, self._scopes))
        else:
            self._place = self._place.after_leaving(self._scopes)
        if self._place.resource != END:
            yield self._reached()

    @property
    def _scopes(self) -> frozenset[str]:
        return self._talk.errand.token.scopes

    def _note_left(self) -> None:
        """What should come with this resource's records and may not, even for a part of them, is left out."""
        for resource in COME_ALONG.get(self._place.resource, ()):
            if not self._talk.may(resource):
                self._place = self._place.without(resource, self._scopes)

    async def _open(self) -> None:
        """Bound the window and count it; one that is walked again keeps its bounds."""
        place = self._place
        keyset = KEYSETS.get(place.resource)
        high, before = place.high, None
        if keyset is not None and place.alone:
            before = await count(self._talk, keyset, place.low, place.high)
        elif keyset is not None:
            high, before = await open_window(self._talk, keyset, place.low)
        self._place = replace(place, opened=True, high=high, before=before)

    async def _window(self) -> AsyncGenerator[FullReadStep, None]:
        if self._place.resource == "shop":
            yield await self._shop()
            return
        more = True
        while more:
            async for step in self._chains():
                yield step
            listed = await self._listed()
            async for step in self._page(listed):
                yield step
            more = listed.more
        async for step in self._chains():
            yield step

    async def _shop(self) -> RecordBatch:
        record = await read_shop(self._talk)
        place = self._place
        self._place = replace(place, sent=1, started_at=place.started_at or record.read_at)
        return self._batch((record,))

    async def _listed(self) -> Listed:
        place = self._place
        if place.resource == "locations":
            return await list_locations(self._talk, place.at)
        after = int(place.at) if place.at is not None else place.low
        return await list_ids(self._talk, KEYSETS[place.resource], after, place.high)

    async def _page(self, listed: Listed) -> AsyncGenerator[FullReadStep, None]:
        """Read the bodies of a page of ids; each batch's chains are gone through before the next."""
        passed = said = 0
        while passed < len(listed.ids):
            read = await self._bodies.read(self._place.resource, listed.ids[passed:])
            _raise_for_unread(read)
            yield self._batch(tuple(read.built.records))
            passed += read.count
            at = listed.places[passed - 1]
            chains = (*self._place.chains, *read.built.chains)
            if at is None:
                self._place = replace(self._place, chains=chains)
                continue
            self._place = replace(self._place, at=at, sent=self._place.sent + passed - said, chains=chains)
            said = passed
            yield self._reached()
            async for step in self._chains():
                yield step

    async def _chains(self) -> AsyncGenerator[FullReadStep, None]:
        while self._place.chains:
            read, chains = await continued(self._talk, self._bodies, self._place.chains)
            _raise_for_unread(read)
            self._place = replace(self._place, chains=chains)
            yield self._batch(tuple(read.built.records))
            yield self._reached()

    async def _window_done(self) -> RangeEnd:
        place = self._place
        keyset = KEYSETS.get(place.resource)
        after = await count(self._talk, keyset, place.low, place.high) if keyset is not None else None
        return RangeEnd(
            resource=place.resource,
            id_range=place.window,
            attempt=place.attempt,
            retry_cursor=place.again().encoded(),
            sent_count=place.sent,
            count_before=place.before,
            count_after=after,
        )

    def _walk_done(self) -> FullReadEnd:
        """What was walked and what was not: every resource is either walked, or came along, or is left out."""
        walked, left = dict(self._place.done), dict(self._place.left)
        along = [r for resource in walked for r in COME_ALONG.get(resource, ()) if r not in left]
        return FullReadEnd(
            id_ranges=tuple((resource, window) for resource, windows in walked.items() for window in range(windows)),
            started_at=self._place.started_at or 0,
            child_resources=tuple(along),
            skipped_resources={
                resource: left[resource] for resource in NEEDS if resource not in walked and resource not in along
            },
        )

    def _batch(self, records: tuple[Record, ...]) -> RecordBatch:
        self._note_left()
        return RecordBatch(self._place.resource, records, self._place.window, self._place.attempt)

    def _reached(self) -> Checkpoint:
        return Checkpoint(self._place.encoded())


def _raise_for_unread(read: Read) -> None:
    """A walk that cannot read a record fails by its name; where the error may pass, it is tried again as a whole."""
    for unread in read.unread:
        reason = f"{unread.id}: {unread.reason}"
        raise Denied(reason) if read.denied else PermanentError(reason, retryable=unread.retryable)
