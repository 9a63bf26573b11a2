"""Evaluations of models on benchmark folders, and studies with people."""
