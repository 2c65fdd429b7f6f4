"""Real servers and real pictures for the tests. Each server is started and ended by its fixture, by pid."""
