"""The only files of gateway with I/O; opened by its main, nowhere else."""
