"""The ports' real implementations: Redis, SQL, the system clock."""
