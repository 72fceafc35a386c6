"""A run's answer as files: result.json, a table of probes, JUnit XML, one page of HTML."""
