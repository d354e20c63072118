"""Creates the gateway's public and internal applications: their routes, with the objects that each route needs."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING

import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import Response

from gateway.access import AccessService
from gateway.adapters import has_https_origin, list_configured_adapters
from gateway.connect.account_choice import AccountChoice
from gateway.connect.client_credentials import ClientCredentialsConnector
from gateway.connect.grants import GrantService
from gateway.connect.oauth_flow import OAuthFlow
from gateway.connect.own_accounts import OwnAccountsConnector
from gateway.connect.purposes import Purpose
from gateway.connect.rate_limit import SIGN_INS_PER_CLIENT, SIGN_INS_PER_PROCESS, SignInRateLimit
from gateway.connect.routes.account_choice import create_choice_routes
from gateway.connect.routes.credentials import CredentialsFlow, create_credentials_routes
from gateway.connect.routes.credentials_form import CredentialsForm
from gateway.connect.routes.oauth import create_oauth_routes
from gateway.connect.routes.webhook_challenge import create_challenge_routes
from gateway.connect.sealed_credentials import CredentialsSealer
from gateway.erasure.routes import DeletionRequests, create_callback_routes, create_erasure_routes
from gateway.erasure.service import ErasureService
from gateway.hints.receiver import HintReceiver
from gateway.hints.routes import create_hint_routes
from gateway.hints.tokens import HintTokens
from gateway.internal.callers import create_caller_dependency
from gateway.internal.routes import add_error_handlers, create_internal_routes
from gateway.internal.sync_requests import ManualSyncs
from gateway.keys.internal_routes import create_internal_key_routes
from gateway.keys.routes import create_key_routes
from gateway.keys.service import KeyService
from gateway.links.client import LinkerClient
from gateway.links.reader import LinkReader
from gateway.links.routes import create_link_routes
from gateway.links.service import LinkService
from gateway.metrics import GatewayMetrics
from gateway.pages.api_docs.documents import Documents, build_documents
from gateway.pages.api_docs.routes import create_docs_routes
from gateway.pages.client import SchedulerClient
from gateway.pages.connection_reader import ConnectionReader
from gateway.pages.responses import SafeHeaders, respond_problem
from gateway.pages.routes.actions import ConnectionActions, create_action_routes
from gateway.pages.routes.pages import create_page_routes
from gateway.pages.routes.sandbox import create_sandbox_routes
from gateway.pages.session_forms import SessionForms
from gateway.sessions.browser_keys import BrowserKeys
from gateway.sessions.cookies import Cookies
from gateway.sessions.sessions import SessionLimits, Sessions
from gateway.settings import GatewaySettings
from gateway.store import Stores
from gateway.tokens.encryption import TokenCipher
from gateway.tokens.service import TokenService
from gateway.webhooks.asgi import Asgi, WebhookMiddleware
from gateway.webhooks.connection_cache import ConnectionCache
from gateway.webhooks.handler import Publish, WebhookHandler
from gateway.webhooks.installations import Installations
from gateway.webhooks.probe import PostProbe, WatchTopic
from gateway.webhooks.refusals import REFUSALS_PER_CLIENT, REFUSALS_PER_PROCESS
from gateway.webhooks.subscriptions import WebhookSubscriptions
from gateway.webhooks.tracing import WebhookReceiver, trace_handler, trace_publish
from messaging.errors import UnavailableError
from platform_sdk.adapters import AccountApi, PlatformAdapter, Webhooks
from platform_sdk.connection_methods import Credentials, CredentialsWithChoice, OAuth
from service.check_cache import cache_checks
from service.client_addresses import ClientAddresses
from service.metrics import add_metrics_route
from service.process import Check, add_health_routes, hide_check_reasons
from service.rate_limits import ClientRateLimiter

if TYPE_CHECKING:
    from httpx import AsyncClient

NAME = "gateway"

log = structlog.get_logger()


@dataclass(frozen=True)
class Parts:
    """The dependencies of the gateway's applications. The process passes the real ones, tests pass fakes."""

    settings: GatewaySettings
    adapters: Mapping[str, PlatformAdapter]
    stores: Stores
    publish: Publish
    scheduler: SchedulerClient
    linker: LinkerClient
    post_probe: PostProbe
    watch_topic: WatchTopic
    metrics: GatewayMetrics
    http: "AsyncClient"
    now: Callable[[], int]
    """Returns the time in milliseconds since 1970."""
    clock: Callable[[], float] = time.monotonic
    """Returns seconds that never go back, by which the requests of strangers are limited."""

    @property
    def configured_adapters(self) -> list[PlatformAdapter]:
        """The adapters of the platforms that are configured, so that accounts can be connected there."""
        return list_configured_adapters(self.adapters)

    @property
    def apis(self) -> dict[str, AccountApi]:
        """Each platform's account API (the calls that the gateway makes for one account), by slug."""
        return {slug: adapter.api for slug, adapter in self.adapters.items()}

    @cached_property
    def addresses(self) -> ClientAddresses:
        """Tells the addresses of clients from those of proxies."""
        return ClientAddresses(self.settings.trusted_proxies)

    @cached_property
    def refusals(self) -> ClientRateLimiter:
        """Limits the requests of strangers that are refused, those to all routes of platforms together."""
        return ClientRateLimiter(
            "refused deliveries",
            self.addresses,
            per_client=REFUSALS_PER_CLIENT,
            per_process=REFUSALS_PER_PROCESS,
            clock=self.clock,
        )

    @cached_property
    def cipher(self) -> TokenCipher:
        """The cipher for stored tokens."""
        return TokenCipher(self.settings.token_encryption_keys)

    @cached_property
    def keys(self) -> BrowserKeys:
        """The keys that hash the secrets of browsers: sessions, logins and form tokens."""
        return BrowserKeys(self.settings.state_token_secret.get_secret_value())

    @cached_property
    def hint_tokens(self) -> HintTokens:
        """The tokens in the addresses for hints."""
        return HintTokens(self.settings.state_token_secret.get_secret_value())

    @cached_property
    def hint_receiver(self) -> HintReceiver:
        """Collects hints of all platforms."""
        return HintReceiver(_create_manual_syncs(self).request_hinted_records)

    @cached_property
    def cookies(self) -> Cookies:
        """The gateway's cookies in browsers."""
        seconds = self.settings.session_ttl_seconds
        return Cookies(secure=has_https_origin(self.configured_adapters), session_seconds=seconds)

    @cached_property
    def sessions(self) -> Sessions:
        """The sessions of browsers."""
        limits = SessionLimits(
            session_seconds=self.settings.session_ttl_seconds,
            read_seconds=self.settings.proof_read_seconds,
            act_seconds=self.settings.proof_act_seconds,
        )
        return Sessions(self.stores.sessions, self.cookies, self.keys, limits, self.addresses)


