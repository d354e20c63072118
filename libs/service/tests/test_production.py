"""Values that production refuses, and generated secrets, which it never does."""

from base64 import b32encode, b64encode, urlsafe_b64encode
from collections.abc import Callable
from random import Random

import pytest

from service.known_settings import OWN_SETTINGS, list_setting_errors
from service.production import MIN_SECRET_BITS, check_secret, estimate_bits

GENERATORS: dict[str, Callable[[bytes], str]] = {
    "hex": bytes.hex,
    "base64": lambda random: b64encode(random).decode(),
    "urlsafe": lambda random: urlsafe_b64encode(random).rstrip(b"=").decode(),
    "base32": lambda random: b32encode(random).decode(),
}
STRONG = "9f86d081884c7d659a2feaa0c55ad015"


@pytest.mark.parametrize("size", [16, 24, 32, 64])
@pytest.mark.parametrize("form", GENERATORS)
def test_a_generated_secret_always_passes(form: str, size: int) -> None:
    random = Random(f"{form} {size}")
    generated = [GENERATORS[form](random.randbytes(size)) for _ in range(3_000)]

    assert [value for value in generated if check_secret(value)] == []
    # None even comes near the limit, so that one in millions does not either.
    assert min(estimate_bits(value) for value in generated) > MIN_SECRET_BITS + 5


@pytest.mark.parametrize(
    "weak",
    [
        *("tiny", "k" * 64, "k" * 16 + "s" * 16, "ab" * 20, "abc123" * 8, "0123456789abcdef" * 2, "1234567890" * 4),
        *("changeme-changeme-changeme-changeme", "your-secret-goes-here-please", "correct-horse-battery-staple"),
        *("my-super-secret-key-for-merchant-sync", "password12345678password12345678", "Passw0rd!" * 4),
        *("qwertyuiopasdfghjklzxcvbnm123456", "deadbeef" * 4, "aabbccddeeffgghhiijjkkllmmnnoopp", "given"),
    ],
)
def test_a_weak_secret_is_refused_without_being_shown(weak: str) -> None:
    reason = check_secret(weak)

    assert reason is not None
    assert weak not in reason


def refuse(**given: str) -> list[str]:
    return list(list_setting_errors({"MERCHANT_SYNC_ENV": "production", **given}, OWN_SETTINGS))


@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [
        ("CORS_ALLOWED_ORIGINS", "https://a.example,http://b.example", "https://a.example, https://b.example"),
        ("STATE_TOKEN_SECRET", "k" * 32, STRONG),
        ("GATEWAY_KEY", "an-internal-key-of-mine", STRONG),
        ("TOKEN_ENCRYPTION_KEYS", "k1:" + b64encode(b"k" * 32).decode(), f"k1:{STRONG}"),
        (
            "DATA_API_KEYS",
            "bot:a-secret-of-mine-to-change",
            f"bot:{STRONG} site:{STRONG[::-1]}:shop-platform:acme.example",
        ),
        ("DATA_API_REPLICA_URL", "postgresql://u:postgres@h/d", f"postgresql://u:{STRONG}@h/d"),
        ("KAFKA_PASSWORD", "kafka", STRONG),
        ("SPACES_SECRET_KEY", "minioadmin", STRONG),
        ("DATABASE_URL", "postgresql://u:postgres@h/d", f"postgresql://u:{STRONG}@h/d?sslmode=verify-full"),
        ("DATABASE_URL", "postgresql://u:%70ostgres@h/d", "postgresql://u@h/d"),
    ],
)
def test_production_names_the_setting_that_it_refuses(name: str, bad: str, good: str) -> None:
    (error,) = refuse(**{name: bad})

    assert error.startswith(f"{name}: ")
    assert bad not in error
    assert refuse(**{name: good}) == []


@pytest.mark.parametrize("name", ["SANDBOX_URL", "SANDBOX_RELAYED", "SANDBOX_PUBLIC_URL"])
def test_production_has_no_sandbox(name: str) -> None:
    assert refuse(**{name: "https://sandbox.example"}) == [f"{name}: production has no sandbox: leave it out"]
    assert refuse(**{name: ""}) == []


def test_production_looks_at_every_variable_and_others_only_at_what_looks_like_ours() -> None:
    assert refuse(SPACES_BUCKT="mine")[0].startswith("SPACES_BUCKT: is not a setting, SPACES_BUCKET is one")
    assert list(list_setting_errors({"SPACES_BUCKT": "mine"}, OWN_SETTINGS)) == []
    assert refuse(SCHEDULER_DATABASE_URL_FILE="/etc/url") == [], "the path of a secret's file"
    assert refuse(HOME="/", HOSTNAME="x", KUBERNETES_SERVICE_HOST="10.0.0.1", GATEWAY_SERVICE_HOST="10.0.0.2") == []
