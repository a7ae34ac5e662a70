"""The gateway's HTTP: one file for each thing that is asked about."""
