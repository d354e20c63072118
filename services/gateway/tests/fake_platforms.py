"""Platforms for these tests, connected by credentials or by client credentials, all without webhooks."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import (
    AccountOffer,
    AccountOffers,
    ChosenAccount,
    CredentialField,
    OfferOption,
    check_choice,
)
from platform_sdk.errors import PermanentError, RequestRejectedError, TokenRejectedError, TransientError
from platform_sdk.grants import Grant, SharedLogin
from platform_sdk.manifests import Manifest, Setting

WAREHOUSE_MANIFEST = Manifest(
    slug="warehouse", title="Warehouse", account_noun="database", account_pattern="[A-Za-z0-9./~-]{1,200}"
)
LIBRARY_MANIFEST = Manifest(
    slug="library", title="Library", account_noun="shelf", account_pattern=r"[a-z0-9.]+(/[A-Za-z0-9._~-]+)+"
)
OFFICE_MANIFEST = Manifest(
    slug="office",
    title="Office",
    account_noun="company",
    settings=(Setting("OFFICE_CLIENT_ID", required=True), Setting("OFFICE_CLIENT_SECRET", required=True)),
)


class FakeAccounts:
    """Accounts whose addresses follow from their names."""

    def __init__(self, slug: str) -> None:
        self._slug = slug

    def build_account_url(self, account: str) -> str:
        return f"https://{self._slug}.test/{account}"

    def parse_record_id(self, account: str, resource: str, text: str) -> str | None:
        return text if resource == "rows" else None

    def find_missing_scopes(self, granted: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        return {}


class FakeApi:
    """An API whose tokens are valid until they are revoked."""

    def __init__(self) -> None:
        self.valid_tokens: set[str] = set()

    async def refresh_grant(self, account: str, refresh_token: str) -> Grant:
        raise TokenRejectedError

    async def is_token_valid(self, account: str, token: str) -> bool:
        return token in self.valid_tokens

    async def fetch_scopes(self, account: str, token: str) -> tuple[str, ...]:
        return ()

    async def uninstall(self, account: str, token: str) -> None:
        self.valid_tokens.discard(token)


class FakeHints:
    """Hints whose body is the id of a row."""

    def parse_records(self, body: bytes) -> Mapping[str, tuple[str, ...]]:
        return {"rows": (body.decode(),)} if body else {}


class FakeWarehouse:
    """Databases by name, each with a user's password."""

    fields: Sequence[CredentialField] = (
        CredentialField("database", "Database", hint="its name"),
        CredentialField("password", "Password", secret=True),
    )

    def __init__(self) -> None:
        self.api = FakeApi()
        self.passwords = dict.fromkeys(("stock", "depot.test/1/sho~20p/keys"), "a password of the warehouse")
        self.down = False
        self.checks = 0
        self.readable_until: int | None = None

    async def check_credentials(self, values: Mapping[str, str]) -> Mapping[str, Grant]:
        self.checks += 1
        if self.down:
            raise TransientError("Warehouse does not answer")
        if self.passwords.get(values["database"]) != values["password"]:
            raise RequestRejectedError(400, "Password is not the one of this database")
        self.api.valid_tokens.add(values["password"])
        grant = Grant(values["password"], ("read_rows",), 1_000, title="The stock", readable_until=self.readable_until)
        return {values["database"]: grant}

    def create_adapter(self) -> PlatformAdapter:
        return PlatformAdapter(
            manifest=WAREHOUSE_MANIFEST,
            is_configured=True,
            connection_method=self,
            accounts=FakeAccounts("warehouse"),
            api=self.api,
            hints=FakeHints(),
        )


