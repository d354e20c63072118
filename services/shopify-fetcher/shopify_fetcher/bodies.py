"""Reading bodies by ids: the one path for walks and webhooks. Direct reads are immediate; lists lag behind."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from connector.source import UnreadableRecord
from contracts.events import Record, parse_account
from platform_sdk.errors import PermanentError, RetryLaterError
from shopify_fetcher.answers import Answer, FieldError, TooCostly
from shopify_fetcher.building import Built, Moment, gone
from shopify_fetcher.conversation import Conversation, raise_for, unknown_form
from shopify_fetcher.documents import READ_SHOP, Document
from shopify_fetcher.generated.read_shop import ReadShop
from shopify_fetcher.gids import names
from shopify_fetcher.kinds import KINDS, Kind
from shopify_fetcher.places import shop_record

FEW = 10
"""More records with an error in one answer than this are the platform's trouble, and not theirs."""


@dataclass
class Read:
    """What became of the first `count` of the ids asked for."""

    count: int
    built: Built = field(default_factory=Built)
    unread: list[UnreadableRecord] = field(default_factory=list)
    denied: bool = False
    """Whether some are unread for want of a scope."""

    def join(self, other: "Read") -> None:
        """Take what became of ids that were asked for once more."""
        self.built.join(other.built)
        self.unread += other.unread
        self.denied |= other.denied


class Bodies:
    """Reads records by their ids in one conversation."""

    def __init__(self, talk: Conversation) -> None:
        self._talk = talk

    async def read(self, resource: str, ids: Sequence[str]) -> Read:
        """Read as many of `ids` as go into one answer, at least one.

        An id answered as absent without an error is gone; one with an error, or whose answer does not have the
        expected form, is unread. Where the error may pass, the id has been asked for by itself, too: the fault of one
        record holds up no other. Raises as `Conversation.ask`, and `NotNow` when many have an error.
        """
        if resource == "shop":
            return await self._shop(ids)
        kind = KINDS[resource]
        while True:
            count = min(len(ids), kind.most, self._at_once(kind))
            asked = ids[:count]
            try:
                answer = await self._talk.ask(kind.document, self._variables(kind.document, asked))
            except TooCostly as fault:
                if not self._ask_less(kind, asked, fault):
                    return Read(1, unread=[UnreadableRecord(resource, ids[0], str(fault))])
                continue
            read = self._understood(kind, asked, answer)
            await self._again_singly(kind, read)
            await self.complete(read)
            return read

    async def _again_singly(self, kind: Kind, read: Read) -> None:
        """Ask once more, each by itself, for those whose errors may pass."""
        faulty = [unread for unread in read.unread if unread.retryable]
        if len(faulty) > FEW:
            raise RetryLaterError(f"{len(faulty)} records have errors: {faulty[0].id}: {faulty[0].reason}")
        for unread in faulty:
            asked = (unread.id,)
            try:
                answer = await self._talk.ask(kind.document, self._variables(kind.document, asked))
            except TooCostly:
                continue
            read.unread.remove(unread)
            read.join(self._understood(kind, asked, answer))

    def _at_once(self, kind: Kind) -> int:
        return self._talk.memory.ids_at_once(kind.document, self._variables(kind.document, ()))

    def _variables(self, document: Document, ids: Sequence[str]) -> dict[str, Any]:
        return {"ids": list(ids), **self._talk.variables(document)}

    def _ask_less(self, kind: Kind, asked: Sequence[str], fault: TooCostly) -> bool:
        """Learn that these ids were too much at once; False when there is nothing left to make smaller."""
        memory = self._talk.memory
        flat = not memory.linear
        memory.learn_price(kind.document, self._variables(kind.document, asked), fault.cost)
        if flat and memory.linear:
            return True
        memory.ask_less(kind.document, len(asked))
        return len(asked) > 1

    def _understood(self, kind: Kind, asked: Sequence[str], answer: Answer) -> Read:
        faults = _by_index(answer.errors)
        moment = Moment(self._talk.errand.read_id, answer.read_at, self._talk.may("inventory"))
        read = Read(len(asked))
        for index, (gid, raw) in enumerate(zip(asked, answer.data["nodes"], strict=True)):
            fault = faults.get(index)
            if fault is not None:
                read.unread.append(UnreadableRecord(kind.resource, gid, fault.reason, retryable=fault.passes))
                read.denied |= fault.denied
            elif raw is None:
                read.built.add(gone(kind.resource, gid, answer.read_at))
            else:
                _build(kind, gid, raw, moment, read)
        return read

    async def complete(self, read: Read) -> None:
        """Read the items that are short by themselves, for their levels did not come whole with their product.

        Where that fails, it is the product that is unread.
        """
        short, read.built.short = read.built.short, {}
        ids = list(short)
        while ids:
            items = await self.read("inventory", ids)
            items.unread = [
                UnreadableRecord(
                    "products", short[unread.id], f"{unread.id}: {unread.reason}", retryable=unread.retryable
                )
                for unread in items.unread
            ]
            read.join(items)
            ids = ids[items.count :]

    async def _shop(self, ids: Sequence[str]) -> Read:
        record = await read_shop(self._talk)
        unread = [UnreadableRecord("shop", gid, "another shop's id") for gid in ids if gid != record.id]
        return Read(len(ids), Built(records=[record]), unread)


def _build(kind: Kind, gid: str, raw: dict[str, Any], moment: Moment, read: Read) -> None:
    if not names(kind.resource, gid):
        read.unread.append(UnreadableRecord(kind.resource, gid, "an id of another kind"))
        return
    try:
        read.built.join(kind.build(raw, moment))
    except ValidationError as error:
        read.unread.append(UnreadableRecord(kind.resource, gid, unknown_form(error)))


def _by_index(errors: tuple[FieldError, ...]) -> dict[int, FieldError]:
    """Errors by the index of the node that they are in; raises for one that is in none."""
    found: dict[int, FieldError] = {}
    for error in errors:
        match error.path:
            case ("nodes", int() as index, *_):
                found.setdefault(index, error)
            case _:
                raise_for((error,))
    return found


async def read_shop(talk: Conversation) -> Record:
    """The shop's record. Raises `Refused` when the token turns out to be another shop's."""
    answer, read_at = await talk.ask_for(ReadShop, READ_SHOP, {})
    shop = answer.shop
    if shop.myshopifyDomain != parse_account(talk.errand.token.connection):
        raise PermanentError("the access token is another shop's")
    return shop_record(shop, Moment(talk.errand.read_id, read_at))
