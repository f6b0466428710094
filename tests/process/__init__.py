"""Whole processes: the service as it is started, raced, killed."""
