"""Where a colour is tried before members reach it: one address for both, or one for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Discriminator, Tag

from unioneyes.environments.setting_types import HttpAddress, Section
from unioneyes.ports.traffic import Colour

PLACE = "{colour}"
"""What stands in an address for the colour."""
NOT_TOLD_APART = (
    f'traffic = "selector" takes a preview_url for each colour, for no route picks one by a header: "https://preview-{PLACE}.example.org", '
    'or { blue = "http://...", green = "http://..." }, which lead to the Services unioneyes-web-blue and unioneyes-web-green'
)


def _placed(address: str) -> str:
    if set("{}") & set(address.replace(PLACE, "")):
        message = f"nothing but {PLACE} is put into an address"
        raise ValueError(message)
    return address


PreviewAddress = Annotated[HttpAddress, AfterValidator(_placed)]
"""The same for both, or with the colour in it."""


class PreviewAddresses(Section):
    """One address for each colour, where they differ by more than its name."""

    blue: HttpAddress
    green: HttpAddress


def _kind(said: object) -> str:
    return "addresses" if isinstance(said, dict | PreviewAddresses) else "address"


Preview = Annotated[Annotated[PreviewAddress, Tag("address")] | Annotated[PreviewAddresses, Tag("addresses")], Discriminator(_kind)]


def addresses_by_colour(said: str | PreviewAddresses) -> Mapping[Colour, str]:
    """Return where each colour is tried."""
    if isinstance(said, PreviewAddresses):
        return {Colour.BLUE: said.blue, Colour.GREEN: said.green}
    return {colour: said.replace(PLACE, colour) for colour in Colour}


def tells_apart(said: str | PreviewAddresses) -> bool:
    """Return whether the address alone says which colour is meant."""
    return len(set(addresses_by_colour(said).values())) == len(Colour)


def shown(said: str | PreviewAddresses) -> str:
    """Return it for people."""
    return said if isinstance(said, str) else f"{said.blue} (blue), {said.green} (green)"
