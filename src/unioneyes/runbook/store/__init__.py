"""The engine's own state: runs, journal, service lock. Schema `ue` of the control plane's database."""
