"""Two platforms for these tests, one connected by credentials and one by client credentials, both without webhooks."""

from collections.abc import Iterable, Mapping, Sequence

from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import CredentialField
from platform_sdk.errors import PermanentError, RequestRejectedError, TokenRejectedError, TransientError
from platform_sdk.grants import Grant
from platform_sdk.manifests import Manifest, Setting

WAREHOUSE_MANIFEST = Manifest(slug="warehouse", title="Warehouse", account_noun="database")
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


class FakeWarehouse:
    """Databases by name, each with a user's password."""

    fields: Sequence[CredentialField] = (
        CredentialField("database", "Database", hint="its name"),
        CredentialField("password", "Password", secret=True),
    )

    def __init__(self) -> None:
        self.api = FakeApi()
        self.passwords = {"stock": "a password of the warehouse"}
        self.down = False
        self.checks = 0

    async def check_credentials(self, values: Mapping[str, str]) -> Mapping[str, Grant]:
        self.checks += 1
        if self.down:
            raise TransientError("Warehouse does not answer")
        if self.passwords.get(values["database"]) != values["password"]:
            raise RequestRejectedError(400, "Password is not the one of this database")
        self.api.valid_tokens.add(values["password"])
        return {values["database"]: Grant(values["password"], ("read_rows",), 1_000, title="The stock")}

    def create_adapter(self) -> PlatformAdapter:
        return PlatformAdapter(
            manifest=WAREHOUSE_MANIFEST,
            is_configured=True,
            connection_method=self,
            accounts=FakeAccounts("warehouse"),
            api=self.api,
        )


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
