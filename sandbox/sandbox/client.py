"""Whoever listens to webhooks, over HTTP."""

import asyncio

import httpx

from sandbox.deliveries import IN_FLIGHT, Delivery
from sandbox.payloads import wire
from sandbox.webhooks import signature

_CONNECT_SECONDS = 1.0
_TOTAL_SECONDS = 5.0


class Receivers:
    """Posts signed deliveries over connections that are kept open."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
        timeout = httpx.Timeout(_TOTAL_SECONDS, connect=_CONNECT_SECONDS)
        self._http = httpx.AsyncClient(limits=limits, timeout=timeout, trust_env=False)

    async def post(self, delivery: Delivery) -> tuple[bool, str]:
        """Whether the receiver answered 2xx within five seconds, and what it answered. Redirects are not followed."""
        try:
            async with asyncio.timeout(_TOTAL_SECONDS):
                answer = await self._http.post(delivery.uri, content=delivery.body, headers=self._headers(delivery))
        except TimeoutError:
            return False, "timeout"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return False, type(error).__name__
        return answer.is_success, str(answer.status_code)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    def _headers(self, delivery: Delivery) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "User-Agent": "Shopify-Captain-Hook",
            "X-Shopify-Topic": wire(delivery.topic),
            "X-Shopify-Hmac-Sha256": signature(delivery.body, self._secret),
            "X-Shopify-Shop-Domain": delivery.shop,
            "X-Shopify-API-Version": delivery.api_version,
            "X-Shopify-Webhook-Id": delivery.id,
            "X-Shopify-Event-Id": delivery.event,
            "X-Shopify-Triggered-At": delivery.triggered_at,
        }
