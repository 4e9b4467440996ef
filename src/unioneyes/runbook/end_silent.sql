-- The session that holds a worker's advisory lock is ended, where it is idle and has said nothing for longer than the lease.
-- pg_locks(5): a lock of one 64-bit key has its high half in classid, its low half in objid, and 1 in objsubid.
SELECT pg_terminate_backend(activity.pid)
FROM pg_locks AS held
JOIN pg_stat_activity AS activity ON activity.pid = held.pid
WHERE held.locktype = 'advisory'
    AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND held.classid::bigint = (%(key)s::bigint >> 32) & 4294967295
    AND held.objid::bigint = %(key)s::bigint & 4294967295
    AND held.objsubid = 1
    AND held.granted
    AND activity.state = 'idle'
    AND activity.state_change < clock_timestamp() - %(lease)s::interval
