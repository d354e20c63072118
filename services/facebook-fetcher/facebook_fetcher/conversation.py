"""One errand's conversation about one page: within the budgets, with bounded retries, and with a living token."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from connector.source import FULL, INCREMENTAL, SyncContext
from connector.tokens import AccessToken
from facebook_fetcher.answers import Answer, Denied, FieldRefused, Throttled, TokenRefused, Unwell
from facebook_fetcher.budget import QUICK_MOST, WALK_MOST
from facebook_fetcher.memory import Memory
from facebook_fetcher.usage import Reading
from platform_sdk.errors import PermanentError, RetryLaterError

log = structlog.get_logger()
PATIENCE_SECONDS = 2.0
"""What must wait longer than this is postponed; no handler sleeps for long."""
RETRY_SECONDS = 5.0
TRIES = 4
ANSWER_SECONDS = {INCREMENTAL: 5.0, FULL: 15.0}
"""By lane: an answer that is not whole by then is given up. What hangs holds up nobody on the quick lane."""
LEAST_SECONDS = 1.0
"""So much time every answer has, however long earlier tries have taken."""
MOST = {INCREMENTAL: QUICK_MOST, FULL: WALK_MOST}
UNUSED = Reading(0.0)
"""What a page that comes without a word of usage says: headers are missing while little is used."""


class Client(Protocol):
    """How a page is asked for."""

    version: str

    async def page(self, page_id: str, token: str, fields: str, *, seconds: float) -> Answer:
        """The answer, if it is whole within `seconds`."""
        ...


class Conversation:
    """Asks for the page `page_id` for `errand`, with what is remembered of the app."""

    def __init__(
        self,
        client: Client,
        errand: SyncContext,
        page_id: str,
        memory: Memory,
        *,
        elapsed: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._errand = errand
        self._memory = memory
        self._elapsed = elapsed
        self._sleep = sleep
        self._renewed = False
        self._anew = False
        self.page_id = page_id

    async def ask(self) -> Answer:
        """The page, or an answer without one where it is not there.

        Raises `NotNow` where it must wait, `Refused` where it is hopeless, and what the gateway's refusals raise.
        """
        since, failures = self._elapsed(), 0
        while True:
            await self._room()
            fields = self._memory.asking.text
            answer = await self._once(fields, since)
            match answer.fault:
                case None:
                    return self._of_this_page(answer)
                case TokenRefused():
                    await self._renew()
                case Denied() as denied:
                    await self._look_again(denied)
                case FieldRefused() as refused:
                    self._drop(refused, fields)
                case Throttled() as throttled:
                    raise self._postponed(throttled, answer)
                case Unwell() as fault:
                    failures += 1
                    await self._again_soon(fault, self._elapsed() - since, failures)
                case fault:
                    raise fault

    async def _room(self) -> None:
        """Wait a moment until the budgets have room; postpone what would wait for longer."""
        patience = self._elapsed() + PATIENCE_SECONDS
        while (waiting := self._wait())[0] > 0:
            seconds, whose = waiting
            if self._elapsed() + seconds > patience:
                raise RetryLaterError(
                    f"the {whose}'s rate limit", seconds=max(seconds, PATIENCE_SECONDS), throttled=True
                )
            await self._sleep(seconds)

    def _wait(self) -> tuple[float, str]:
        return self._memory.wait(self.page_id, MOST[self._errand.mode], self._elapsed())

    async def _once(self, fields: str, since: float) -> Answer:
        with self._memory.call(self.page_id):
            async with self._memory.turns:
                sent = self._elapsed()
                self._errand.calls += 1
                token, seconds = self._errand.token.token, self._time_left(sent - since)
                answer = await self._client.page(self.page_id, token, fields, seconds=seconds)
        self._learn(answer, sent)
        return answer

    def _time_left(self, spent: float) -> float:
        """Seconds for an answer after `spent` on earlier tries at the same page."""
        whole = ANSWER_SECONDS[self._errand.mode]
        return whole if self._errand.mode == FULL else max(LEAST_SECONDS, whole - spent)

    def _learn(self, answer: Answer, sent: float) -> None:
        silent = UNUSED if answer.page is not None else None
        now = self._elapsed()
        if (app := answer.usage.app or silent) is not None:
            self._memory.app.learn(app, sent, now)
        if (page := answer.usage.page or silent) is not None:
            self._memory.pages[self.page_id].learn(page, sent, now)
        version, asked = answer.version, self._client.version
        if version not in (None, asked) and self._memory.is_news(version):
            log.error("another API version is served", asked=asked, served=version)

    def _of_this_page(self, answer: Answer) -> Answer:
        if answer.page is not None and answer.page.get("id") != self.page_id:
            raise PermanentError("the platform answered with another page")
        return answer

    async def _renew(self) -> None:
        if self._renewed:
            raise RetryLaterError("a new access token was refused")
        self._renewed = True
        self._take(await self._errand.replace_token(self._errand.token))

    async def _look_again(self, denied: Denied) -> None:
        """Go on with the token of this moment, where it is another: since the last was given out, more may have been
        granted."""
        before = self._errand.token.token
        if not self._anew:
            self._anew = True
            self._take(await self._errand.refresh_token())
        if self._errand.token.token == before:
            raise denied

    def _take(self, access: AccessToken) -> None:
        """Go on with `access`; under a new epoch the work begins anew at once."""
        if access.epoch != self._errand.token.epoch:  # what was read is said under the epoch of its token
            raise RetryLaterError(None, seconds=0.0)
        self._errand.token = access

    def _drop(self, refused: FieldRefused, fields: str) -> None:
        """Ask no more for a refused field, and say so once; another call may have dropped it while this one was on
        its way."""
        dropped = self._memory.asking.drop(refused.word)
        for name in dropped:
            log.error("the platform refuses a field of pages: it is left out", field=name, refused=refused.word)
        if not dropped and self._memory.asking.text == fields:
            raise PermanentError(str(refused))

    def _postponed(self, throttled: Throttled, answer: Answer) -> RetryLaterError:
        """The budget is used up, for as long as the answer says, and for all who share it."""
        log.warning("throttled", page=self.page_id, lane=self._errand.mode, reason=str(throttled))
        budget = self._memory.app if throttled.app else self._memory.pages[self.page_id]
        said = [reading.regain_seconds for reading in (answer.usage.app, answer.usage.page) if reading]
        budget.exhaust(self._elapsed(), max(said, default=0.0))
        return RetryLaterError(str(throttled), seconds=self._wait()[0], escalates=True, throttled=True)

    async def _again_soon(self, fault: Unwell, spent: float, failures: int) -> None:
        """Sleep before the next try, or postpone: retries take a few seconds together, not more."""
        if failures == TRIES or spent >= RETRY_SECONDS:
            raise RetryLaterError(str(fault))
        await self._sleep(random.uniform(0.1, 0.3) * 2**failures)
