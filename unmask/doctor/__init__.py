"""`unmask doctor`: one page on what stands in the way, with the remedy of each."""
