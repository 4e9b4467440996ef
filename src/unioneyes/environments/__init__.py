"""Composition: which adapters stand behind the ports, per environment. The one place that knows."""
