"""Tests of Slugline."""
