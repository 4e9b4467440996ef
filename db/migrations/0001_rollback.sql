-- Loses the deadlines that 1.1.0 has set.
ALTER TABLE claims DROP COLUMN IF EXISTS deadline;
