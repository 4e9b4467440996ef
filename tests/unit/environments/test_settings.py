from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from unioneyes.environments.local.any_service import carried_migrations
from unioneyes.environments.previews import addresses_by_colour
from unioneyes.environments.settings import ServiceSettings, SettingsRefused, read_settings
from unioneyes.kernel.project import project_path
from unioneyes.ports.environment import NoData
from unioneyes.ports.recovery import WalMode
from unioneyes.ports.traffic import Colour


def test_no_file_means_the_defaults(tmp_path: Path) -> None:
    settings = read_settings(tmp_path / "environment.toml")

    assert settings.bake == timedelta(minutes=10)
    assert (settings.service.replicas, settings.service.ready_within, settings.service.memory_mib) == (2, timedelta(seconds=60), 768)
    assert settings.staging is None
    assert settings.incidents.channel == "#incidents"
    assert settings.source is None
    assert (settings.waivers, settings.enforced) == ({}, [])


def test_every_key_is_read(tmp_path: Path) -> None:
    file = tmp_path / "environment.toml"
    file.write_text(
        """
        bake = "90s"
        enforced = ["current-version"]
        no_data = "hold"
        [service]
        replicas = 3
        memory_mib = 1024
        ready_within = "2m"
        port = 9080
        preview_port = 9081
        [control]
        port = 9180
        [source]
        folder = "~/unioneyes"
        [staging]
        url = "https://staging.example.org"
        [incidents]
        channel = "#ops"
        [waivers]
        staging-health = "staging is being rebuilt"
        """
    )

    settings = read_settings(file)

    assert settings.bake == timedelta(seconds=90)
    assert settings.no_data is NoData.HOLD
    assert (settings.service.replicas, settings.service.port, settings.service.preview_port, settings.control.port) == (3, 9080, 9081, 9180)
    assert (settings.service.ready_within, settings.service.memory_mib) == (timedelta(minutes=2), 1024)
    assert settings.staging is not None
    assert settings.staging.url == "https://staging.example.org"
    assert settings.incidents.channel == "#ops"
    assert settings.waivers == {"staging-health": "staging is being rebuilt"}
    assert settings.source is not None
    assert settings.source.folder == "~/unioneyes"
    assert settings.enforced == ["current-version"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[service]\nreplica = 3\n", "service.replica: Extra inputs are not permitted"),
        ("[service]\nreplicas = 0\n", "service.replicas: Input should be greater than or equal to 1"),
        ('[service]\nready_within = "5m"\n', "service.ready_within: Value error, the step that waits for replicas ends after five minutes: 4 min at most"),
        ("[service]\nmemory_mib = 1\n", "service.memory_mib: Input should be greater than or equal to 256"),
        ("[service]\nport = 70000\n", "service.port: Input should be less than or equal to 65535"),
        ('[service]\nport = "8080"\n', "service.port: Input should be a valid integer"),
        ('bake = "soon"\n', "bake: Value error, 'soon' is no duration"),
        ("bake = 600\n", "bake: Value error, a duration is written as text"),
        ('no_data = "keep"\n', "no_data: Input should be 'back' or 'hold'"),
        ('bake = "0s"\n', "bake: Value error, a duration is longer than nothing"),
        ('[source]\nfolder = "src"\n', "source.folder: String should match pattern"),
        ('[staging]\nurl = "staging"\n', "staging.url: String should match pattern"),
        ('[incidents]\nchannel = "incidents"\n', "incidents.channel: String should match pattern"),
        ('[waivers]\nstaging-health = " "\n', "waivers.staging-health: String should have at least 1 character"),
        ('[audit]\nwitness = "s3"\n', "audit.witness: Extra inputs are not permitted"),
        ("[audit.s3]\n", "audit.s3.bucket: Field required"),
        ('[audit.s3]\nbucket = "A_b"\n', "audit.s3.bucket: String should match pattern"),
        ('[audit.s3]\nbucket = "abc"\nprefix = "/a"\n', "audit.s3.prefix: String should match pattern"),
        ('[audit.s3]\nbucket = "abc"\nprefix = "a"\n', "audit.s3.prefix: String should match pattern"),
        ('[audit.s3]\nbucket = "abc"\nendpoint_url = "minio:9000"\n', "audit.s3.endpoint_url: String should match pattern"),
        ('[audit.s3]\nbucket = "abc"\nendpoint_url = "http://minio.example:9000"\n', "would go to minio.example in clear text: https"),
        ('[audit.s3]\nbucket = "abc"\ncredentials_file = "aws"\n', "audit.s3.credentials_file: String should match pattern"),
        (
            '[audit.s3]\nbucket = "abc"\n[audit.s3.retention]\nmode = "forever"\ndays = 1\n',
            "audit.s3.retention.mode: Input should be 'compliance' or 'governance'",
        ),
        ('[audit.s3]\nbucket = "abc"\n[audit.s3.retention]\nmode = "compliance"\ndays = 0\n', "audit.s3.retention.days: Input should be greater than"),
        ("[service\n", "is no TOML: "),
    ],
)
def test_what_is_wrong_is_said_and_where(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "environment.toml"
    file.write_text(text)

    with pytest.raises(SettingsRefused) as refused:
        read_settings(file)

    assert said in refused.value.what
    assert str(file) in refused.value.what
    assert refused.value.remedy


CLUSTER = """
name = "staging"
production = {production}
[cluster]
namespace = "unioneyes"
images = "registry.example.org/unioneyes/service"
url = "{url}"
preview_url = "https://preview.example.org"
{more}
"""


def test_an_environment_names_the_cluster_that_its_service_runs_on(tmp_path: Path) -> None:
    file = tmp_path / "environment.toml"
    file.write_text(CLUSTER.format(production="false", url="http://10.94.0.2:30080", more='machine = "10.94.0.1"\nplain_registry = true'))

    settings = read_settings(file)

    assert (settings.name, settings.production) == ("staging", False)
    assert settings.cluster is not None
    assert (settings.cluster.url, settings.cluster.machine) == ("http://10.94.0.2:30080", "10.94.0.1")


@pytest.mark.parametrize(
    ("url", "more", "said"),
    [
        ("https://api.example.org", "", "found by nobody's current context"),
        ("https://api.example.org", 'context = "prod"', "found by nobody's current context"),
        ("http://api.example.org", 'context = "prod"\nserver = "https://10.0.0.1:6443"', "reached by https alone"),
        ("https://api.example.org", 'context = "prod"\nserver = "https://10.0.0.1:6443"\nplain_registry = true', "reached by https alone"),
    ],
)
def test_production_is_never_found_by_chance_nor_reached_in_clear_text(tmp_path: Path, url: str, more: str, said: str) -> None:
    file = tmp_path / "environment.toml"
    file.write_text(CLUSTER.format(production="true", url=url, more=more))

    with pytest.raises(SettingsRefused, match=said):
        read_settings(file)


@pytest.mark.parametrize("images", ["service", "registry.example.org/", "registry.example.org/Service", "registry.example.org/service:1.0.0"])
def test_images_are_a_repository_without_a_tag(tmp_path: Path, images: str) -> None:
    file = tmp_path / "environment.toml"
    file.write_text(CLUSTER.format(production="false", url="https://api.example.org", more="").replace("registry.example.org/unioneyes/service", images))

    with pytest.raises(SettingsRefused, match=r"cluster\.images"):
        read_settings(file)


PREVIEW = 'preview_url = "https://preview.example.org"'
BY_COLOUR = 'preview_url = "https://preview-{colour}.example.org"'
BY_ADDRESS = 'preview_url = { blue = "http://10.94.0.2:30081", green = "http://10.94.0.2:30082" }'
SELECTOR = 'traffic = "selector"\n'


def led(more: str, preview: str, *, production: str = "false") -> str:
    return CLUSTER.replace(PREVIEW, preview.replace("{", "{{").replace("}", "}}")).format(production=production, url="https://api.example.org", more=more)


@pytest.mark.parametrize(
    ("preview", "blue", "green"),
    [
        (BY_COLOUR, "https://preview-blue.example.org", "https://preview-green.example.org"),
        (BY_ADDRESS, "http://10.94.0.2:30081", "http://10.94.0.2:30082"),
    ],
)
@pytest.mark.parametrize("more", [SELECTOR, ""], ids=["selector", "gateway"])
def test_a_colour_may_be_tried_at_an_address_of_its_own(tmp_path: Path, preview: str, blue: str, green: str, more: str) -> None:
    file = tmp_path / "environment.toml"
    file.write_text(led(more, preview))

    cluster = read_settings(file).cluster

    assert cluster is not None
    assert addresses_by_colour(cluster.preview_url) == {Colour.BLUE: blue, Colour.GREEN: green}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (led(SELECTOR, PREVIEW), 'takes a preview_url for each colour.*"https://preview-{colour}.example.org"'),
        (led(SELECTOR, BY_ADDRESS.replace("30082", "30081")), "takes a preview_url for each colour"),
        (led("", BY_COLOUR.replace("{colour}", "{color}")), "nothing but {colour} is put into an address"),
        (led('traffic = "ingress"', BY_COLOUR), "Input should be 'gateway' or 'selector'"),
        (led("", BY_ADDRESS.replace("green", "grey")), r"cluster\.preview_url\.addresses\.green: Field required"),
        (led("", "preview_url = 8081"), r"cluster\.preview_url\.address: Input should be a valid string"),
        (led("", 'preview_url = "preview.example.org"'), r"cluster\.preview_url\.address: String should match pattern"),
        (led(f'{SELECTOR}context = "prod"\nserver = "https://10.0.0.1:6443"', BY_ADDRESS, production="true"), "reached by https alone"),
        (led('ingress = "unioneyes-web"', BY_COLOUR), 'where a Gateway leads members, it is the edge: leave out ingress, or say traffic = "selector"'),
        (led(f'{SELECTOR}ingress = "Members"', BY_COLOUR), r"cluster\.ingress: String should match pattern"),
        (led(SELECTOR, BY_COLOUR) + '[service]\nplain = true\nhealth_path = "/"\nprobe_path = "/"\n', "a plain service does not say what it was asked"),
    ],
)
def test_what_a_selector_could_not_lead_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "environment.toml"
    file.write_text(text)

    with pytest.raises(SettingsRefused) as refused:
        read_settings(file)

    assert re.search(said, refused.value.what)


