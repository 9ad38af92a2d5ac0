"""The comparison behind `bench/compare.py`: servers, workloads, runs, goals and the table."""
