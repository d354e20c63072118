"""The paths at which accounts of a platform are connected or proved, for links and redirects."""

from urllib.parse import quote

from gateway.connect.purposes import Purpose
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import Credentials, OAuth

_OAUTH_PATHS = {Purpose.CONNECT: "login", Purpose.PROVE: "prove"}
_FORM_PATHS = {Purpose.CONNECT: "connect", Purpose.PROVE: "prove"}


def build_sign_in_path(adapter: PlatformAdapter, account: str, purpose: Purpose) -> str:
    """Return the path of a sign-in at this account; empty where only the operator can connect accounts."""
    method = adapter.connection_method
    if isinstance(method, OAuth) and method.form is not None:
        return f"/{adapter.slug}/{quote(account)}/{_OAUTH_PATHS[purpose]}"
    return get_sign_in_path(adapter, purpose)


def get_sign_in_path(adapter: PlatformAdapter, purpose: Purpose) -> str:
    """Return the path of a sign-in at any account of the platform.

    It is empty where only the operator can connect accounts.
    """
    method = adapter.connection_method
    if isinstance(method, OAuth):
        return f"/{adapter.slug}/{_OAUTH_PATHS[purpose]}"
    return f"/{adapter.slug}/{_FORM_PATHS[purpose]}" if isinstance(method, Credentials) else ""


def get_choice_path(adapter: PlatformAdapter) -> str:
    """Return the path to which the page with offered accounts sends its form."""
    return f"{get_sign_in_path(adapter, Purpose.CONNECT)}/accounts"


def get_login_template(adapter: PlatformAdapter) -> str:
    """Return the path of a login as the home page's JSON shows it.

    Where the path names the account, it has `{account}` in place of the name. It is empty where only the operator can
    connect accounts.
    """
    method = adapter.connection_method
    if isinstance(method, OAuth) and method.form is not None:
        return f"/{adapter.slug}/{{account}}/login"
    return get_sign_in_path(adapter, Purpose.CONNECT)


def describe_missing_settings(adapter: PlatformAdapter) -> str:
    """Return a sentence that says which settings a platform needs in order to be configured."""
    names = adapter.manifest.mandatory_settings
    listed = " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)
    return (
        f"{adapter.manifest.title} is not configured here: whoever runs this service sets {listed}, and starts it again"
    )
