-- A migration of Drizzle 1.0 knows its time by the second; a row that 0.45 wrote, by the millisecond.
DELETE FROM drizzle.__drizzle_migrations WHERE hash = %(hash)s AND created_at / %(precision)s = %(when)s / %(precision)s
