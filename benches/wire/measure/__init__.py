"""Parts of the benchmarks in scripts/: requests, servers, loads and tables."""
