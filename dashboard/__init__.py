"""Scores and alerts in, browser and subscribers out."""
