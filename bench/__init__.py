"""Measures the service at scale: a seeder of legal histories, and a load that is timed beside the machine's own floors."""
