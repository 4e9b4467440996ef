INSERT INTO drizzle.__drizzle_migrations (hash, created_at, name) VALUES (%(hash)s, %(when)s, %(name)s)
