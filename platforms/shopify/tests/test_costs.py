"""The rules of costs, on small documents."""

from typing import Any

import pytest
from graphql import parse

from platforms.shopify.costs import compute_page_factor, compute_query_cost


@pytest.mark.parametrize(
    ("page", "factor"), [(0, 0), (1, 1), (2, 1), (3, 2), (7, 3), (10, 4), (50, 7), (100, 9), (244, 10), (250, 11)]
)
def test_a_page_multiplies_by_its_logarithm(page: int, factor: int) -> None:
    assert compute_page_factor(page) == factor


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("{ shop { currencyCode } }", 1),
        ("{ productsCount { count precision } }", 10),
        ("{ locations(first: 20) { edges { node { id name } } pageInfo { hasNextPage } } }", 7),
        ("{ products(first: 250) { edges { node { id } } } }", 13),
        ("{ products(first: 250) { edges { node { id image { url } } } } }", 24),
        ('{ nodes(ids: ["1", "2"]) { __typename ... on A { title } ... on B { c { d } } } }', 2),
        ("{ node(id: 1) { ... on A { amount { amount } } ... on B { c { d } e { f } } } }", 3),
        (
            "{ product { variants(first: 10) { edges { node { levels(first: 3) { edges { node { id } } } } } } } }",
            23,
        ),
        ('mutation { productDelete(input: {id: "1"}) { deletedProductId userErrors { message } } }', 10),
        (
            'mutation { productSet(input: {}) { product { id variants(first: 3) { edges { node { id } } } } } '
            'productUpdate { product { id options { name } } } }',
            25,
        ),
        ("query ($yes: Boolean!) { shop { a @include(if: $yes) { b } c { d } } }", 2),
    ],
)
def test_costs(text: str, points: int) -> None:
    variables: dict[str, Any] = {"yes": False}
    assert compute_query_cost(parse(text), variables) == points
