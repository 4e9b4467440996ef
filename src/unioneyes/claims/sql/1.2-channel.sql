-- 1.2.0-incompatible-migration names the channel of each claim, and its migration refuses claims without one.

-- name: submit_claim
INSERT INTO claims (organization_id, member_id, type, priority, text, deadline, channel)
VALUES (%(organization_id)s, %(member_id)s, %(type)s, %(priority)s, %(text)s, %(deadline)s, 'web')
RETURNING id, claim_number, organization_id, member_id, type, status, priority, text, assigned_to, deadline, created_at, updated_at;
