"""The only files of moderation with I/O; opened by its main, nowhere else."""
