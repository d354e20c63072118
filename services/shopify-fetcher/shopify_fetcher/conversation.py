"""One errand's conversation with one shop: within the budget, with bounded retries, and with a living token."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from connector.source import FULL, INCREMENTAL, SyncContext
from connector.tokens import AccessToken
from platform_sdk.errors import PermanentError, RetryLaterError
from shopify_fetcher.answers import Answer, Faulty, FieldError, Pause, Throttled, TokenRefused, TooCostly, Unwell
from shopify_fetcher.budget import QUICK_SHARE, WALK_SHARE
from shopify_fetcher.documents import RIGHTS, Document
from shopify_fetcher.memory import ShopMemory
from shopify_fetcher.scopes import allowed

log = structlog.get_logger()
M = TypeVar("M", bound=BaseModel)
PATIENCE_SECONDS = 2.0
"""What must wait longer than this is postponed; no handler sleeps for long."""
RETRY_SECONDS = 5.0
TRIES = 4
ANSWER_SECONDS = {INCREMENTAL: 5.0, FULL: 30.0}
"""By lane: an answer that is not whole by then is given up. What hangs holds up nobody on the quick lane."""
LEAST_SECONDS = 1.0
"""So much time every answer has, however long earlier tries have taken."""
SLOW = 1 / 3
"""A question that took this share of its time in vain is asked for fewer ids the next time."""


class Client(Protocol):
    """How a document reaches a shop."""

    version: str

    async def post(
        self, shop: str, token: str, document: Document, variables: Mapping[str, Any], *, seconds: float
    ) -> Answer:
        """The answer, if it is whole within `seconds`; raises the exceptions of `answers`."""
        ...


class Conversation:
    """Asks documents of `shop` for `errand`, with what is remembered of the shop."""

    def __init__(
        self,
        client: Client,
        errand: SyncContext,
        shop: str,
        memory: ShopMemory,
        *,
        elapsed: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._shop = shop
        self._elapsed = elapsed
        self._sleep = sleep
        self._share = WALK_SHARE if errand.mode == FULL else QUICK_SHARE
        self._scopes_asked = False
        self.errand = errand
        self.memory = memory

    def may(self, resource: str) -> bool:
        """Whether `resource` may be read."""
        return allowed(resource, self.errand.token.scopes)

    async def new_scopes(self) -> bool:
        """Whether the gateway, asked once in a conversation, knows of other scopes; from then on they count."""
        if self._scopes_asked:
            return False
        self._scopes_asked = True
        before = self.errand.token.scopes
        self._take(await self.errand.refresh_token())
        return self.errand.token.scopes != before

    def variables(self, document: Document) -> dict[str, Any]:
        """The variables of `document` that depend on the shop and its scopes, and not on what is asked for."""
        rights = {name: self.may(resource) for name, resource in RIGHTS.items() if name in document.declared}
        return {**self.memory.sizes(document), **rights}

    async def ask(self, document: Document, variables: Mapping[str, Any]) -> Answer:
        """The answer, perhaps with errors at places of its data.

        Raises `NotNow` where it must wait, `Refused` where it is hopeless, `TooCostly` where less must be asked for.
        """
        since = self._elapsed()
        renewed = False
        for tries in range(1, TRIES + 1):
            await self._room(document, variables)
            began = self._elapsed()
            try:
                return await self._once(document, variables, self._time_left(began - since))
            except TokenRefused:
                if renewed:
                    raise RetryLaterError("a new access token was refused") from None
                renewed = True
                await self._renew()
            except Throttled as throttled:
                self._throttled(throttled)
            except Pause as pause:
                if pause.seconds > PATIENCE_SECONDS:
                    raise RetryLaterError(str(pause), seconds=pause.seconds, throttled=True) from None
                await self._sleep(pause.seconds)
            except Unwell as fault:
                self._note_slowness(document, variables, self._elapsed() - began)
                await self._again_soon(fault, self._elapsed() - since, tries)
        raise RetryLaterError("throttled again and again", seconds=PATIENCE_SECONDS, throttled=True)

    async def ask_whole(self, document: Document, variables: Mapping[str, Any]) -> Answer:
        """As `ask`, where an error anywhere spoils the answer, and there is nothing less to ask for."""
        try:
            answer = await self.ask(document, variables)
        except TooCostly as fault:
            raise PermanentError(str(fault)) from None
        raise_for(answer.errors)
        return answer

    async def ask_for(self, model: type[M], document: Document, variables: Mapping[str, Any]) -> tuple[M, int]:
        """The answer in the form of `model`, and when it was asked for; `Refused` where it has another form."""
        answer = await self.ask_whole(document, variables)
        return parsed(model, answer.data), answer.read_at

    async def _room(self, document: Document, variables: Mapping[str, Any]) -> None:
        """Wait a moment until the budget has room; postpone what would wait for longer.

        A walk then waits until there is room for several questions, so that it does not come back for each.
        """
        cost = self.memory.expected(document, variables)
        budget = self.memory.budget
        patience = self._elapsed() + PATIENCE_SECONDS
        while (seconds := budget.wait(cost, self._share, self._elapsed())) > 0:
            if self._elapsed() + seconds > patience:
                fuller = budget.until_nearly_full(self._elapsed()) if self.errand.mode == FULL else 0.0
                raise RetryLaterError("the rate limit", seconds=max(seconds, fuller), throttled=True)
            await self._sleep(seconds)

    def _time_left(self, spent: float) -> float:
        """Seconds for an answer after `spent` on earlier tries at the same question."""
        whole = ANSWER_SECONDS[self.errand.mode]
        return whole if self.errand.mode == FULL else max(LEAST_SECONDS, whole - spent)

    async def _once(self, document: Document, variables: Mapping[str, Any], seconds: float) -> Answer:
        cost = float(self.memory.expected(document, variables))
        paid = 0.0  # of what was not answered nothing is known; the next answer tells
        budget = self.memory.budget
        budget.reserve(cost, self._elapsed())
        self.errand.calls += 1
        try:
            answer = await self._client.post(self._shop, self.errand.token.token, document, variables, seconds=seconds)
            paid = answer.cost.actual if answer.cost else cost
        finally:
            budget.settle(cost, paid, self._elapsed())
        self._learn(document, variables, answer)
        return answer

    def _learn(self, document: Document, variables: Mapping[str, Any], answer: Answer) -> None:
        if answer.cost is not None:
            self.errand.points += round(answer.cost.actual)
            self.memory.budget.learn(answer.cost.status, self._elapsed())
            self.memory.learn_price(document, variables, answer.cost.requested)
        if answer.version not in (None, self._client.version) and not self.memory.version_told:
            self.memory.version_told = True
            log.error("another API version is served", shop=self._shop, served=answer.version)

    def _throttled(self, throttled: Throttled) -> None:
        log.warning("throttled", shop=self._shop, lane=self.errand.mode)
        if throttled.status is not None:
            self.memory.budget.learn(throttled.status, self._elapsed())

    async def _renew(self) -> None:
        self._take(await self.errand.replace_token(self.errand.token))

    def _take(self, access: AccessToken) -> None:
        """Go on with `access`; under a new epoch the work begins anew at once."""
        if access.epoch != self.errand.token.epoch:  # what was read so far is still said under the epoch of its token
            raise RetryLaterError(None, seconds=0.0)
        self.errand.token = access

    def _note_slowness(self, document: Document, variables: Mapping[str, Any], took: float) -> None:
        """What took long in vain may have been too much at once."""
        if took >= SLOW * ANSWER_SECONDS[self.errand.mode] and len(variables.get("ids", ())) > 1:
            self.memory.ask_less(document, len(variables["ids"]))

    async def _again_soon(self, fault: Unwell, spent: float, tries: int) -> None:
        """Sleep before the next try, or postpone: retries take a few seconds together, not more."""
        if tries == TRIES or spent >= RETRY_SECONDS:
            raise RetryLaterError(str(fault)) from None
        await self._sleep(random.uniform(0.1, 0.3) * 2**tries)


def parsed(model: type[M], content: Any) -> M:
    """`content` in the form of `model`. Raises `Refused` naming the field where it has another."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise PermanentError(unknown_form(error)) from None


def unknown_form(error: ValidationError) -> str:
    """Which field is not as expected, without its value."""
    first = error.errors(include_input=False)[0]
    return f"its form is not known: {'.'.join(map(str, first['loc']))}: {first['msg']}"[:300]


def raise_for(errors: tuple[FieldError, ...]) -> None:
    """Raise for the first error: it may pass, or it will not."""
    for error in errors:
        if error.passes:
            raise Faulty(error.reason)
        raise error.refusal
