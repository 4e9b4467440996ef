-- Every session of the server but this one. Who stands in the way is asked only of those that wait for a lock: the answer takes every lock's partition.
SELECT activity.pid, backend_start AS started, coalesce(backend_type, '') AS kind, coalesce(datname, '') AS database,
  coalesce(usename, '') AS "user", coalesce(application_name, '') AS application, coalesce(host(client_addr), '') AS client, coalesce(state, '') AS state,
  state_change AS state_since, query_start AS query_since, xact_start AS transaction_since,
  coalesce(wait_event_type || ': ' || wait_event, '') AS waits_for, coalesce(waiting.lock, '') AS lock,
  CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(activity.pid) ELSE '{}' END AS blocked_by,
  coalesce(role.rolsuper, false) AS superuser, coalesce(query, '') AS query, coalesce(query_id::text, '') AS query_id
FROM pg_stat_activity AS activity
LEFT JOIN pg_roles AS role ON role.oid = activity.usesysid
LEFT JOIN (
  SELECT DISTINCT ON (pid) pid, mode || coalesce(' on ' || CASE
      WHEN locktype = 'transactionid' THEN 'a transaction (a row that it wrote)'
      WHEN lock.relation IS NULL THEN locktype
      WHEN class.oid IS NULL THEN 'a table of another database'
      ELSE format('%I.%I', nspname, relname)
    END, '') AS lock
  FROM pg_locks AS lock
  LEFT JOIN pg_class AS class ON class.oid = lock.relation AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  LEFT JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
  WHERE NOT granted ORDER BY pid
) AS waiting ON waiting.pid = activity.pid
WHERE activity.pid <> pg_backend_pid() AND backend_start IS NOT NULL
ORDER BY activity.pid
