"""What leads the members of a new environment is what its cluster can, where its file leaves that open."""

from __future__ import annotations

from pathlib import Path

import pytest

from unioneyes.environments.leading import choose_traffic
from unioneyes.environments.settings import ClusterSettings, SettingsRefused, read_settings
from unioneyes.kernel.problems import Unavailable

FILE = """name = "staging"  # [cluster] stands below
[cluster]  # ours
images = "registry.example.org/unioneyes/service"
url = "https://app.example.org"
preview_url = "https://preview-{colour}.example.org"
"""


def chosen(file: Path, text: str, *, known: bool | None) -> tuple[str, str]:
    """Return what is chosen on a cluster that knows the Gateway API, or does not, or does not answer."""
    file.write_text(text)

    def knows(_: ClusterSettings) -> bool:
        if known is None:
            raise Unavailable(what="the API server does not answer", remedy="see that it runs")
        return known

    return choose_traffic(file, text, read_settings(file), knows=knows)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "environment.toml"


def test_where_the_gateway_api_is_known_it_leads_and_nothing_is_written(file: Path) -> None:
    assert chosen(file, FILE, known=True) == (FILE, "")


def test_where_it_is_not_known_the_selector_leads_and_that_is_said(file: Path) -> None:
    text, said = chosen(file, FILE, known=False)

    file.write_text(text)
    cluster = read_settings(file).cluster
    assert cluster is not None
    assert cluster.traffic == "selector"
    assert [line for line in text.splitlines() if not line.startswith("traffic")] == FILE.splitlines()
    assert "does not know the Gateway API" in said


@pytest.mark.parametrize("traffic", ["gateway", "selector"])
def test_where_the_file_says_it_nobody_is_asked(file: Path, traffic: str) -> None:
    text = f'{FILE}traffic = "{traffic}"\n'

    assert chosen(file, text, known=None) == (text, "")


def test_a_cluster_that_does_not_answer_is_said_and_counts_as_having_it(file: Path) -> None:
    text, said = chosen(file, FILE, known=None)

    assert text == FILE
    assert "could not be seen" in said
    assert "the API server does not answer" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FILE.replace("-{colour}", ""), "a preview_url for each colour"),
        (f'{FILE}[service]\nplain = true\nhealth_path = "/"\nprobe_path = "/"\n', "a plain service takes a Gateway"),
        (
            'cluster = { images = "example.org/a", url = "https://a.example.org", preview_url = "https://{colour}.example.org" }\n',
            "does not know the Gateway API",
        ),
    ],
)
def test_a_file_that_does_not_fit_a_selector_is_refused_with_what_is_missing(file: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsRefused) as refused:
        chosen(file, text, known=False)

    assert said in refused.value.what
    assert 'traffic = "' in refused.value.remedy


def test_an_environment_without_a_cluster_asks_nobody(file: Path) -> None:
    assert chosen(file, 'name = "mine"\n', known=None) == ('name = "mine"\n', "")
