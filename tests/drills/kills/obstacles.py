"""What stands in a run's way late in it: so it fails, always at the same step, and the engine takes back what it did. Members notice nothing of it."""

from __future__ import annotations

from pathlib import Path

from psycopg.sql import SQL, Literal

from tests.drills.main_job.main_job import MainJob
from tests.drills.rollback.ways_back import admin, backed_up, filled_deadlines
from unioneyes.claims.flows import STEWARD
from unioneyes.ports.traffic import Colour

CRIPPLED = "crippled"
"""A backup in which the service may not write claims: it equals its source, and no release works on it."""
_REFUSE = """
create function drill_refuse() returns trigger language plpgsql set search_path = pg_catalog as $$
begin
    if new.organization_id = {organization} and current_setting('port') = {port}
        and {there} = exists (select from pg_attribute where attrelid = new.tableoid and attname = 'deadline' and not attisdropped) then
        raise exception 'this schema is not for here';
    end if;
    return new;
end$$"""


def crippled_backup(job: MainJob) -> None:
    """The backup `CRIPPLED` stands, and is verified; the database itself is sound."""
    if CRIPPLED in {backup.name for backup in job.stack.environment.backups.all()}:
        return
    with admin(job) as connection:
        connection.execute("revoke insert on claims from claims_app")
    try:
        backed_up(job, CRIPPLED)
    finally:
        with admin(job) as connection:
            connection.execute("grant insert on claims to claims_app")


def no_claim_without_a_deadline(job: MainJob) -> None:
    """1.0.0, which sets none, can't submit claims any more; 1.1.0 can."""
    filled_deadlines(job)
    with admin(job) as connection:
        connection.execute("alter table claims add constraint drill_deadline check (deadline is not null)")


def no_smoke_on_the_older_schema(job: MainJob) -> None:
    """On the live server the smoke tests fail as soon as the column for deadlines is gone; on a restored copy they pass, and members are served on both."""
    _no_smoke(job, deadlines=False)


def no_smoke_on_the_newer_schema(job: MainJob) -> None:
    """On the live server the smoke tests fail as soon as the column for deadlines is there; members are served with it and without."""
    _no_smoke(job, deadlines=True)


def _no_smoke(job: MainJob, *, deadlines: bool) -> None:
    organization = Literal(STEWARD["organization"]["id"])
    with admin(job) as connection:
        row = connection.execute("select current_setting('port')").fetchone()
        assert row is not None
        connection.execute(SQL(_REFUSE).format(organization=organization, port=Literal(row[0]), there=Literal(deadlines)))
        connection.execute("create trigger drill_refuse after insert on claims for each row execute function drill_refuse()")


def no_place_for_pods(job: MainJob) -> None:
    """A third pod of either colour can't listen anywhere."""
    for place in third_places(job):
        place.mkdir(exist_ok=True)


def third_places(job: MainJob) -> list[Path]:
    """Return where the third pod of each colour would listen."""
    return [job.stack.layout.sockets / f"{colour}-3.sock" for colour in Colour]


def without_obstacles(job: MainJob) -> None:
    """Nothing stands in the way; the crippled backup harms nobody who does not restore it."""
    for place in third_places(job):
        if place.is_dir():
            place.rmdir()
    with admin(job) as connection:
        connection.execute("alter table claims drop constraint if exists drill_deadline")
        connection.execute("drop function if exists drill_refuse() cascade")
