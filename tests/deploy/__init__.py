"""Tests of setting a machine up and running its brokers."""
