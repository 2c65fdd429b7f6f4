"""`unmask data`: from a folder of clips to a manifest, from a manifest to the store of faces that training reads."""