def create_applications(parts: Parts, checks: Mapping[str, Check]) -> tuple[Asgi, list[WebhookReceiver], FastAPI]:
    """Return the public application, the handlers of its webhooks, and the internal application.

    `checks` are the readiness checks by name. The public application does not show their reasons, and runs them once
    for many requests, because some of them open a connection.
    """
    tokens = _create_token_service(parts)
    handlers = [
        _create_webhook_handler(parts, tokens, adapter, adapter.webhooks)
        for adapter in parts.configured_adapters
        if adapter.webhooks
    ]
    application = _create_public_application(parts, cache_checks(hide_check_reasons(checks)))
    sign_ins = ClientRateLimiter(
        "sign-ins",
        parts.addresses,
        per_client=SIGN_INS_PER_CLIENT,
        per_process=SIGN_INS_PER_PROCESS,
        clock=parts.clock,
    )
    limited = SignInRateLimit(application, sign_ins, parts.adapters)
    safe = SafeHeaders(limited, https_only=has_https_origin(parts.configured_adapters))
    public = WebhookMiddleware(safe, handlers)
    return public, handlers, _create_internal_application(parts, tokens, checks)


def describe_api(parts: Parts) -> Documents:
    """Return the OpenAPI and the AsyncAPI document that a gateway with these parts serves under `/docs`."""
    return build_documents(_create_public_application(parts, {}), parts.configured_adapters)


