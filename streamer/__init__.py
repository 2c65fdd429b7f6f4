"""Cameras in, face windows out."""