class FakeLibrary:
    """A library whose readers each see all shelves, by one login, and choose some of them.

    A shelf's own part of the token is its name and its options.
    """

    fields: Sequence[CredentialField] = (
        CredentialField("reader", "Reader"),
        CredentialField("password", "Password", secret=True),
        CredentialField("floor", "Floor", hint="the number of the floor", default="1"),
        CredentialField("desk", "Desk", required=False),
    )

    def __init__(self) -> None:
        self.api = FakeApi()
        self.passwords = {"rita": "a password of the library"}
        self.shelves = {f"library.test/{name}": name.title() for name in ("art", "law", "maps")}
        self.refusals = {"library.test/maps": "it is being repaired"}
        self.remarks: tuple[str, ...] = ("This reader may also write. Use one that may only read.",)
        self.own_accounts: FakeOwnShelves | None = None
        self.checks: list[Mapping[str, str]] = []
        self.down = False

    async def check_credentials(self, values: Mapping[str, str]) -> Mapping[str, Grant]:
        return self.build_grants(self._check(values), self.shelves)

    async def list_offers(self, values: Mapping[str, str]) -> AccountOffers:
        self._check(values)
        return AccountOffers(tuple(map(self._build_offer, self.shelves)), self.remarks)

    async def grant_chosen(self, values: Mapping[str, str], chosen: Sequence[ChosenAccount]) -> Mapping[str, Grant]:
        login = self._check(values)
        check_choice(await self.list_offers(values), chosen)
        grants = self.build_grants(login, [one.account for one in chosen])
        options = {one.account: one.options for one in chosen}
        return {
            shelf: replace(grant, access_token=json.dumps([shelf, options[shelf]])) for shelf, grant in grants.items()
        }

    def build_grants(self, login: str, shelves: Iterable[str]) -> dict[str, Grant]:
        return {
            shelf: Grant(shelf, ("read_rows",), 1_000, title=self.shelves[shelf], login=SharedLogin(login))
            for shelf in shelves
        }

    def create_adapter(self) -> PlatformAdapter:
        return PlatformAdapter(
            manifest=LIBRARY_MANIFEST,
            is_configured=True,
            connection_method=self,
            accounts=FakeAccounts("library"),
            api=self.api,
            own_accounts=self.own_accounts,
        )

    def _build_offer(self, shelf: str) -> AccountOffer:
        return AccountOffer(
            shelf,
            self.shelves[shelf],
            remarks=("It has <b>many</b> books.",),
            refusal=self.refusals.get(shelf, ""),
            options=(
                OfferOption("order", "Order of the books", ("by title", "by author")),
                OfferOption("left_out", "Left out", ("prices", "names"), hint="Columns.", is_multiple=True),
            ),
            is_proposed=shelf == "library.test/art",
        )

    def _check(self, values: Mapping[str, str]) -> str:
        self.checks.append(values)
        if self.down:
            raise TransientError("Library does not answer")
        if self.passwords.get(values["reader"]) != values["password"]:
            raise RequestRejectedError(400, "Password is not this reader's")
        return f"{values['reader']}:{values['password']}"


class FakeOwnShelves:
    """The shelves that the settings of an installation name."""

    def __init__(self, library: FakeLibrary, *shelves: str) -> None:
        self.library = library
        self.shelves = shelves
        self.merchant: UUID | None = None
        self.login = "own:a password of the installation"
        self.error: Exception | None = None
        self.requests = 0

    async def request_grants(self) -> Mapping[str, Grant]:
        self.requests += 1
        if self.error is not None:
            raise self.error
        return self.library.build_grants(self.login, self.shelves)


class FakeOffice:
    """An organisation whose own app may read some of its companies."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.companies = ("north", "south")
        self.is_configured = True
        self.refusal = ""

    async def request_grants(self) -> Mapping[str, Grant]:
        if self.refusal:
            raise PermanentError(self.refusal)
        return {name: Grant(f"office-token-{name}", (), 1_000, title=name.title()) for name in self.companies}

    def create_adapter(self) -> PlatformAdapter:
        return PlatformAdapter(
            manifest=OFFICE_MANIFEST,
            is_configured=self.is_configured,
            connection_method=self,
            accounts=FakeAccounts("office"),
            api=self.api,
        )
