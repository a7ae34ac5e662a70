"""The only files of enrich with I/O; opened by its main, nowhere else."""
