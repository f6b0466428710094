"""Tests of behaviour through the public face, on real databases."""
