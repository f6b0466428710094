"""Backups that prove themselves: a copy made while the service runs, a manifest beside it, a restore that verifies first."""