def create_own_accounts_connectors(parts: Parts) -> list[OwnAccountsConnector]:
    """Return what connects the accounts that the settings of configured platforms name."""
    return [
        OwnAccountsConnector(
            adapter.slug, adapter.own_accounts, _create_grant_service(parts, adapter), elapsed=time.monotonic
        )
        for adapter in parts.configured_adapters
        if adapter.own_accounts is not None
    ]


def create_erasure_service(parts: Parts) -> ErasureService:
    """Return the service that disconnects connections of all platforms or deletes all their data."""
    return ErasureService(parts.stores, _create_token_service(parts), parts.apis)


def _create_public_application(parts: Parts, checks: Mapping[str, Check]) -> FastAPI:
    settings = parts.settings
    cookies, sessions = parts.cookies, parts.sessions
    data_api_url = settings.data_api_public_url
    links = LinkReader(parts.stores.connections, parts.linker, parts.adapters)
    reader = ConnectionReader(
        parts.stores, parts.scheduler, parts.adapters, links, data_api_url=data_api_url, now=parts.now
    )
    app = _create_fastapi_application(checks)
    app.add_middleware(
        CORSMiddleware, allow_origins=list(settings.cors_allowed_origins), allow_methods=["GET"], allow_credentials=True
    )
    app.add_exception_handler(UnavailableError, _respond_unavailable)
    app.add_exception_handler(404, _respond_missing_page)
    erasure = create_erasure_service(parts)
    for adapter in parts.adapters.values():
        for routes in _create_platform_routes(parts, adapter, erasure):
            app.include_router(routes)
    app.include_router(create_erasure_routes(DeletionRequests(parts.stores, parts.scheduler)))
    actions = ConnectionActions(AccessService(parts.stores.connections), erasure, _create_manual_syncs(parts))
    forms = SessionForms(sessions, parts.adapters)
    app.include_router(create_action_routes(forms, sessions, cookies, actions))
    app.include_router(create_key_routes(forms, _create_key_service(parts), data_api_url=data_api_url))
    app.include_router(create_link_routes(links, LinkService(parts.stores.connections, parts.linker), forms, sessions))
    app.include_router(
        create_page_routes(reader, sessions, parts.configured_adapters, sandbox_url=settings.sandbox_url)
    )
    if settings.sandbox_relayed:
        app.include_router(create_sandbox_routes(parts.http, settings.sandbox_relayed, parts.adapters))
    app.include_router(create_docs_routes(cache(partial(build_documents, app, parts.configured_adapters))))
    return app


def _create_platform_routes(parts: Parts, adapter: PlatformAdapter, erasure: ErasureService) -> list[APIRouter]:
    """Return the routes of one platform.

    They are: signing in, by a login at the platform or a form for credentials; answering the challenge by which the
    platform verifies the webhook URL; and the callbacks by which users disconnect accounts or have their data deleted.
    """
    method, grants = adapter.connection_method, _create_grant_service(parts, adapter)
    routes = []
    if isinstance(method, OAuth):
        flow = OAuthFlow(adapter.slug, method, parts.stores, grants, parts.keys)
        routes.append(create_oauth_routes(adapter, method, flow, parts.sessions, parts.cookies))
    elif isinstance(method, Credentials):
        check = CredentialsFlow(method, parts.stores.connections, grants)
        routes.append(create_credentials_routes(adapter, method, check, parts.sessions, parts.cookies, parts.keys))
        if isinstance(method, CredentialsWithChoice):
            routes.append(_create_choice_routes(parts, adapter, method, grants))
    if adapter.is_configured and adapter.webhooks:
        routes.append(create_challenge_routes(adapter, adapter.webhooks, parts.refusals))
    if adapter.is_configured and adapter.hints:
        routes.append(
            create_hint_routes(adapter, adapter.hints, parts.hint_tokens, parts.hint_receiver, parts.refusals)
        )
    if adapter.is_configured and adapter.user_requests:
        routes.append(
            create_callback_routes(
                erasure,
                adapter.slug,
                parse_signed_request=adapter.user_requests.parse_signed_request,
                origin=adapter.origin,
                refusals=parts.refusals,
            )
        )
    return routes


