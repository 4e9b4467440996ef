"""What the API takes."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from unioneyes.console.api import SmokeTest

ADDRESSES = ["http://127.0.0.1:8181", "https://members.example.org", "http://[::1]:80/below", "http://xn--bcher-kva.example/"]
NONE = [
    *("", "ftp://a", "http://", "http:///a", "http://:80", "http://a b", "http://a\n", "http://a..b", f"http://{'a' * 64}.example", "http://999.1.1.1/"),
    *("http://[zz]/", "http://a:99999", "http://a:0", "http://a:port", "http://b\u00fccher.example", "https://127.0.0.1:9?Qn\u00e8\u0092\u0002"),
]


@pytest.mark.parametrize("url", ADDRESSES)
def test_an_address_is_taken(url: str) -> None:
    assert SmokeTest(url=url).url == url


@pytest.mark.parametrize("url", NONE)
def test_what_no_program_can_ask_is_refused_before_one_tries(url: str) -> None:
    with pytest.raises(ValidationError):
        SmokeTest(url=url)
