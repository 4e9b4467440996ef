"""The chapters of the runbook document, independent of each other."""
