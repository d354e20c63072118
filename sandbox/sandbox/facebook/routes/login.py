"""The dialog of Facebook Login."""

from urllib.parse import urlencode, urlsplit

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.facebook import login
from sandbox.facebook.model import Person
from sandbox.facebook.state import Facebook

_CANCELLED = {
    "error": "access_denied", "error_code": "200", "error_description": "Permissions error",
    "error_reason": "user_denied",
}  # fmt: skip


def routes(facebook: Facebook, templates: Environment) -> list[Route]:
    """`/facebook/{version}/dialog/oauth`."""
    dialog = _Dialog(facebook, templates)
    made = []
    for path in ("/facebook/{version}/dialog/oauth", "/facebook/dialog/oauth"):
        made.append(Route(path, dialog.show, methods=["GET"]))
        made.append(Route(path, dialog.decide, methods=["POST"]))
    return made


class _Dialog:
    def __init__(self, facebook: Facebook, templates: Environment) -> None:
        self._facebook = facebook
        self._templates = templates

    async def show(self, request: Request) -> Response:
        """The page that asks `?user=`, or the first person there is: which pages, which permissions."""
        params = dict(request.query_params)
        asked, person = login.question(params), self._person(params)
        problem = asked.problem(self._facebook)
        if problem is not None or person is None:
            return self._refused(problem or "There is no such person.")
        page = self._templates.get_template("facebook_consent.html").render(
            person=person, others=[other for other in self._facebook.people.values() if other is not person],
            pages=self._facebook.pages_of(person), scopes=asked.asked_of(person), app=self._facebook.app.name,
            action=f"?{request.url.query}", query=request.url.query,
        )  # fmt: skip
        return HTMLResponse(page)

    async def decide(self, request: Request) -> Response:
        """The person's `decision`, accept or decline; `pages` and `declined` by comma or as repeated fields, all pages
        without `pages`, and of the permissions that the form of a browser `asked` for those `allowed`.
        """
        form = await request.form()
        fields = {key: [str(value) for value in form.getlist(key)] for key in form}
        params = dict(request.query_params) | {key: values[-1] for key, values in fields.items()}
        asked, person = login.question(dict(request.query_params)), self._person(params)
        problem = asked.problem(self._facebook)
        if problem is not None or person is None:
            return self._refused(problem or "There is no such person.")
        answer = {"state": params["state"]} if "state" in params else {}
        if params.get("decision") != "accept":
            return _back(asked.redirect_uri, _CANCELLED | answer)
        every = [page.id for page in self._facebook.pages_of(person)]
        pages = _words(fields["pages"]) if "pages" in fields else every
        declined = {*_words(fields.get("declined", []))}
        declined |= {*_words(fields.get("asked", []))} - {*_words(fields.get("allowed", []))}
        code = login.agree(self._facebook, person, asked, pages, declined)
        return _back(asked.redirect_uri, {"code": code} | answer)

    def _person(self, params: dict[str, str]) -> Person | None:
        people = self._facebook.people
        return people.get(params["user"]) if "user" in params else next(iter(people.values()))

    def _refused(self, problem: str) -> Response:
        return HTMLResponse(self._templates.get_template("refused.html").render(problem=problem), 400)


def _words(values: list[str]) -> list[str]:
    return [word.strip() for value in values for word in value.split(",") if word.strip()]


def _back(redirect_uri: str, answer: dict[str, str]) -> Response:
    joined = f"{redirect_uri}{'&' if urlsplit(redirect_uri).query else '?'}{urlencode(answer)}"
    return RedirectResponse(f"{joined}#_=_", status_code=302)
