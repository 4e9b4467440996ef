import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.adapters.envoy.config import LATENCY_BOUNDS_MS, Guards, Routes, bootstrap, endpoints, read_configuration, read_routes, revision, routes
from unioneyes.ports.traffic import Colour, Weights

WEIGHTS = st.integers(0, 100).map(lambda green: Weights(blue=100 - green, green=green)) | st.just(Weights())
ROUTES = st.builds(
    Routes,
    weights=WEIGHTS,
    maintenance=st.booleans(),
    retry_after=st.integers(0, 86400).map(lambda seconds: timedelta(seconds=seconds)),
    change=st.text("0123456789", min_size=1),
)


@given(ROUTES)
def test_what_was_written_is_what_is_read(state: Routes) -> None:
    read = read_routes(json.dumps(routes(state, version="7")))
    assert (read, read.change) == (state, state.change)


@given(ROUTES, ROUTES)
def test_only_the_same_routes_have_the_same_revision_however_often_they_are_written(one: Routes, other: Routes) -> None:
    same = one == other and one.change == other.change
    assert (_revision(one, "1") == _revision(other, "2")) is same


def _revision(state: Routes, version: str) -> str:
    document = routes(state, version=version)
    resources = document["resources"]
    assert isinstance(resources, list)
    return revision(resources[0], json.dumps(document))


@given(ROUTES)
def test_the_same_routes_written_anew_are_another_content_so_that_they_are_loaded(state: Routes) -> None:
    assert routes(state, version="1")["resources"] != routes(state, version="2")["resources"]


@given(WEIGHTS)
def test_the_weights_never_sum_to_nothing_which_envoy_would_refuse(weights: Weights) -> None:
    document = json.dumps(routes(Routes(weights=weights), version="1"))
    shares = [int(piece.split("}")[0]) for piece in document.split('"weight": ')[1:]]
    assert shares
    assert all(sum(pair) == 100 for pair in zip(shares[::2], shares[1::2], strict=True))


def test_zeros_that_envoy_leaves_out_are_read_as_zeros() -> None:
    document = json.dumps(routes(Routes(weights=Weights(green=100)), version="1")).replace('"numerator": 0, ', "").replace(', "weight": 0', "")
    assert read_routes(document) == Routes(weights=Weights(green=100))


@pytest.mark.parametrize("document", ["", "{}", '{"resources": []}', '{"resources": [{"virtual_hosts": [{"routes": []}], "metadata": {}}]}'])
def test_a_file_that_is_not_ours_is_refused(document: str) -> None:
    with pytest.raises((ValueError, LookupError)):
        read_routes(document)


def test_no_configuration_is_refused() -> None:
    with pytest.raises(ValueError, match="validation"):
        read_configuration(None)


def test_the_limit_of_slow_answers_is_a_bound_of_the_histogram() -> None:
    assert 2000 in LATENCY_BOUNDS_MS
    assert list(LATENCY_BOUNDS_MS) == sorted(LATENCY_BOUNDS_MS)


def test_both_clusters_of_a_colour_read_the_same_endpoints() -> None:
    guards = Guards(filters=[], answers={})
    document = json.dumps(bootstrap(Path("/stack"), public_port=1, preview_port=2, admin_socket=Path("/stack/admin.sock"), guards=guards))
    assert document.count("/stack/endpoints_green.json") == 2
    assert '"name": "preview_green"' in document
    assert "/stack/green-1.sock" in json.dumps(endpoints(Colour.GREEN, [Path("/stack/green-1.sock")], version="1"))
