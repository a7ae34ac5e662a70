"""The only files of distribution with I/O; opened by its main, nowhere else."""
