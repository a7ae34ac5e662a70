"""The only files of ingest with I/O; opened by its main, nowhere else."""
