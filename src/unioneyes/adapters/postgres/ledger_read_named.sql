SELECT id, hash AS sha256, coalesce(created_at, 0) AS "when", name, applied_at
FROM drizzle.__drizzle_migrations
ORDER BY created_at DESC, id DESC
