"""Generates Facebook Pages, and the ids of Facebook users. The same owner, seed and index always give the same page."""

from random import Random
from typing import Any

from sandbox import sample_texts
from sandbox.facebook.model import Page

_CATEGORIES = [
    ("Clothing (Brand)", "2209"), ("Coffee Shop", "197871390225897"), ("Furniture Store", "186230924744328"),
    ("Café", "197871390225898"), ("Local Business", "2500"), ("Product/Service", "2201"),
]  # fmt: skip
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat")


def generate_person_id(index: int) -> str:
    """Generate the id of the user with the number `index`. The first user has the number 0.

    The id is app-scoped: it names the user to this app only.
    """
    return f"24{10**13 + index * 7_919}"


def generate_page(owner: str, seed: int, index: int) -> Page:
    """Generate the Facebook Page with the number `index` of the user with the id `owner`.

    The same owner, seed and index always give the same page. Some optional fields have no value.
    """
    rng = Random(f"{owner}:{seed}:{index}")
    number = f"1{rng.randrange(10**13, 10**14)}"
    name = f"{rng.choice(sample_texts.ADJECTIVES)} {rng.choice(sample_texts.NOUNS)} {rng.choice(sample_texts.VENDORS)}"
    category, category_id = rng.choice(_CATEGORIES)
    handle = f"{sample_texts.build_handle(name, index)}.{number[-6:]}"
    fields: dict[str, Any] = {
        "name": name,
        "category": category,
        "category_list": [{"id": category_id, "name": category}],
        "link": f"https://www.facebook.com/{handle}",
        "verification_status": rng.choice(["not_verified", "not_verified", "blue_verified"]),
        "is_published": True,
        "fan_count": rng.randrange(50_000),
        "followers_count": rng.randrange(60_000),
        "has_transitioned_to_new_page_experience": True,
    }
    optional: dict[str, Any] = {
        "username": handle,
        "about": rng.choice(sample_texts.SENTENCES),
        "bio": rng.choice(sample_texts.SENTENCES),
        "description": sample_texts.render_plain_text(sample_texts.choose_sentences(rng, 300)),
        "website": f"https://{handle}.example/",
        "phone": f"+49 30 {rng.randrange(10**6, 10**7)}",
        "emails": [f"hello@{handle}.example", f"press@{handle}.example"][: rng.randrange(1, 3)],
        "hours": {f"{day}_1_{edge}": at for day in _DAYS for edge, at in (("open", "09:00"), ("close", "18:30"))},
        "location": _generate_location(rng),
        "overall_star_rating": round(rng.uniform(2.5, 5), 1),
        "rating_count": rng.randrange(900),
    }
    fields |= {key: value for key, value in optional.items() if rng.random() < 0.8}
    if "location" in fields:
        fields["single_line_address"] = format_address(fields["location"])
    return Page(number, owner, fields)


def format_address(location: dict[str, Any]) -> str:
    """Format the street, city, zip code and country of a Facebook Page's location as an address on one line."""
    parts = (location.get(name) for name in ("street", "city", "zip", "country"))
    return ", ".join(str(part) for part in parts if part)


def _generate_location(rng: Random) -> dict[str, Any]:
    city, country = rng.choice(sample_texts.CITIES)
    return {
        "street": f"Größe Straße {rng.randrange(1, 200)}", "city": city, "country": country,
        "zip": f"{rng.randrange(10_000, 99_999)}", "latitude": round(rng.uniform(-60, 60), 6),
        "longitude": round(rng.uniform(-180, 180), 6),
    }  # fmt: skip
