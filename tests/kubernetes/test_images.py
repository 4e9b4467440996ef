"""The images run as what they are: restricted, on a file system that nobody writes to; the service's without a shell."""

from __future__ import annotations

import json
from importlib.metadata import version

import pytest
from pydantic import JsonValue

from tests.kubernetes.cluster.lent import Lent
from tests.kubernetes.releases import push_control_plane, push_releases
from tests.stack import eventually

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]
RESTRICTED: JsonValue = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def run_once(lent: Lent, name: str, image: str, *, command: tuple[str, ...] = (), arguments: tuple[str, ...] = ()) -> tuple[int, str]:
    """Return how a container of `image` ended, and what it said."""
    container: dict[str, JsonValue] = {"name": "once", "image": image, "args": list(arguments), "securityContext": RESTRICTED}
    if command:
        container["command"] = list(command)
    spec: JsonValue = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    lent.kubectl.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": lent.namespace}, "spec": spec})
    state: dict[str, dict[str, int]] = {}

    def ended() -> bool:
        found = json.loads(lent.kubectl("get", "pod", name, f"--namespace={lent.namespace}", "--output=json"))["status"]
        state.update((found.get("containerStatuses") or [{"state": {}}])[0]["state"])
        return "terminated" in state

    assert eventually(ended, within=90), state
    return state["terminated"]["exitCode"], lent.kubectl("logs", name, f"--namespace={lent.namespace}")


def test_ue_runs_from_its_image_by_its_entry_point_and_by_its_name_with_the_programs_that_it_takes(lent: Lent) -> None:
    assert lent.own, "the images are pushed to the registry of a cluster of our own"
    image = push_control_plane(lent.own, "images/ue")
    assert "@sha256:" in image
    assert run_once(lent, "entry-point", image, arguments=("--version",)) == (0, f"ue {version('unioneyes')}\n")
    assert run_once(lent, "by-name", image, command=("ue", "--version")) == (0, f"ue {version('unioneyes')}\n")
    assert run_once(lent, "linter", image, command=("squawk", "--version")) == (0, f"squawk {version('squawk-cli')}\n")


def test_the_services_image_says_which_version_it_is_and_what_it_must_be_told(lent: Lent) -> None:
    assert lent.own, "the images are pushed to the registry of a cluster of our own"
    images = push_releases(lent.own, "images/service", "1.0.0", "1.1.0")
    assert len(set(images.values())) == 2
    code, said = run_once(lent, "told-nothing", images["1.1.0"])
    assert code == 2
    assert json.loads(said)["message"].startswith("CLAIMS_REPLICA: Field required; CLAIMS_DATABASE_URL_FILE: Field required")
    assert run_once(lent, "which", images["1.0.0"], command=("python3", "-c", "import os; print(os.environ['CLAIMS_VERSION'], os.getuid())")) == (
        0,
        "1.0.0 65532\n",
    )
