"""The control endpoint of the sandbox's Facebook: people and pages are made, edited and let go, and it misbehaves."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.deliveries import Dispatcher
from sandbox.graph import edits, letters, truth
from sandbox.graph.faults import Faults
from sandbox.graph.fields import picture_url
from sandbox.graph.letters import Post
from sandbox.graph.model import AppSettings, Limits, Page, Person
from sandbox.graph.names import PERMISSIONS
from sandbox.graph.statistics import Statistics
from sandbox.graph.world import Facebook
from sandbox.responses import build_json_response

_STATUSES = frozenset({"granted", "declined", "expired"})
Handler = Callable[[Request, Any], Awaitable[Response]]


def routes(facebook: Facebook, dispatcher: Dispatcher, post: Post) -> list[Route]:
    """Everything under `/control/facebook`; `post` reaches the app's callbacks."""
    groups = (_People(facebook, post).table(), _Pages(facebook).table(), _Whole(facebook, dispatcher).table())
    return [
        Route(f"/control/facebook{path}", _endpoint(handler), methods=[method])
        for group in groups
        for method, path, handler in group
    ]


def _endpoint(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            raw = await request.body()
            return await handler(request, orjson.loads(raw) if raw else {})
        except LookupError as error:
            return build_json_response({"error": f"no such record or parameter: {error}"}, 404)
        except (ValueError, TypeError, AttributeError) as error:
            return build_json_response({"error": f"{type(error).__name__}: {error}"}, 400)

    return endpoint


class _People:
    def __init__(self, facebook: Facebook, post: Post) -> None:
        self._facebook = facebook
        self._post = post

    def table(self) -> list[tuple[str, str, Handler]]:
        """Method, path and handler."""
        return [
            ("POST", "/users", self.create),
            ("GET", "/users", self.show_all),
            ("GET", "/users/{id}", self.show),
            ("PUT", "/users/{id}/permissions", self.permit),
            ("POST", "/users/{id}/revoke", self.revoke),
            ("POST", "/users/{id}/remove_app", self.remove_app),
            ("POST", "/users/{id}/delete_data", self.delete_data),
        ]

    async def create(self, _: Request, body: Any) -> Response:
        """Somebody new, with `pages` (3) of that `seed`."""
        person = self._facebook.add_person(str(body.get("name", "Sandbox User")))
        self._facebook.add_pages(person, int(body.get("pages", 3)), int(body.get("seed", 0)))
        return build_json_response(self._described(person), 201)

    async def show_all(self, _: Request, __: Any) -> Response:
        """Everybody."""
        return build_json_response({"users": [self._described(person) for person in self._facebook.people.values()]})

    async def show(self, request: Request, _: Any) -> Response:
        """One person."""
        return build_json_response(self._described(self._named(request)))

    async def permit(self, request: Request, body: Any) -> Response:
        """Set permissions behind the app's back: `{name: granted/declined/expired}`."""
        person = self._named(request)
        if not (PERMISSIONS.issuperset(body) and _STATUSES.issuperset(body.values())):
            raise ValueError("no such permission or status")
        person.permissions |= body
        self._facebook.keep(people=[person])
        return build_json_response(self._described(person))

    async def revoke(self, request: Request, body: Any) -> Response:
        """All tokens of the person and of the pages die, as `subcode` (460) says."""
        subcode = int(body.get("subcode", 460))
        return build_json_response({"revoked": self._facebook.tokens.revoke(subcode, person=self._named(request).id)})

    async def remove_app(self, request: Request, _: Any) -> Response:
        """The person removes the app; what the deauthorize callback answered."""
        return build_json_response(await letters.remove_app(self._facebook, self._named(request), self._post))

    async def delete_data(self, request: Request, _: Any) -> Response:
        """The person has the data deleted; what the deletion callback answered."""
        return build_json_response(await letters.delete_data(self._facebook, self._named(request), self._post))

    def _named(self, request: Request) -> Person:
        return self._facebook.people[request.path_params["id"]]

    def _described(self, person: Person) -> dict[str, Any]:
        pages = [_brief(page) for page in self._facebook.pages_of(person)]
        return {**asdict(person), "tokens": self._facebook.tokens.alive(person.id), "pages": pages}


class _Pages:
    def __init__(self, facebook: Facebook) -> None:
        self._facebook = facebook

    def table(self) -> list[tuple[str, str, Handler]]:
        """Method, path and handler."""
        return [
            ("POST", "/pages", self.create),
            ("GET", "/pages", self.show_all),
            ("GET", "/pages/{id}", self.show),
            ("PATCH", "/pages/{id}", self.edit),
            ("DELETE", "/pages/{id}", self.remove),
            ("POST", "/pages/{id}/restore", self.restore),
            ("GET", "/pages/{id}/document", self.document),
            ("DELETE", "/pages/{id}/subscription", self.unsubscribe),
            ("POST", "/pages/{id}/revoke", self.revoke),
            ("POST", "/burst", self.burst),
            ("POST", "/drift", self.drift),
        ]

    async def create(self, _: Request, body: Any) -> Response:
        """`count` pages of that `seed` for `user`, or the first person."""
        people = self._facebook.people
        owner = people[str(body["user"])] if "user" in body else next(iter(people.values()))
        made = self._facebook.add_pages(owner, int(body["count"]), int(body.get("seed", 0)))
        return build_json_response({"pages": [_brief(page) for page in made]}, 201)

    async def show_all(self, request: Request, _: Any) -> Response:
        """All pages, or those of `?user=`."""
        user = request.query_params.get("user")
        found = [page for page in self._facebook.pages.values() if user in (None, page.owner)]
        return build_json_response({"total": len(found), "pages": [_described(page) for page in found]})

    async def show(self, request: Request, _: Any) -> Response:
        """One page, with all that is filled in."""
        return build_json_response(_described(self._named(request)))

    async def edit(self, request: Request, body: Any) -> Response:
        """Set fields, null clears one; fires webhooks."""
        page = self._named(request)
        self._facebook.change([(page, body)])
        return build_json_response(_described(page))

    async def remove(self, request: Request, _: Any) -> Response:
        """The page is gone from now on."""
        return self._kept(request, gone=True)

    async def restore(self, request: Request, _: Any) -> Response:
        """The page is there again."""
        return self._kept(request, gone=False)

    async def unsubscribe(self, request: Request, _: Any) -> Response:
        """Drop the page's subscription behind the app's back."""
        return self._kept(request, subscribed=None)

    async def document(self, request: Request, _: Any) -> Response:
        """The object as it must be, with the default fields or those of `?fields=`."""
        asked = request.query_params.get("fields")
        keys = tuple(asked.split(",")) if asked else truth.KEYS
        return Response(truth.document(self._named(request), keys), media_type="application/json")

    async def revoke(self, request: Request, body: Any) -> Response:
        """All tokens of the page die, as `subcode` (492) says."""
        subcode = int(body.get("subcode", 492))
        return build_json_response({"revoked": self._facebook.tokens.revoke(subcode, page=self._named(request).id)})

    async def burst(self, _: Request, body: Any) -> Response:
        """That many `edits` at once over `pages`: ids, or a number of the pages of `user` or of all."""
        pages = self._chosen(body)
        self._facebook.change(edits.burst(pages, int(body["edits"]), int(body.get("seed", 0))))
        return build_json_response({"edits": int(body["edits"]), "pages": [page.id for page in pages]})

    async def drift(self, _: Request, body: Any) -> Response:
        """Counters and addresses of pictures move, of the same choice of pages as for a burst; nobody is told."""
        pages, rng = self._chosen(body), random.Random(int(body.get("seed", 0)))
        for page in pages:
            edits.drift(page, rng)
        self._facebook.keep(pages=pages)
        return build_json_response({"pages": [page.id for page in pages]})

    def _chosen(self, body: Any) -> list[Page]:
        wanted, user = body.get("pages"), body.get("user")
        if isinstance(wanted, list):
            return [self._facebook.pages[str(number)] for number in wanted]
        found = [page for page in self._facebook.pages.values() if not page.gone and user in (None, page.owner)]
        return found if wanted is None else found[: int(wanted)]

    def _kept(self, request: Request, **values: Any) -> Response:
        page = self._named(request)
        for name, value in values.items():
            setattr(page, name, value)
        self._facebook.keep(pages=[page])
        return build_json_response(_described(page))

    def _named(self, request: Request) -> Page:
        return self._facebook.pages[request.path_params["id"]]


class _Whole:
    def __init__(self, facebook: Facebook, dispatcher: Dispatcher) -> None:
        self._facebook = facebook
        self._dispatcher = dispatcher

    def table(self) -> list[tuple[str, str, Handler]]:
        """Method, path and handler."""
        return [
            ("GET", "/faults", self.faults),
            ("PUT", "/faults", self.misbehave),
            ("GET", "/app", self.app),
            ("PUT", "/app", self.configure),
            ("GET", "/limits", self.limits),
            ("PUT", "/limits", self.limit),
            ("GET", "/subscription", self.subscription),
            ("DELETE", "/subscription", self.unsubscribe),
            ("GET", "/deliveries", self.deliveries),
            ("GET", "/statistics", self.statistics),
            ("DELETE", "/statistics", self.reset),
        ]

    async def faults(self, _: Request, __: Any) -> Response:
        """The faults as they stand."""
        return build_json_response(self._facebook.faults.model_dump())

    async def misbehave(self, _: Request, body: Any) -> Response:
        """These faults and no others."""
        self._facebook.misbehave(Faults(**body))
        return build_json_response(self._facebook.faults.model_dump())

    async def app(self, _: Request, __: Any) -> Response:
        """The app's settings."""
        return build_json_response({"id": self._facebook.app_id, **self._facebook.app.model_dump()})

    async def configure(self, request: Request, body: Any) -> Response:
        """Change those settings that are named."""
        self._facebook.configure(AppSettings(**{**self._facebook.app.model_dump(), **body}))
        return await self.app(request, body)

    async def limits(self, _: Request, __: Any) -> Response:
        """The budgets."""
        return build_json_response(self._facebook.usage.limits.model_dump())

    async def limit(self, _: Request, body: Any) -> Response:
        """These budgets, with nothing used of them."""
        self._facebook.limit(Limits(**body))
        return build_json_response(self._facebook.usage.limits.model_dump())

    async def subscription(self, _: Request, __: Any) -> Response:
        """The app's webhook subscription, or null."""
        found = self._facebook.subscription
        return build_json_response({"subscription": asdict(found) if found is not None else None})

    async def unsubscribe(self, request: Request, body: Any) -> Response:
        """Drop the app's subscription behind its back."""
        self._facebook.subscribe(None)
        return await self.subscription(request, body)

    async def deliveries(self, request: Request, _: Any) -> Response:
        """The newest deliveries, oldest first; `?page=`, `?status=`, `?limit=` (1000)."""
        query = request.query_params
        page, status = query.get("page"), query.get("status")
        found = [d for d in self._dispatcher.log if page is None or page in d.pages]
        found = [d for d in found if status in (None, d.status)]
        newest = found[-int(query.get("limit", "1000")) :]
        shown = [delivery.report() | {"pages": delivery.pages} for delivery in newest]
        return build_json_response({"total": len(found), "deliveries": shown})

    async def statistics(self, _: Request, __: Any) -> Response:
        """What was asked for."""
        pending = {"pending_deliveries": self._dispatcher.count_pending()}
        return build_json_response(self._facebook.statistics.report() | pending)

    async def reset(self, request: Request, body: Any) -> Response:
        """Count from zero."""
        self._facebook.statistics = Statistics()
        return await self.statistics(request, body)


def _brief(page: Page) -> dict[str, str]:
    return {"id": page.id, "name": str(page.fields.get("name", ""))}


def _described(page: Page) -> dict[str, Any]:
    return {
        **_brief(page), "user": page.owner, "fields": page.fields, "picture": picture_url(page),
        "subscribed": page.subscribed, "gone": page.gone,
    }  # fmt: skip
