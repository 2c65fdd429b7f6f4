"""`unmask discover`: the ONVIF cameras of the local network, and the lines of the configuration that name them."""
