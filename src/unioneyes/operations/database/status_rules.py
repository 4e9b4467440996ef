"""From which value on something is wrong with the database. Pure."""

from __future__ import annotations

FULL = 0.8
"""Share of the connections, of a pool or of the disk that is in use, 0-1. Source: Database Metrics, "Connection Pool Usage > 80%" and "Disk Usage > 80%"."""
