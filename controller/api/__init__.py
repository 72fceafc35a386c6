"""REST, server-sent events and their schemas."""
