SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
-- The session waits while pg_dump works in its snapshot.
SET LOCAL idle_in_transaction_session_timeout = 0;
