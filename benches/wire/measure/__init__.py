"""What the benchmarks in scripts/ are made of: the bytes, the servers, the loads, and the tables."""
