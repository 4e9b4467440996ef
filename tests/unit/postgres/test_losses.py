"""What a rollback file destroys, by its text."""

import pytest

from unioneyes.adapters.postgres.losses import destroyed
from unioneyes.ports.database import Loss, LossKind

COLUMN, TABLE, VALUES, UNKNOWN = LossKind.COLUMN, LossKind.TABLE, LossKind.VALUES, LossKind.UNKNOWN


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("ALTER TABLE claims DROP COLUMN IF EXISTS deadline;", [(COLUMN, "claims.deadline")]),
        ("alter table if exists only Claims drop Deadline, drop column b cascade", [(COLUMN, "claims.deadline"), (COLUMN, "claims.b")]),
        ('ALTER TABLE "Org"."Members" DROP COLUMN "userId";', [(COLUMN, "Org.Members.userId")]),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (a IN (1, 2)), DROP COLUMN a;", [(COLUMN, "t.a")]),
        ("DROP TABLE IF EXISTS a, s.b CASCADE;", [(TABLE, "a"), (TABLE, "s.b")]),
        ("DELETE FROM claims WHERE x = 'a; DROP TABLE y';", [(VALUES, "claims")]),
        ("UPDATE ONLY claims SET status = 'x'", [(VALUES, "claims")]),
        ("TRUNCATE TABLE a, b", [(VALUES, "a"), (VALUES, "b")]),
        ("ALTER TABLE t ALTER COLUMN amount TYPE int USING amount::int;", [(VALUES, "t.amount")]),
        ("DO $$ BEGIN DROP TABLE t; END $$;", [(UNKNOWN, "do")]),
        ("SELECT clean_up();", [(UNKNOWN, "select clean_up (")]),
        ("DROP SCHEMA audit;", [(UNKNOWN, "drop schema audit")]),
        ("DROP TYPE mood CASCADE;", [(UNKNOWN, "drop type mood")]),
    ],
)
def test_what_is_destroyed_is_named(script: str, told: list[tuple[LossKind, str]]) -> None:
    assert [(one.kind, one.what) for one in destroyed(script)] == told


@pytest.mark.parametrize(
    "script",
    [
        "-- DROP TABLE claims;",
        "/* ALTER TABLE claims DROP COLUMN deadline; */",
        "ALTER TABLE t DROP CONSTRAINT c; ALTER TABLE t ALTER COLUMN a DROP NOT NULL; ALTER TABLE t RENAME TO u;",
        "DROP INDEX by_status; DROP FUNCTION f(); DROP TYPE mood; DROP VIEW v; DROP TRIGGER g ON t; DROP POLICY p ON t;",
        "SET LOCAL lock_timeout = '300ms'; REVOKE ALL ON t FROM r; COMMENT ON COLUMN t.a IS 'DROP TABLE t';",
        "",
    ],
)
def test_what_destroys_nothing_is_not_announced(script: str) -> None:
    assert destroyed(script) == ()


def test_the_same_thing_is_named_once() -> None:
    assert [one.what for one in destroyed("UPDATE t SET a = 1; UPDATE t SET b = 2;")] == ["t"]


def test_a_loss_says_what_is_lost_and_how_much_of_it_there_is() -> None:
    loss = Loss(migration="0001_claim_deadlines", kind=COLUMN, what="claims.deadline", rows=None)
    assert str(loss) == "taking 0001_claim_deadlines back drops claims.deadline: what members write there is lost"
    assert "(1,204 rows hold a value now)" in str(Loss(migration="0001", kind=COLUMN, what="claims.deadline", rows=1204))
