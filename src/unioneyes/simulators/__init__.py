"""Vendors and users, for drills, demos and tests: they speak and check the real wire protocols."""
