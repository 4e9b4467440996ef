"""The database's credentials are replaced while members work: the Secret is written, and the pods are started anew one by one."""

from __future__ import annotations

import secrets
from collections import Counter

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr

from tests.drills.main_job.main_job import MainJob
from tests.kubernetes.cluster.lent import Lent
from tests.stack import eventually
from unioneyes.adapters.kubernetes.told import hand_over
from unioneyes.adapters.postgres.bootstrap import DATABASE, SERVICE, set_password
from unioneyes.adapters.postgres.server import SUPERUSER
from unioneyes.environments.local.cluster import build_cluster
from unioneyes.environments.local.members import run_members
from unioneyes.environments.local.rehearsal_cluster import namespace_of

pytestmark = pytest.mark.timeout(600)
NEXT = "claims_app_next"
RATE = 20.0
KUBELET_WITHIN = 150
"""Seconds: its sync period is 60 s, and what it knows of a Secret may be as old again. Source: Kubernetes, "Mounted Secrets are updated automatically"."""


def administrative(job: MainJob) -> psycopg.Connection:
    url = job.parts.primary.url(role=SUPERUSER, password=job.parts.secrets.superuser, database=DATABASE)
    return psycopg.connect(url.get_secret_value(), autocommit=True)


def with_next_role(job: MainJob) -> SecretStr:
    """Return the database's address for a second role that may do what the service's may."""
    password = SecretStr(secrets.token_urlsafe(24))
    with administrative(job) as admin:
        admin.execute(SQL("CREATE ROLE {} LOGIN NOBYPASSRLS IN ROLE {}").format(Identifier(NEXT), Identifier(SERVICE)))
        set_password(admin, NEXT, password)
    return job.parts.primary.url(role=NEXT, password=password, database=DATABASE, elsewhere=True)


def sessions(job: MainJob) -> Counter[str]:
    """Return how many connections of pods each role has."""
    with administrative(job) as admin:
        found = admin.execute("SELECT usename FROM pg_stat_activity WHERE usename = ANY(%s) AND client_addr IS NOT NULL", ([SERVICE, NEXT],)).fetchall()
    return Counter(str(name) for (name,) in found)


def test_credentials_are_replaced_under_load_and_no_pod_goes_by_the_former_ones(job: MainJob, lent: Lent) -> None:
    job.deployed("1.1.0", "--migrate", "--bake", "1s")
    settings = job.parts.settings.cluster
    assert settings
    cluster, namespace = build_cluster(settings), namespace_of(job.stack.home)
    url = with_next_role(job)
    pod = lent.kubectl("get", "pods", "--namespace", namespace, "--selector", "app=unioneyes-web", "--output=jsonpath={.items[0].metadata.name}")
    read = ("exec", "--namespace", namespace, pod, "--", "python3", "-c", "print(open('/etc/unioneyes/database/url').read())")

    with run_members(job.stack.home, rate=RATE) as members:
        members.await_signed_in()
        assert eventually(lambda: sessions(job)[SERVICE] > 0, within=60)
        assert hand_over(cluster, url)
        assert not hand_over(cluster, url)
        assert eventually(lambda: NEXT in lent.kubectl(*read), within=KUBELET_WITHIN), "the kubelet does not replace the file of a pod that runs"
        assert sessions(job)[SERVICE] > 0, "connections that are open stay as they are: so pods have to be started anew"
        said = job.stack.ue("app", "restart", "--reason", "the database's credentials were replaced", "--yes", within=200)
        assert said.code == 0, said.err
        assert eventually(lambda: sessions(job)[NEXT] > 0 and not sessions(job)[SERVICE], within=60), sessions(job)
        seen = members.finish()

    assert (seen.lost, seen.sent > 100) == (0, True), seen
    assert url.get_secret_value() not in (job.stack.layout.logs / "control.log").read_text()
    cluster.close()
