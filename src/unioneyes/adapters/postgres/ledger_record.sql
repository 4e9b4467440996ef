INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES (%(hash)s, %(when)s)
