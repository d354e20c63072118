"""Reading records by their ids: what webhooks ask for."""

from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import takewhile

from connector.source import Checkpoint, IncrementalReadStep, RecordBatch, UnreadableRecord
from contracts.events import RecordIds
from platform_sdk.errors import ConnectionEndedError, PermanentError
from shopify_fetcher.answers import Faulty
from shopify_fetcher.bodies import Bodies, Read
from shopify_fetcher.chains import Chain
from shopify_fetcher.conversation import Conversation
from shopify_fetcher.cursors import ReadPlace
from shopify_fetcher.gids import names
from shopify_fetcher.listings import next_piece
from shopify_fetcher.scopes import NEEDS, allowed, refusal

Key = tuple[str, str]


async def read(talk: Conversation, ids: RecordIds, cursor: str | None) -> AsyncGenerator[IncrementalReadStep, None]:
    """All of `ids` from the place in `cursor`: sorted, by resource, each record to its end before the next batch.

    A record whose error stays when it is asked for by itself is unread, and the others go on.
    """
    place = ReadPlace.decoded(cursor)
    wanted = [(resource, gid) for resource in sorted(ids) for gid in sorted(set(ids[resource]))]
    if any(resource in NEEDS and not talk.may(resource) for resource in ids):
        await talk.new_scopes()
    hopeless = _hopeless(wanted, talk)
    for unread in (*hopeless.values(), *place.unread):
        yield unread
    bodies = Bodies(talk)
    while place.chains or place.passed < len(wanted):
        if place.chains:
            resource = place.chains[0].resource
            taken, chains = await _continued_or_unread(talk, bodies, place.chains)
        elif wanted[place.passed] in hopeless:
            place = replace(place, passed=place.passed + 1)
            continue
        else:
            resource, run = _run(wanted[place.passed :], hopeless)
            taken = await bodies.read(resource, run)
            chains = tuple(taken.built.chains)
            if taken.denied and await talk.new_scopes():
                known, hopeless = hopeless, _hopeless(wanted, talk)
                for key in hopeless.keys() - known.keys():
                    yield hopeless[key]
                continue
            place = replace(place, passed=place.passed + taken.count)
        final = tuple(replace(unread, retryable=False) for unread in taken.unread)
        for unread in final:
            yield unread
        yield RecordBatch(resource, tuple(taken.built.records))
        place = replace(place, chains=chains, unread=(*place.unread, *final))
        if place.chains or place.passed < len(wanted):
            yield Checkpoint(place.encoded())


async def _continued_or_unread(
    talk: Conversation, bodies: Bodies, chains: tuple[Chain, ...]
) -> tuple[Read, tuple[Chain, ...]]:
    """As `continued`; a record that is refused half-way, or has the same error twice, is unread."""
    try:
        try:
            return await continued(talk, bodies, chains)
        except Faulty:
            return await continued(talk, bodies, chains)
    except ConnectionEndedError:
        raise
    except (Faulty, PermanentError) as fault:
        return Read(0, unread=[UnreadableRecord(chains[0].resource, chains[0].id, str(fault))]), chains[1:]


async def continued(talk: Conversation, bodies: Bodies, chains: tuple[Chain, ...]) -> tuple[Read, tuple[Chain, ...]]:
    """The next piece of the first of `chains`, with what came along, and the chains that are left."""
    first, *others = chains
    piece = await next_piece(talk, first)
    read = Read(1, piece.built)
    await bodies.complete(read)
    left = (piece.following, *read.built.chains, *others) if piece.following else (*read.built.chains, *others)
    return read, tuple(left)


def _run(wanted: Sequence[Key], hopeless: Collection[Key]) -> tuple[str, list[str]]:
    """The resource that comes first, and its ids up to one that cannot be asked for."""
    resource = wanted[0][0]
    run = takewhile(lambda key: key[0] == resource and key not in hopeless, wanted)
    return resource, [gid for _, gid in run]


def _hopeless(wanted: Sequence[Key], talk: Conversation) -> dict[Key, UnreadableRecord]:
    """Ids that no question can be asked for."""
    return {(unread.resource, unread.id): unread for unread in _refused(wanted, talk.errand.token.scopes)}


def _refused(wanted: Sequence[Key], scopes: frozenset[str]) -> Iterator[UnreadableRecord]:
    for resource, gid in wanted:
        if resource not in NEEDS:
            yield UnreadableRecord(resource, gid, f"there is no resource {resource}")
        elif not names(resource, gid):
            yield UnreadableRecord(resource, gid, f"not an id of {resource}")
        elif not allowed(resource, scopes):
            yield UnreadableRecord(resource, gid, refusal(resource, scopes))
