"""Builds the JSON about accounts from which some are chosen to be connected."""

from collections.abc import Collection

from pydantic import Field

from gateway.pages.responses import ResponseModel
from platform_sdk.connection_methods import AccountOffer, AccountOffers


class OfferOptionDocument(ResponseModel):
    """Something that may be chosen for an account: one of `choices` or none, with `is_multiple` several."""

    name: str
    label: str
    hint: str
    choices: list[str]
    is_multiple: bool


class AccountOfferDocument(ResponseModel):
    """An account that the credentials give access to."""

    account: str
    title: str
    remarks: list[str]
    refusal: str = Field(description="Why it cannot be connected; empty where it can")
    options: list[OfferOptionDocument]
    is_proposed: bool
    is_connected: bool = Field(description="It is connected already, and this browser has signed in at it")


class AccountsOffered(ResponseModel):
    """The accounts that accepted credentials give access to. Nothing is stored of them."""

    offers: list[AccountOfferDocument]
    remarks: list[str]


def build_offered_document(offers: AccountOffers, connected: Collection[str]) -> AccountsOffered:
    """Return the JSON document of these offers. `connected` are those of the accounts that are connected already."""
    return AccountsOffered(
        offers=[_build_offer_document(offer, is_connected=offer.account in connected) for offer in offers.offers],
        remarks=list(offers.remarks),
    )


def _build_offer_document(offer: AccountOffer, *, is_connected: bool) -> AccountOfferDocument:
    return AccountOfferDocument(
        account=offer.account,
        title=offer.title,
        remarks=list(offer.remarks),
        refusal=offer.refusal,
        options=[
            OfferOptionDocument(
                name=option.name,
                label=option.label,
                hint=option.hint,
                choices=list(option.choices),
                is_multiple=option.is_multiple,
            )
            for option in offer.options
        ],
        is_proposed=offer.is_proposed,
        is_connected=is_connected,
    )
