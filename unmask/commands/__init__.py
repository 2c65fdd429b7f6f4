"""The commands, a file for each group. What a command needs is imported when it runs: --help answers at once."""
