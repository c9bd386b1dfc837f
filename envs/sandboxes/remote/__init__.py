"""Sandboxes in machines and containers that SWE-ReX reaches."""
