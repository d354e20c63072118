"""The page about links has the fields and settings that there are."""

import re
from pathlib import Path

from linking.fields import DEFAULT_RULES, FIELDS, Authority, Group
from linking.settings import LinkSettings

PAGE = (Path(__file__).parents[3] / "docs" / "links.md").read_text()


def list_rows(heading: str) -> list[list[str]]:
    """The cells of each row of the tables under a heading."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| (.*) \|$", section, re.MULTILINE)
    return [[cell.strip("` ") for cell in line.split(" | ")] for line in lines]


def test_every_shared_field_is_described_with_its_group_and_kind() -> None:
    rows = [(row[0], row[3], row[4]) for row in list_rows("What is shared") if len(row) == 5 and row[0] != "field"]
    assert rows == [(one.name, one.group.value, one.kind.value) for one in FIELDS]


def test_authority_is_where_the_page_says() -> None:
    assert "Authority is with Odoo, unless the link says otherwise; with Shopify for `status`." in PAGE
    assert {group for group, rule in DEFAULT_RULES.items() if rule.authority is Authority.SHOPIFY} == {Group.STATUS}
    assert {rule.authority for rule in DEFAULT_RULES.values()} == {Authority.SHOPIFY, Authority.ODOO}


def test_every_setting_is_described() -> None:
    assert [row[0] for row in list_rows("Settings")[1:]] == list(LinkSettings.model_fields)