def _create_choice_routes(
    parts: Parts, adapter: PlatformAdapter, method: CredentialsWithChoice, grants: GrantService
) -> APIRouter:
    return create_choice_routes(
        adapter,
        method,
        AccountChoice(adapter, method, parts.stores.connections, grants),
        CredentialsSealer(parts.settings.token_encryption_keys, adapter.slug, now=parts.now),
        parts.sessions,
        parts.cookies,
        CredentialsForm(adapter, method, parts.cookies, parts.keys, Purpose.CONNECT),
    )


def _create_internal_application(parts: Parts, tokens: TokenService, checks: Mapping[str, Check]) -> FastAPI:
    subscriptions = WebhookSubscriptions(
        parts.stores.webhook_checks,
        tokens,
        parts.adapters,
        post_probe=parts.post_probe,
        watch_topic=parts.watch_topic,
        now=parts.now,
    )
    syncs = _create_manual_syncs(parts)
    connector = ClientCredentialsConnector(
        parts.adapters, {slug: _create_grant_service(parts, adapter) for slug, adapter in parts.adapters.items()}
    )
    internal = _create_fastapi_application(checks)
    add_metrics_route(internal, parts.metrics.registry)
    add_error_handlers(internal)
    authenticate_caller = create_caller_dependency(parts.settings.internal_key_hashes)
    internal.include_router(
        create_internal_routes(
            tokens,
            subscriptions,
            syncs,
            connector,
            parts.stores.audit_log,
            parts.hint_tokens,
            {adapter.slug for adapter in parts.configured_adapters if adapter.hints},
            authenticate_caller,
        )
    )
    internal.include_router(
        create_internal_key_routes(
            _create_key_service(parts),
            parts.stores.keys,
            authenticate_caller,
            data_api_url=parts.settings.data_api_public_url,
        )
    )
    return internal


def _create_token_service(parts: Parts) -> TokenService:
    return TokenService(
        parts.stores.connections,
        parts.cipher,
        parts.adapters,
        now=parts.now,
        count_refresh=parts.metrics.count_refresh,
    )


def _create_grant_service(parts: Parts, adapter: PlatformAdapter) -> GrantService:
    return GrantService(adapter, parts.stores.connections, parts.cipher, parts.sessions)


def _create_key_service(parts: Parts) -> KeyService:
    return KeyService(parts.stores.connections, parts.stores.keys)


def _create_manual_syncs(parts: Parts) -> ManualSyncs:
    return ManualSyncs(parts.stores.connections, parts.scheduler, parts.adapters, now=parts.now)


def _create_webhook_handler(
    parts: Parts, tokens: TokenService, adapter: PlatformAdapter, webhooks: Webhooks
) -> WebhookReceiver:
    connections = parts.stores.connections
    handler = WebhookHandler(
        adapter.manifest,
        webhooks,
        connections=ConnectionCache(connections.find_many, time.monotonic),
        publish=trace_publish(parts.publish),
        installations=Installations(connections, tokens, parts.apis),
        erasure=create_erasure_service(parts),
        count_delivery=parts.metrics.build_delivery_counter(adapter.slug),
        refusals=parts.refusals,
        max_bytes=parts.settings.webhook_max_bytes,
        source=NAME,
    )
    return trace_handler(handler)


def _create_fastapi_application(checks: Mapping[str, Check]) -> FastAPI:
    app = FastAPI(title="merchant-sync gateway", docs_url=None, redoc_url=None, openapi_url=None)
    add_health_routes(app, checks)
    return app


async def _respond_unavailable(request: Request, error: Exception) -> Response:
    # The route's pattern, and not the path, because the path of a deletion request holds its code.
    route = request.scope.get("route")
    log.warning("request held", path=getattr(route, "path", ""), reason=str(error))
    return respond_problem(request, 503, "a part of the service does not answer now; try again in a moment")


async def _respond_missing_page(request: Request, _error: Exception) -> Response:
    return respond_problem(request, 404, "there is no such page")
