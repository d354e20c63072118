"""Sample words and sentences for generated records.

Like real ones they contain quotes, umlauts, emoji and scripts other than Latin.
"""

import re
from html import escape, unescape
from random import Random

ADJECTIVES = [
    "Classic",
    "Organic",
    "Café",
    "Ünique",
    "Slim-Fit",
    "“Vintage”",
    "Waterproof",
    "Handmade",
    "Großer",
    "Kids'",
    "Ligero",
    "新款",
]
MATERIALS = ["Cotton", "Wool", "Léather", "Bamboo", "Steel", "Ceramic", "Recycled", "Oak", "Linen", "Glass"]
NOUNS = [
    "T-Shirt",
    "Mug",
    "Backpack",
    "Lamp",
    "Sneaker",
    "Notebook",
    "Blanket",
    "Bottle",
    "Jacket",
    "Chair",
    'Hat "Björn"',
    "Teekanne",
]
VENDORS = ["Acme", "Nordström & Søn", "O'Neill", "東京工房", "Levain", "Muster GmbH", "Casa Ñandú", "Basics"]
TYPES = ["Apparel", "Kitchen", "Bags", "Lighting", "Shoes", "Stationery", "Home", ""]
TAGS = [
    "new",
    "sale",
    "summer",
    "winter",
    "vegan",
    "limited",
    "bestseller",
    "gift",
    "été",
    "50% off",
    "bio",
    "clearance",
]
CATEGORIES = [
    "Apparel & Accessories > Clothing > Shirts & Tops",
    "Home & Garden > Kitchen & Dining > Tableware > Drinkware > Mugs",
    "Luggage & Bags > Backpacks",
    "Home & Garden > Lighting > Lamps",
    None,
]
CITIES = [("Berlin", "DE"), ("Toronto", "CA"), ("São Paulo", "BR"), ("Lyon", "FR"), ("Austin", "US"), ("大阪", "JP")]
SENTENCES = [
    "Made to be used every day and to look better for it.",
    "Our customers say: “It simply lasts” - and we have been making it since 1987.",
    "Wash at 30°C, do not tumble dry; iron on the reverse side if you must.",
    "Gefertigt in kleinen Auflagen, größtenteils von Hand, in unserer Werkstatt in Görlitz.",
    "Fits true to size; between two sizes we'd take the larger one.",
    "Un cadeau idéal : livré dans une boîte en carton recyclé, prête à offrir.",
    "The seams are double-stitched, the hardware is solid brass & nothing rattles.",
    "軽くて丈夫、毎日の持ち歩きに最適です。",
    'Dimensions: 32 × 24 × 11 cm (12.6" × 9.4" × 4.3"), weight 480 g.',
    "Free of PFAS, BPA and other things nobody wants near their skin.",
    "Each piece is numbered inside; small differences in colour are what natural dyes do.",
    "Repairs are free for three years: send it back, we'll mend it and return it within a week 🧵.",
    "The fabric is woven from long-staple fibre that keeps its shape after hundreds of washes.",
    "Designed together with people who carry too much, walk too far and never read the label.",
    "Spare parts are in stock for ten years, from the smallest screw to the whole handle.",
    "Shipped without plastic, from the warehouse nearest to you, usually within two days.",
]


def choose_title(rng: Random) -> str:
    """Choose random words for the title of a product."""
    return " ".join(words[int(rng.random() * len(words))] for words in (ADJECTIVES, MATERIALS, NOUNS))


def choose_sentences(rng: Random, character_count: int) -> list[int]:
    """Choose random indexes of `SENTENCES`. Their sentences have roughly `character_count` characters in total."""
    count = rng.randrange(character_count // 105, character_count // 55 + 2)
    return [int(rng.random() * len(SENTENCES)) for _ in range(count)]


def render_plain_text(text: str | list[int]) -> str:
    """Render a description as plain text. `text` is either the text itself or indexes of `SENTENCES`."""
    return text if isinstance(text, str) else " ".join([SENTENCES[n] for n in text])


def render_html(text: str | list[int]) -> str:
    """Render a description as HTML, with a paragraph for each sentence.

    `text` is either the text itself, which becomes one paragraph, or indexes of `SENTENCES`.
    """
    parts = [text] if isinstance(text, str) else [SENTENCES[n] for n in text]
    return "".join([f"<p>{escape(part)}</p>" for part in parts])


def strip_html(html: str) -> str:
    """Return the text of an HTML description, without tags, and with one space where there is any white space."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def choose_tags(rng: Random) -> list[str]:
    """Choose up to four random tags, and return them sorted."""
    return sorted({TAGS[int(rng.random() * len(TAGS))] for _ in range(int(rng.random() * 5))})


def build_handle(name: str, number: int) -> str:
    """Build a handle, the part of a URL that stands for `name`. `number` makes the handle unique."""
    slug = "".join(c if c.isalnum() and c.isascii() else "-" for c in name.lower())
    return f"{'-'.join(part for part in slug.split('-') if part)}-{number}"
