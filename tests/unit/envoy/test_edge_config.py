"""What stands in Envoy's files of the edge."""

from __future__ import annotations

import json
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.adapters.envoy.config import Guards, bootstrap
from unioneyes.adapters.envoy.edge_config import (
    DENY,
    LIMIT,
    deny_document,
    edge_answers,
    edge_filters,
    limit_document,
    read_denied,
    read_document,
    read_limit,
    read_running,
)
from unioneyes.ports.edge import UNITS, Network, RateLimit, collapsed

LIMITS = st.none() | st.builds(RateLimit, requests=st.integers(1, 999_999_999), per=st.sampled_from(sorted(UNITS)))
V4 = st.tuples(st.integers(0, 2**32 - 1), st.integers(8, 32)).map(lambda drawn: IPv4Network(drawn, strict=False))
V6 = st.tuples(st.integers(0, 2**128 - 1), st.integers(16, 128)).map(lambda drawn: IPv6Network(drawn, strict=False))


@given(LIMITS)
def test_the_limit_that_was_written_is_the_one_that_is_read(limit: RateLimit | None) -> None:
    version, said = read_document(json.dumps(limit_document(limit, version="7")))
    assert (version, read_limit(said)) == ("7", limit)


@given(st.lists(V4 | V6))
def test_the_list_that_was_written_is_the_one_that_is_read(networks: list[Network]) -> None:
    version, said = read_document(json.dumps(deny_document(networks, version="7")))
    assert (version, read_denied(said)) == ("7", collapsed(networks))


@pytest.mark.parametrize("document", ["", "{}", "null", '{"version_info": "1", "resources": []}', '{"version_info": "1", "resources": "none"}'])
def test_a_file_of_another_form_is_refused(document: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - pydantic's, or our own
        read_document(document)


@pytest.mark.parametrize("dump", ["", "null", '{"configs": [{"version_info": "1"}]}'])
def test_filters_that_are_shown_in_another_form_are_refused(dump: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        read_running(dump)


def test_only_the_members_listener_has_the_filters() -> None:
    folder = Path("/stack")
    guards = Guards(filters=edge_filters(folder), answers=edge_answers())
    listeners = bootstrap(folder, public_port=1, preview_port=2, admin_socket=folder / "admin.sock", guards=guards)["static_resources"]
    assert isinstance(listeners, dict)
    members, preview = (json.dumps(each) for each in listeners["listeners"])  # type: ignore[union-attr]  # a list of listeners
    for name in (LIMIT, DENY):
        assert f"/stack/{name}.json" in members
        assert name not in preview
