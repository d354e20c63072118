"""The person's own pages: what is on them to edit with plain forms, and leave to take of the app."""

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.facebook import callbacks as letters
from sandbox.facebook.callbacks import Post
from sandbox.facebook.model import Page, Person
from sandbox.facebook.state import Facebook

_PER_PAGE = 25
_TEXTS = ("name", "phone", "about", "website", "description", "category")
_LEAVES = {"remove_app": letters.remove_app, "delete_data": letters.delete_data}


def routes(facebook: Facebook, templates: Environment, post: Post) -> list[Route]:
    """`/facebook/` lists people, `/facebook/users/{id}/` is a person's page; forms post below it and come back."""
    pages = _Pages(facebook, templates, post)
    return [
        Route("/facebook/", pages.index, methods=["GET"]),
        Route("/facebook/users/{id}/", pages.show, methods=["GET"]),
        Route("/facebook/users/{id}/{leave}", pages.leave, methods=["POST"]),
        Route("/facebook/pages/{id}/save", pages.save, methods=["POST"]),
    ]


class _Pages:
    def __init__(self, facebook: Facebook, templates: Environment, post: Post) -> None:
        self._facebook = facebook
        self._templates = templates
        self._post = post

    async def index(self, _: Request) -> Response:
        """Everybody; a single person's page at once."""
        people = list(self._facebook.people.values())
        if len(people) == 1:
            return self._person_of(people[0].id)
        pages = {person.id: len(self._facebook.pages_of(person)) for person in people}
        return HTMLResponse(self._templates.get_template("facebook.html").render(people=people, pages=pages))

    async def show(self, request: Request) -> Response:
        """One person's pages; `?page=` and `?find=` a word of the name."""
        person = self._facebook.people.get(request.path_params["id"])
        if person is None:
            return self._missing()
        word, asked = request.query_params.get("find", ""), request.query_params.get("page", "1")
        page = max(1, int(asked)) if asked.isdigit() else 1
        return HTMLResponse(self._render(person, word, page))

    async def leave(self, request: Request) -> Response:
        """The person removes the app, or has the data deleted."""
        person, act = self._facebook.people.get(request.path_params["id"]), _LEAVES.get(request.path_params["leave"])
        if person is None or act is None:
            return self._missing()
        await act(self._facebook, person, self._post)
        return self._person_of(person.id)

    async def save(self, request: Request) -> Response:
        """Set what the form holds; `email` by comma."""
        page: Page | None = self._facebook.pages.get(request.path_params["id"])
        if page is None:
            return self._missing()
        form = {key: str(value).replace("\r\n", "\n").strip() for key, value in (await request.form()).items()}
        values: dict[str, object] = {name: form[name] for name in _TEXTS if name in form}
        if "email" in form:
            values["emails"] = [word.strip() for word in form["email"].split(",") if word.strip()]
        try:
            self._facebook.change([(page, values)])
        except ValueError as error:
            return self._refused(str(error), 400)
        return self._person_of(page.owner)

    def _person_of(self, user: str) -> Response:
        return RedirectResponse(f"{self._templates.globals['base']}/facebook/users/{user}/", status_code=303)

    def _render(self, person: Person, word: str, page: int) -> str:
        own = self._facebook.pages_of(person)
        found = [one for one in own if word.lower() in str(one.fields.get("name", "")).lower()]
        shown = found[(page - 1) * _PER_PAGE : page * _PER_PAGE]
        return self._templates.get_template("facebook_user.html").render(
            person=person, shown=shown, total=len(found), page=page, pages=-(-len(found) // _PER_PAGE), word=word,
            app=self._facebook.app.name,
        )  # fmt: skip

    def _missing(self) -> Response:
        return self._refused("This is not here.", 404)

    def _refused(self, problem: str, status: int) -> Response:
        return HTMLResponse(self._templates.get_template("refused.html").render(problem=problem), status)
