-- What 1.0.0 asks of the database. A later release's file beside this one replaces single queries by name.
-- Columns are named, never `*`: a prepared `SELECT *` fails as soon as a migration adds a column.

-- name: set_scope
SELECT
  set_config('app.current_org_id', %(organization_id)s, true),
  set_config('app.current_user_id', %(user_id)s, true),
  set_config('application_name', %(application_name)s, true);

-- name: ping
SELECT 1 AS one;

-- name: ledger_has
SELECT EXISTS (SELECT FROM drizzle.__drizzle_migrations WHERE hash = %(hash)s) AS there;

-- name: put_organization
INSERT INTO organizations (id, slug) VALUES (%(organization_id)s, %(slug)s)
ON CONFLICT (id) DO UPDATE SET slug = excluded.slug;

-- name: put_user
INSERT INTO users (id, name, email) VALUES (%(user_id)s, %(name)s, %(email)s)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, email = excluded.email;

-- name: put_member
INSERT INTO organization_members ("userId", organization_id, name, email, role)
VALUES (%(user_id)s, %(organization_id)s, %(name)s, %(email)s, %(role)s)
ON CONFLICT ("userId", organization_id) DO UPDATE SET name = excluded.name, email = excluded.email, role = excluded.role
RETURNING id, organization_id, name, email, role;

-- name: find_member
SELECT id, organization_id, name, email, role FROM organization_members WHERE "userId" = %(user_id)s AND organization_id = %(organization_id)s;

-- name: member_exists
SELECT EXISTS (SELECT FROM organization_members WHERE id = %(member_id)s) AS there;

-- name: list_members
SELECT id, organization_id, name, email, role FROM organization_members ORDER BY name, id;

-- name: record_login
INSERT INTO login_attempts (organization_id, user_id, succeeded, reason, client_address, request_id)
VALUES (%(organization_id)s, %(user_id)s, %(succeeded)s, %(reason)s, %(client_address)s, %(request_id)s);

-- name: submit_claim
INSERT INTO claims (organization_id, member_id, type, priority, text)
VALUES (%(organization_id)s, %(member_id)s, %(type)s, %(priority)s, %(text)s)
RETURNING id, claim_number, organization_id, member_id, type, status, priority, text, assigned_to, created_at, updated_at;

-- name: list_claims
SELECT id, claim_number, organization_id, member_id, type, status, priority, text, assigned_to, created_at, updated_at
FROM claims
WHERE organization_id = %(organization_id)s AND claim_number < coalesce(%(after)s::bigint, 9223372036854775807)
ORDER BY claim_number DESC
LIMIT %(limit)s;

-- name: find_claim
SELECT id, claim_number, organization_id, member_id, type, status, priority, text, assigned_to, created_at, updated_at
FROM claims
WHERE id = %(claim_id)s;

-- name: lock_claim
SELECT status, assigned_to FROM claims WHERE id = %(claim_id)s FOR UPDATE;

-- name: change_claim
UPDATE claims SET status = %(status)s, assigned_to = %(assigned_to)s, updated_at = now() WHERE id = %(claim_id)s;

-- name: record_update
INSERT INTO claim_updates (organization_id, claim_id, member_id, from_status, to_status, assigned_to, note)
VALUES (%(organization_id)s, %(claim_id)s, %(member_id)s, %(from_status)s, %(to_status)s, %(assigned_to)s, %(note)s);

-- name: list_updates
SELECT member_id, from_status, to_status, assigned_to, note, created_at FROM claim_updates WHERE claim_id = %(claim_id)s ORDER BY id;

-- A second request with the same key waits here until the first has committed or rolled back.
-- name: take_key
INSERT INTO idempotency_keys (organization_id, member_id, key, request_sha256)
VALUES (%(organization_id)s, %(member_id)s, %(key)s, %(request_sha256)s)
ON CONFLICT DO NOTHING
RETURNING true AS taken;

-- name: find_answer
SELECT request_sha256, status, body FROM idempotency_keys
WHERE organization_id = %(organization_id)s AND member_id = %(member_id)s AND key = %(key)s;

-- name: keep_answer
UPDATE idempotency_keys SET status = %(status)s, body = %(body)s
WHERE organization_id = %(organization_id)s AND member_id = %(member_id)s AND key = %(key)s;