PLAIN = '[service]\nplain = true\nhealth_path = "/ready"\nprobe_path = "/"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PLAIN, "a plain service runs on a cluster"),
        ("[service]\nplain = true\n", "name health_path and probe_path"),
        ('[service]\nmigrations = "/srv/drizzle"\n', "migrations are named for a plain service"),
    ],
)
def test_a_plain_service_is_described_whole(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "environment.toml"
    file.write_text(text)

    with pytest.raises(SettingsRefused, match=said):
        read_settings(file)


def test_a_plain_service_on_a_cluster_needs_no_more_than_where_it_answers(tmp_path: Path) -> None:
    file = tmp_path / "environment.toml"
    file.write_text(CLUSTER.format(production="false", url="https://api.example.org", more="") + PLAIN)

    settings = read_settings(file)

    assert settings.service.plain
    assert carried_migrations(settings.service).folders("2.0.0") == ()
    assert carried_migrations(settings.service).newest("2.0.0") == ""


def test_every_version_of_a_plain_service_carries_what_stands_in_its_folder() -> None:
    folder = project_path("db/migrations")
    carried = carried_migrations(ServiceSettings(plain=True, health_path="/ready", probe_path="/", migrations=str(folder)))
    assert carried.folders("2.0.0") == (folder,)
    assert carried.newest("2.0.0") == "0001_claim_deadlines"


def test_the_example_for_a_cluster_of_one_s_own_is_an_environment() -> None:
    settings = read_settings(project_path("k8s/environment.example.toml"))
    assert (settings.name, settings.production) == ("mine", False)
    assert settings.cluster
    assert settings.cluster.machine


def test_the_log_is_not_kept_unless_somebody_says_so(tmp_path: Path) -> None:
    file = tmp_path / "environment.toml"
    assert read_settings(file).backup.wal is WalMode.NONE
    file.write_text('[backup]\nwal = "synchronous"\nwindow = "2d"\n')
    assert (read_settings(file).backup.wal, read_settings(file).backup.window) == (WalMode.SYNCHRONOUS, timedelta(days=2))
    file.write_text('[backup]\nwal = "sometimes"\n')
    with pytest.raises(SettingsRefused, match=r"backup\.wal"):
        read_settings(file)


def test_barmans_catalogue_is_named_whole_and_in_place_of_a_log_of_ours(tmp_path: Path) -> None:
    file = tmp_path / "environment.toml"
    file.write_text('[backup]\nengine = "barman"\n[backup.barman]\nserver = "main"\nconfig = "/etc/barman.conf"\n')
    barman = read_settings(file).backup.barman
    assert barman is not None
    assert (barman.server, barman.config, barman.program) == ("main", "/etc/barman.conf", "barman")
    for wrong in (
        '[backup]\nengine = "barman"\n',
        '[backup.barman]\nserver = "main"\n',
        '[backup]\nengine = "barman"\nwal = "receive"\n[backup.barman]\nserver = "main"\n',
        '[backup]\nengine = "barman"\n[backup.barman]\nserver = "--help"\n',
        '[backup]\nengine = "barman"\n[backup.barman]\nserver = "main"\nprogram = "barman; rm"\n',
        '[backup]\nengine = "pgbackrest"\n',
        '[backup]\nwal = "archived"\n',
    ):
        file.write_text(wrong)
        with pytest.raises(SettingsRefused, match="backup"):
            read_settings(file)
