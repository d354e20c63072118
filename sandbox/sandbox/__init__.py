"""A Shopify of one's own: OAuth, Admin GraphQL, webhooks and a merchant's page, for whoever has no Shopify shop at
hand.
"""
