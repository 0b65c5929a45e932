"""Kinds of published configurations: each prices what a publication states with archsim's models."""
