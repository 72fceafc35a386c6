"""Users that come with Tonnage: ordinary locustfiles, which stock `locust -f` runs as well."""
