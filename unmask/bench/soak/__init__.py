"""`unmask bench soak`: the whole product for a long time, cameras failing, and whether anything grows."""
