"""Where foreign code runs: SWE-ReX deployments, isolation, and running tests in them."""
