"""Training and evaluation of the detector; nothing here is loaded while serving."""
