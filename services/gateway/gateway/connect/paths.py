"""The paths at which accounts of a platform are connected, for links and redirects."""

from urllib.parse import quote

from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import Credentials, OAuth


def build_login_path(adapter: PlatformAdapter, account: str) -> str:
    """Return the path at which the merchant of this account signs in; empty where only the operator can connect it."""
    method = adapter.connection_method
    if isinstance(method, OAuth):
        return f"/{adapter.slug}/login" if method.form is None else f"/{adapter.slug}/{quote(account)}/login"
    return get_connect_path(adapter)


def get_connect_path(adapter: PlatformAdapter) -> str:
    """Return the path at which any account of the platform is connected; empty where only the operator can do that."""
    method = adapter.connection_method
    if isinstance(method, OAuth):
        return f"/{adapter.slug}/login"
    return f"/{adapter.slug}/connect" if isinstance(method, Credentials) else ""


def get_login_template(adapter: PlatformAdapter) -> str:
    """Return the path of a login as the home page's JSON shows it.

    Where the path names the account, it has `{account}` in place of the name. It is empty where only the operator can
    connect accounts.
    """
    method = adapter.connection_method
    if isinstance(method, OAuth) and method.form is not None:
        return f"/{adapter.slug}/{{account}}/login"
    return get_connect_path(adapter)


def describe_missing_settings(adapter: PlatformAdapter) -> str:
    """Return a sentence that says which settings a platform needs in order to be configured."""
    names = adapter.manifest.mandatory_settings
    listed = " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)
    return (
        f"{adapter.manifest.title} is not configured here: whoever runs this service sets {listed}, and starts it again"
    )
