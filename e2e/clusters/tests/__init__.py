"""What of the clusters can be checked without starting one."""
