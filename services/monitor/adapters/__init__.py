"""The only files of monitor with I/O; opened by its main, nowhere else."""
