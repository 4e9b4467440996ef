-- 1.1.0 sets and shows a claim's deadline.

-- name: submit_claim
INSERT INTO claims (organization_id, member_id, type, priority, text, deadline)
VALUES (%(organization_id)s, %(member_id)s, %(type)s, %(priority)s, %(text)s, %(deadline)s)
RETURNING id, claim_number, organization_id, member_id, type, status, priority, text, assigned_to, deadline, created_at, updated_at;

-- name: list_claims
SELECT id, claim_number, organization_id, member_id, type, status, priority, text, assigned_to, deadline, created_at, updated_at
FROM claims
WHERE organization_id = %(organization_id)s AND claim_number < coalesce(%(after)s::bigint, 9223372036854775807)
ORDER BY claim_number DESC
LIMIT %(limit)s;

-- name: find_claim
SELECT id, claim_number, organization_id, member_id, type, status, priority, text, assigned_to, deadline, created_at, updated_at
FROM claims
WHERE id = %(claim_id)s;
